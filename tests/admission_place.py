"""A namespace under the admission policies, and every kind of caller in it.

Most tests of the policies are one row of the matrix "this request, these callers": each caller sends the same request
as a dry run, and the set of those who were let through is compared. Every caller has the RBAC rights that its request
needs, so that a refusal is the policy's.
"""

from collections.abc import Callable
from typing import Any

from kubernetes import client

from fairlead_crds import names
from fairlead_crds.kinds import KINDS
from plain_requests import Answer, Caller

API = f"/apis/{names.API_VERSION}"

CONTROLLERS = "system:serviceaccount:kube-system"
SYSTEM = f"system:serviceaccount:{names.SYSTEM_NAMESPACE}"
EDIT, FORCER, RESTORER, RELEASER, ADOPTER = "edit", "force-detacher", "restorer", "releaser", "adopter"
ADOPTER_FROM_ONE = "adopter-from-one"  # may adopt from the Backend named "one"
WILDCARD = "wildcard"  # every verb on everything, but by a Role in its own namespace
OPERATOR, FACADE = f"{SYSTEM}:{names.OPERATOR_ACCOUNT}", f"{SYSTEM}:{names.FACADE_ACCOUNT}"
GC, NAMESPACES = f"{CONTROLLERS}:generic-garbage-collector", f"{CONTROLLERS}:namespace-controller"
CONTROLLER_MANAGER = "system:kube-controller-manager"
ADMIN = "admin"  # a member of system:masters

CALLERS = frozenset(
    {EDIT, FORCER, RESTORER, RELEASER, ADOPTER, ADOPTER_FROM_ONE, WILDCARD}
    | {OPERATOR, FACADE, GC, NAMESPACES, CONTROLLER_MANAGER, ADMIN}
)
DETACHERS = {FORCER, WILDCARD, OPERATOR, FACADE, GC, NAMESPACES, CONTROLLER_MANAGER, ADMIN}
CREATORS = {OPERATOR, FACADE, RESTORER, ADMIN}
WRITERS = {OPERATOR, RESTORER, ADMIN}
EXTRA_VERBS = {FORCER: "force-detach", RESTORER: "restore", RELEASER: "release", ADOPTER: "adopt"}

CONNECTOR = {"initiator": "iqn.1994-05.com.redhat:1", "host": "node-1"}
SPECS: dict[str, dict[str, Any]] = {"volumes": {"size": "1Gi"}, "attachments": {"volumeName": "v"}}
CLAIMS = sorted(SPECS)

Request = Callable[[Caller], Answer]


def manifest(plural: str, name: str, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    kind = next(kind.kind for kind in KINDS if kind.plural == plural)
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": spec or SPECS[plural],
    }


class Place:
    """A namespace of the guarded control plane, and the callers in it."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self.admin = Caller(api)
        self.callers = {name: Caller(api, None if name == ADMIN else name) for name in CALLERS}
        self.edit = self.callers[EDIT]

    def path(self, plural: str, name: str = "", *, status: bool = False) -> str:
        parts = [API, "namespaces", self.namespace, plural, name, "status" if status else ""]
        return "/".join(part for part in parts if part)

    def create(self, plural: str, name: str, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
        answer = self.admin.send("POST", self.path(plural), manifest(plural, name, spec, **metadata))
        assert answer.ok, answer.message
        return answer.body

    def attachment(self, name: str, phase: str, **spec: Any) -> dict[str, Any]:
        """An Attachment that the operator has brought to a phase."""
        self.create("attachments", name, SPECS["attachments"] | spec)
        status = {"phase": phase, "host": "node-1"}
        answer = self.admin.patch(self.path("attachments", name, status=True), {"status": status})
        assert answer.ok, answer.message
        return answer.body

    def let_through(self, request: Request) -> set[str]:
        """Who may; nobody is refused for another reason than a policy's."""
        answers = {name: request(caller) for name, caller in self.callers.items()}
        for name, answer in answers.items():
            assert answer.ok or "ValidatingAdmissionPolicy" in answer.message, f"{name}: {answer.message}"
        return {name for name, answer in answers.items() if answer.ok}

    def patching(self, plural: str, name: str, body: Any, *, status: bool = False, **options: Any) -> Request:
        path = self.path(plural, name, status=status)
        return lambda caller: caller.patch(path, body, dryRun="All", **options)

    def creating(self, plural: str, spec: dict[str, Any] | None = None, **metadata: Any) -> Request:
        body = manifest(plural, "new", spec, **metadata)
        return lambda caller: caller.send("POST", self.path(plural), body, dryRun="All")

    def replacing(self, plural: str, body: dict[str, Any]) -> Request:
        path = self.path(plural, body["metadata"]["name"])
        return lambda caller: caller.send("PUT", path, body, dryRun="All")

    def deleting(self, name: str) -> Request:
        return lambda caller: caller.send("DELETE", self.path("attachments", name), dryRun="All")
