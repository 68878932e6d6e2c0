"""A ValidatingAdmissionPolicy with its binding, as the API server takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairlead_crds import names


@dataclass(frozen=True)
class Rule:
    """One thing that is refused.

    Attributes:
        expression: CEL; false refuses the request.
        message: what the caller reads.
        message_expression: CEL of the same with names filled in.
    """

    expression: str
    message: str
    message_expression: str | None = None

    def validation(self) -> dict[str, str]:
        """The rule as a ValidatingAdmissionPolicy has it."""
        result = {"expression": self.expression, "message": self.message, "reason": "Forbidden"}
        return result | ({"messageExpression": self.message_expression} if self.message_expression else {})


@dataclass(frozen=True)
class Policy:
    """A ValidatingAdmissionPolicy, bound to the whole cluster."""

    name: str
    operations: Sequence[str]
    resources: Sequence[str]
    rules: Sequence[Rule]
    variables: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)

    def manifests(self) -> list[dict[str, Any]]:
        """The policy and its binding."""
        name = f"{self.name}.{names.GROUP}"
        api = "admissionregistration.k8s.io/v1"
        spec: dict[str, Any] = {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [names.GROUP],
                        "apiVersions": ["*"],
                        "operations": list(self.operations),
                        "resources": list(self.resources),
                    }
                ]
            },
        }
        if self.conditions:
            spec["matchConditions"] = [{"name": k, "expression": v} for k, v in self.conditions.items()]
        if self.variables:
            spec["variables"] = [{"name": k, "expression": v} for k, v in self.variables.items()]
        spec["validations"] = [rule.validation() for rule in self.rules]
        return [
            {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
            {
                "apiVersion": api,
                "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": name},
                "spec": {"policyName": name, "validationActions": ["Deny"]},
            },
        ]
