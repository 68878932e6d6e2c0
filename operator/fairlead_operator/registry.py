"""Finds drivers by entry point and checks a Backend's parameters against the driver's own model."""

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import pydantic

from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import Backend
from fairlead_operator.drivers.base import Driver

GROUP = "fairlead.drivers"


@dataclass(frozen=True)
class Unusable:
    """Why a Backend cannot be served."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Plan:
    """How a Backend is served: its driver and its checked parameters. Equal plans need no restart."""

    backend: str
    driver: type[Driver]
    parameters: Any

    def make(self) -> Driver:
        """Build the driver; does no I/O."""
        return self.driver(backend=self.backend, parameters=self.parameters)


def plan_for(backend: Backend) -> Plan | Unusable:
    """Return how to serve the Backend, or why it cannot be."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    name = backend.spec.driver
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        return Unusable(Reason.UNKNOWN_DRIVER, f"there is no driver {name!r}; installed: {known}")
    try:
        driver: type[Driver] = found[name].load()
    except Exception as error:  # another package's code may fail in any way; one Backend must not stop the others
        return Unusable(Reason.UNKNOWN_DRIVER, f"driver {name!r} cannot be loaded: {type(error).__name__}: {error}")
    try:
        parameters = driver.parameters_model.model_validate(dict(backend.spec.parameters))
    except pydantic.ValidationError as error:
        return Unusable(Reason.INVALID_PARAMETERS, _phrase(error))
    return Plan(backend.metadata.name, driver, parameters)


def _phrase(error: pydantic.ValidationError) -> str:
    """One line per flaw, naming the field; never the value, which may be a secret."""
    flaws = []
    for flaw in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in ("parameters", *flaw["loc"]))
        flaws.append(f"{where}: {flaw['msg'].removeprefix('Value error, ')}")
    return "; ".join(flaws)
