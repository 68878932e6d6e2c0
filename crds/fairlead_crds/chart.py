"""The Helm chart's copies of the generated manifests: the same objects, as templates of the chart.

Templates and not the chart's `crds/` folder, because Helm never upgrades what is in there.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fairlead_crds import names, policies
from fairlead_crds.definitions import definition
from fairlead_crds.kinds import KINDS

TEMPLATES: Final = Path("charts/fairlead/templates")

_KEEP: Final = """\
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
"""

# Words that the YAML writer leaves whole, however it folds the lines; templates' braces and spaces it would not.
_EXPRESSIONS: Final[Mapping[str, str]] = {
    "XXNAMESPACEXX": "{{ .Release.Namespace }}",
    "XXOPERATORXX": '{{ include "fairlead.operatorAccount" . }}',
    "XXFACADEXX": '{{ include "fairlead.apiAccount" . }}',
}


def chart_files(to_yaml: Callable[[Sequence[Any]], str], origin: str) -> dict[Path, str]:
    """Return the chart's generated templates by their path in the checkout.

    Args:
        to_yaml: writes documents without a header.
        origin: the sentence that says how generated files come about.
    """
    files = {
        TEMPLATES / "crds" / f"{kind.plural}.yaml": _definition(kind.plural, to_yaml([definition(kind)]), origin)
        for kind in KINDS
    }
    files[TEMPLATES / "admission" / "policies.yaml"] = _policies(to_yaml, origin)
    return files


def _definition(plural: str, text: str, origin: str) -> str:
    """A definition that can be left out, and that an uninstallation leaves unless told otherwise."""
    name = f"  name: {plural}.{names.GROUP}\n"
    assert text.count(f"metadata:\n{name}") == 1
    return _guarded(text.replace(name, name + _KEEP, 1), ".Values.crds.enabled", origin)


def _policies(to_yaml: Callable[[Sequence[Any]], str], origin: str) -> str:
    identities = policies.Identities(*_EXPRESSIONS)
    text = to_yaml(policies.manifests(identities))
    for word, expression in _EXPRESSIONS.items():
        text = text.replace(word, expression)
    return _guarded(text, ".Values.admissionPolicies.enabled", origin)


def _guarded(text: str, condition: str, origin: str) -> str:
    return f"{{{{- /* {origin} */ -}}}}\n{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n"
