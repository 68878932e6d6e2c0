"""Users of the cluster who may do exactly what a test says: ServiceAccounts, their rights, their tokens."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubernetes import client

from fairlead_crds import names
from fairlead_devstack.api_client import connect
from fairlead_devstack.service_account import service_account_kubeconfig
from plain_requests import Caller
from rest import Answer, Rest
from waiting import wait_for


@dataclass(frozen=True)
class Grant:
    """One thing that a Role grants on our kinds."""

    verb: str
    resource: str


ORDINARY = tuple(
    Grant(verb, resource)
    for resource in ("volumes", "attachments")
    for verb in ("get", "list", "create", "patch", "delete")
)
EVERYTHING = (*ORDINARY, Grant("get", "attachments/connection"), Grant("force-detach", "attachments"))
"""All that there is to do with volumes and attachments in a namespace."""


@dataclass(frozen=True)
class Account:
    """A ServiceAccount at both doors."""

    namespace: str
    name: str
    token: str
    kubectl: Caller

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def rest(self, url: str, project: str | None) -> "TokenRest":
        return TokenRest(url, project, self.token)


class TokenRest(Rest):
    """The facade, with a token."""

    def __init__(self, url: str, project: str | None, token: str, *, bearer: bool = False) -> None:
        super().__init__(url, project)
        self._header = {"Authorization": f"Bearer {token}"} if bearer else {"X-Auth-Token": token}

    def send(self, method: str, path: str, body: object = None, **options: object) -> Answer:
        given = options.pop("headers", None) or {}
        assert isinstance(given, dict)
        return super().send(method, path, body, headers={**self._header, **given}, **options)  # type: ignore[arg-type]


People = Callable[[str], TokenRest]
"""Callers by a user's name."""


class Accounts:
    """Makes them in one namespace."""

    def __init__(self, api: client.ApiClient, kubeconfig: Path, folder: Path, namespace: str) -> None:
        self._api = api
        self._kubeconfig = kubeconfig
        self._folder = folder
        self.namespace = namespace
        self._opened: list[client.ApiClient] = []

    def make(self, name: str, grants: Iterable[Grant], *, everywhere: bool = False, only: str = "") -> Account:
        """Make an account and wait until its rights are in force.

        Args:
            name: its name.
            grants: what it may.
            everywhere: in the whole cluster instead of in its namespace.
            only: name of the one object it may do that to.
        """
        core = client.CoreV1Api(self._api)
        meta = client.V1ObjectMeta(name=name, namespace=self.namespace)
        core.create_namespaced_service_account(self.namespace, client.V1ServiceAccount(metadata=meta))
        granted = list(grants)
        self.grant(name, granted, everywhere=everywhere, only=only)
        path = service_account_kubeconfig(
            self._kubeconfig, namespace=self.namespace, name=name, path=self._folder / f"{self.namespace}-{name}"
        )
        connected = connect(path)
        self._opened.append(connected)
        account = Account(self.namespace, name, self.token(name), Caller(connected))
        for grant in granted:
            self.wait_allowed(account.user, grant, "" if everywhere else self.namespace, only)
        return account

    def grant(self, name: str, grants: Sequence[Grant], *, everywhere: bool = False, only: str = "") -> None:
        """Give an account rights."""
        rbac = client.RbacAuthorizationV1Api(self._api)
        rules = [
            client.V1PolicyRule(
                api_groups=[names.GROUP],
                resources=[grant.resource],
                verbs=[grant.verb],
                resource_names=[only] if only else None,
            )
            for grant in grants
        ]
        subject = client.RbacV1Subject(kind="ServiceAccount", name=name, namespace=self.namespace)
        role_name = f"{self.namespace}-{name}"
        kind = "ClusterRole" if everywhere else "Role"
        reference = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind=kind, name=role_name)
        meta = client.V1ObjectMeta(name=role_name)
        if everywhere:
            rbac.create_cluster_role(client.V1ClusterRole(metadata=meta, rules=rules))
            rbac.create_cluster_role_binding(
                client.V1ClusterRoleBinding(metadata=meta, role_ref=reference, subjects=[subject])
            )
        else:
            rbac.create_namespaced_role(self.namespace, client.V1Role(metadata=meta, rules=rules))
            rbac.create_namespaced_role_binding(
                self.namespace, client.V1RoleBinding(metadata=meta, role_ref=reference, subjects=[subject])
            )

    def bind(self, name: str, cluster_role: str) -> None:
        """Give an account what a ClusterRole grants, in its namespace."""
        reference = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=cluster_role)
        subject = client.RbacV1Subject(kind="ServiceAccount", name=name, namespace=self.namespace)
        meta = client.V1ObjectMeta(name=f"{self.namespace}-{name}-{cluster_role}")
        client.RbacAuthorizationV1Api(self._api).create_namespaced_role_binding(
            self.namespace, client.V1RoleBinding(metadata=meta, role_ref=reference, subjects=[subject])
        )

    def revoke(self, name: str) -> None:
        """Take an account's rights in its namespace away."""
        rbac = client.RbacAuthorizationV1Api(self._api)
        rbac.delete_namespaced_role_binding(f"{self.namespace}-{name}", self.namespace)

    def token(self, name: str, *audiences: str) -> str:
        """A token of an account."""
        request = client.AuthenticationV1TokenRequest(
            spec=client.V1TokenRequestSpec(audiences=list(audiences), expiration_seconds=3600)
        )
        answer = client.CoreV1Api(self._api).create_namespaced_service_account_token(name, self.namespace, request)
        return str(answer.status.token)

    def wait_allowed(self, user: str, grant: Grant, namespace: str, name: str = "") -> None:
        """Wait until the authorizer, which learns of Roles by a watch, grants something."""
        resource, _, subresource = grant.resource.partition("/")
        review = client.V1SubjectAccessReview(
            spec=client.V1SubjectAccessReviewSpec(
                user=user,
                resource_attributes=client.V1ResourceAttributes(
                    group=names.GROUP,
                    resource=resource,
                    subresource=subresource,
                    verb=grant.verb,
                    namespace=namespace,
                    name=name,
                ),
            )
        )
        authorization = client.AuthorizationV1Api(self._api)
        wait_for(lambda: authorization.create_subject_access_review(review).status.allowed, what=f"{user} may {grant}")

    def close(self) -> None:
        """Close the connections, and remove what is in no namespace."""
        rbac = client.RbacAuthorizationV1Api(self._api)
        for kind, delete in (
            (rbac.list_cluster_role_binding, rbac.delete_cluster_role_binding),
            (rbac.list_cluster_role, rbac.delete_cluster_role),
        ):
            for item in kind().items:
                if item.metadata.name.startswith(f"{self.namespace}-"):
                    delete(item.metadata.name)
        for api in self._opened:
            api.close()
