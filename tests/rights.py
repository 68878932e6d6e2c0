"""What roles grant."""

from collections.abc import Mapping
from typing import Any

Right = tuple[str, str, str]
"""API group, resource, verb."""


def rights(role: Mapping[str, Any]) -> set[Right]:
    """The rights that a Role or ClusterRole grants."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
