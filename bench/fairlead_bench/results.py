"""The results of every section's latest run, kept in one JSON file; a section that runs again replaces its own."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from fairlead_bench.figures import Result
from fairlead_bench.machine import Disturbance, Machine


class Run(BaseModel):
    """One run of one section.

    Attributes:
        at: when it ended, ISO 8601, UTC.
        commit: of the checkout.
    """

    model_config = ConfigDict(frozen=True)

    at: str
    commit: str
    machine: Machine
    disturbance: Disturbance
    result: Result


class Results(BaseModel):
    """Runs by section."""

    sections: dict[str, Run] = {}

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read the file; nothing when there is none."""
        return cls.model_validate_json(path.read_bytes()) if path.exists() else cls()

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        partial = path.with_name(f".{path.name}.new")
        partial.write_text(self.model_dump_json(indent=1) + "\n")
        partial.replace(path)
