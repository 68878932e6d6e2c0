"""The admission policies as documents: narrow, closed on failure, and documented."""

from pathlib import Path
from typing import Any

import pytest

from fairlead_crds import names, policies
from fairlead_crds.policies import Identities, manifests

PERMISSIONS = Path(__file__).parents[2] / "docs" / "reference" / "permissions.md"
POLICIES = [document for document in manifests() if document["kind"] == "ValidatingAdmissionPolicy"]
BINDINGS = [document for document in manifests() if document["kind"] == "ValidatingAdmissionPolicyBinding"]


def named(document: dict[str, Any]) -> str:
    return str(document["metadata"]["name"])


@pytest.mark.parametrize("policy", POLICIES, ids=named)
def test_a_policy_touches_nothing_outside_the_group(policy: dict[str, Any]) -> None:
    rules = policy["spec"]["matchConstraints"]["resourceRules"]
    assert [rule["apiGroups"] for rule in rules] == [[names.GROUP]]
    assert all("*" not in rule["resources"] and "*" not in rule["operations"] for rule in rules)


@pytest.mark.parametrize("policy", POLICIES, ids=named)
def test_a_policy_that_cannot_be_evaluated_refuses(policy: dict[str, Any]) -> None:
    assert policy["spec"]["failurePolicy"] == "Fail"


@pytest.mark.parametrize("policy", POLICIES, ids=named)
def test_every_refusal_has_a_message(policy: dict[str, Any]) -> None:
    validations = policy["spec"]["validations"]
    assert validations
    assert all(validation["message"] and validation["reason"] == "Forbidden" for validation in validations)
    # One line, as the API server demands.
    assert all("\n" not in validation["message"] for validation in validations)


def test_every_policy_is_bound_once() -> None:
    assert [binding["spec"]["policyName"] for binding in BINDINGS] == [named(policy) for policy in POLICIES]
    assert all(binding["spec"]["validationActions"] == ["Deny"] for binding in BINDINGS)


def test_the_accounts_are_those_it_was_rendered_for() -> None:
    text = str(manifests(Identities(namespace="storage", operator="op", facade="rest")))
    assert "system:serviceaccount:storage:op" in text
    assert "system:serviceaccount:storage:rest" in text
    assert names.SYSTEM_NAMESPACE not in text


def test_the_accounts_may_be_left_to_a_template() -> None:
    text = str(manifests(Identities(namespace="{{ .Release.Namespace }}")))
    assert "system:serviceaccount:{{ .Release.Namespace }}:fairlead-operator" in text


@pytest.mark.parametrize("verb", [policies.FORCE_DETACH, policies.RESTORE, policies.RELEASE, policies.ADOPT])
def test_every_verb_is_in_the_table_of_permissions(verb: str) -> None:
    assert f"| `{verb}` |" in PERMISSIONS.read_text(encoding="utf-8")
    assert f"check('{verb}')" in str(manifests())
