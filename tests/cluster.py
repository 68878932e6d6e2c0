"""The Kubernetes door: what a kubectl user does and sees, by the official client."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from kubernetes import client

from fairlead_crds import names
from iscsi import Access
from waiting import wait_for

Object = dict[str, Any]


class Cluster:
    """Objects of one namespace (and the cluster's), as one user."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._objects = client.CustomObjectsApi(api)
        self._core = client.CoreV1Api(api)

    def create(self, kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> Object:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": dict(spec),
        }
        return self._objects.create_namespaced_custom_object(*self._at(kind), body)

    def volume(self, name: str, size: str = "64Mi", **spec: Any) -> Object:
        """Create a Volume and wait until it is ready."""
        self.create("Volume", name, {"size": size, **spec})
        return self.wait("Volume", name, lambda v: condition(v, "Ready") == "True", "the Volume is Ready")

    def attach(self, name: str, volume: str, initiator: str | None = None, **spec: Any) -> Object:
        """Create an Attachment, reserved when there is no initiator."""
        connector = {"connector": {"initiator": initiator, "host": name}} if initiator is not None else {}
        return self.create("Attachment", name, {"volumeName": volume, **connector, **spec})

    def get(self, kind: str, name: str) -> Object | None:
        try:
            return self._objects.get_namespaced_custom_object(*self._at(kind), name)
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise

    def all(self, kind: str) -> list[Object]:
        return self._objects.list_namespaced_custom_object(*self._at(kind))["items"]

    def patch(self, kind: str, name: str, body: Mapping[str, Any]) -> Object:
        """Merge-patch an object."""
        return self._objects.patch_namespaced_custom_object(
            *self._at(kind), name, dict(body), _content_type="application/merge-patch+json"
        )

    def delete(self, kind: str, name: str) -> None:
        self._objects.delete_namespaced_custom_object(*self._at(kind), name)

    def wait(self, kind: str, name: str, done: Callable[[Object], bool], what: str, *, timeout: float = 30.0) -> Object:
        """Wait until the object is there and `done(object)`; a field that it asks for and is not there is "not yet"."""
        last: list[Object | None] = [None]

        def look() -> Object | None:
            last[0] = self.get(kind, name)
            try:
                return last[0] if last[0] is not None and done(last[0]) else None
            except KeyError:
                # What it asks for is not written yet.
                return None

        try:
            return wait_for(look, what=f"{kind} {name}: {what}", timeout=timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last[0] and last[0].get('status')}") from None

    def wait_exported(self, name: str, *, timeout: float = 30.0) -> Object:
        return self.wait("Attachment", name, lambda a: condition(a, "Exported") == "True", "exported", timeout=timeout)

    def wait_gone(self, kind: str, name: str, *, timeout: float = 30.0) -> None:
        wait_for(lambda: self.get(kind, name) is None, what=f"{kind} {name} is gone", timeout=timeout)

    def remove_all(self) -> None:
        """Delete every Attachment and Volume of the namespace and wait until the operator is done with them."""
        for kind in ("Attachment", "Volume"):
            items = [item["metadata"]["name"] for item in self.all(kind)]
            for name in items:
                self.delete(kind, name)
            for name in items:
                self.wait_gone(kind, name)

    def access(self, attachment: Object, initiator: str) -> Access:
        """How a node logs in: the Attachment's connection, the Secret's credentials."""
        user, password = self.chap(attachment)
        return Access.of(attachment["status"]["connectionInfo"]["data"], initiator, user, password)

    def chap(self, attachment: Object) -> tuple[str, str]:
        """Username and password from the Attachment's Secret."""
        secret = self._core.read_namespaced_secret(attachment["status"]["secretRef"]["name"], self.namespace)
        return _decoded(secret.data["username"]), _decoded(secret.data["password"])

    def events(self, name: str) -> list[Any]:
        """Events about an object."""
        found = self._core.list_namespaced_event(self.namespace, field_selector=f"involvedObject.name={name}")
        return list(found.items)

    def _at(self, kind: str) -> tuple[str, str, str, str]:
        return names.GROUP, names.VERSION, self.namespace, f"{kind.lower()}s"


def condition(item: Object, type_: str) -> str | None:
    """The status of a condition; None when it is not there."""
    found = next((c for c in item.get("status", {}).get("conditions", []) if c["type"] == type_), None)
    return found["status"] if found else None


def reason(item: Object, type_: str) -> tuple[str, str]:
    """Reason and message of a condition."""
    found = next((c for c in item.get("status", {}).get("conditions", []) if c["type"] == type_), {})
    return found.get("reason", ""), found.get("message", "")


def holders(volume: Object) -> list[str]:
    """Names in the ledger."""
    return [h["name"] for h in volume["status"].get("attachments", [])]


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
