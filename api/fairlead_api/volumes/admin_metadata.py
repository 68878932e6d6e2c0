"""Cinder's admin metadata of a volume, kept in an annotation that only the facade writes."""

import json
from collections.abc import Mapping
from typing import Final

from fairlead_crds import names
from fairlead_crds.kinds import Volume

READ_ONLY: Final = "readonly"
ATTACHED_MODE: Final = "attached_mode"
FORMAT: Final = "format"
VISIBLE: Final = (READ_ONLY, ATTACHED_MODE)
"""Keys that the API shows to everybody, among the volume's own metadata."""


def admin_metadata(volume: Volume) -> Mapping[str, str]:
    """Return a volume's admin metadata; an annotation that somebody broke by hand counts as empty."""
    text = volume.metadata.annotations.get(names.ANNOTATION_ADMIN_METADATA)
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def is_read_only(volume: Volume) -> bool:
    """Whether every new attachment of the volume is read-only. The text "False" is not, although Cinder thinks so."""
    return volume.spec.read_only or admin_metadata(volume).get(READ_ONLY, "").lower() == "true"


def annotation(metadata: Mapping[str, str]) -> str:
    """The annotation's text."""
    return json.dumps(dict(sorted(metadata.items())), separators=(",", ":"))
