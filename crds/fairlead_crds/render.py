"""Write the manifests and the reference page from the models; `make manifests` calls it."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from fairlead_crds import policies
from fairlead_crds.chart import chart_files
from fairlead_crds.definitions import definition
from fairlead_crds.kinds import KINDS
from fairlead_crds.reference import reference

_ORIGIN = "Generated from crds/fairlead_crds by `make manifests`; change the models, not this file."

_CHECKOUT = Path(__file__).resolve().parents[2]


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, lists indented below their key."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # CEL is full of quotes, which a quoted scalar would double.
    style = ">" if len(text) > 80 and "'" in text and "\n" not in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(documents: Iterable[Any]) -> str:
    """Return the documents as YAML under the header that says where they come from."""
    return f"# {_ORIGIN}\n{_plain(documents)}"


def _plain(documents: Iterable[Any]) -> str:
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=120, explicit_start=True)


def generated() -> dict[Path, str]:
    """Every generated file, by its path in the checkout."""
    folder = Path("crds/manifests")
    files = {folder / f"{kind.plural}.yaml": to_yaml([definition(kind)]) for kind in KINDS}
    files[folder / "policies" / "admission.yaml"] = to_yaml(policies.manifests())
    files[Path("docs/reference/resources.md")] = f"<!-- {_ORIGIN} -->\n\n{reference()}"
    return files | chart_files(_plain, _ORIGIN)


def stale(root: Path) -> list[Path]:
    """The generated files below `root` that do not say what the models say."""
    return [
        path
        for path, text in generated().items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fairlead_crds.render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    parser.add_argument("--output", type=Path, default=_CHECKOUT, metavar="DIR", help="instead of the checkout")
    options = parser.parse_args(arguments)
    behind = stale(options.output)
    for path in behind:
        if options.check:
            print(f"{path} is stale: run `make manifests`", file=sys.stderr)
        else:
            (options.output / path).parent.mkdir(parents=True, exist_ok=True)
            (options.output / path).write_text(generated()[path], encoding="utf-8")
            print(f"wrote {path}")
    return 1 if options.check and behind else 0


if __name__ == "__main__":
    sys.exit(main())
