"""Objects of every kind as the API server stores them, and an example of each with every field set."""

from typing import Any

from kubernetes import client

from fairlead_crds import names
from fairlead_crds.kinds import KINDS
from plain_requests import Answer, Caller

API = f"/apis/{names.API_VERSION}"
CHANGED_AT = "2025-01-02T03:04:05.678901Z"
CONDITION = {
    "type": "Ready", "status": "True", "reason": "Serving", "message": "all is well",
    "lastTransitionTime": CHANGED_AT, "observedGeneration": 1,
}  # fmt: skip
CONNECTOR = {
    "initiator": "iqn.1994-05.com.redhat:1", "host": "node-1", "ip": "10.0.0.1", "multipath": False,
    "system uuid": "x", "wwpns": ["1", "2"], "mountpoint": None, "nested": {"a": [1, 2.5, None, {"b": True}]},
}  # fmt: skip

# Each kind with every field set, none of them to its default.
FULL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "backends": (
        {"driver": "iscsi-tgt", "parameters": {"a": {"b": [1]}}, "default": True, "allowedNamespaces": ["n1", "n2"]},
        {
            "observedGeneration": 1, "conditions": [CONDITION], "capacity": {"total": 2**50, "free": 1},
            "protocol": "iscsi", "multiAttach": True, "selective": True, "holder": "pod-1", "keyID": "k1",
            "unknownExports": {"count": 1, "names": ["iqn.x"]},
        },
    ),
    "volumes": (
        {
            "size": "10Gi", "backendName": "b", "multiAttach": True, "readOnly": True, "bootable": True,
            "source": {"handle": "h"}, "deletionPolicy": "Retain", "displayName": "n", "displayDescription": "d",
            "metadata": {"k": "v"},
        },
        {
            "observedGeneration": 1, "phase": "Held", "conditions": [CONDITION], "capacity": 10 * 2**30,
            "backendName": "b", "handle": "h",
            "attachments": [
                {
                    "uid": "u1", "name": "a1", "handle": "h1", "instanceID": "i", "accessMode": "ReadOnly",
                    "since": CHANGED_AT,
                }
            ],
        },
    ),
    "attachments": (
        {
            "volumeName": "v", "instanceID": "i", "connector": CONNECTOR, "accessMode": "ReadOnly", "completed": True,
            "conflictPolicy": "Reject", "detachPolicy": "WaitForLogout", "reservationTTLSeconds": 60,
            "writeSecret": False,
        },
        {
            "observedGeneration": 1, "phase": "Completed", "conditions": [CONDITION], "volumeUID": "u",
            "backendName": "b", "handle": "h", "keyID": "k", "accessMode": "ReadOnly", "initiator": "iqn.x",
            "host": "node-1", "nodeName": "n", "nodeUID": "n", "secretRef": {"name": "s"},
            "connectionInfo": {"driverVolumeType": "iscsi", "data": {"target_lun": 1, "target_iqn": "t", "x": None}},
            "sessions": [{"initiator": "iqn.x", "address": "10.0.0.1"}],
            "sessionsLook": {
                "request": "r", "observedAt": CHANGED_AT, "observedGeneration": 1, "initiator": "iqn.x",
                "found": "Live", "message": "m",
            },
            "reservedAt": CHANGED_AT, "attachedAt": CHANGED_AT, "completedAt": CHANGED_AT, "rejectedAt": CHANGED_AT,
            "history": [{"at": CHANGED_AT, "phase": "Reserved", "reason": "Admitted"}],
        },
    ),
    "nodeconnectors": ({"connector": CONNECTOR}, {"lastSeen": CHANGED_AT}),
}  # fmt: skip

SMALLEST: dict[str, dict[str, Any]] = {
    "backends": {"driver": "iscsi-tgt"},
    "volumes": {"size": "1Gi"},
    "attachments": {"volumeName": "v"},
    "nodeconnectors": {"connector": {}},
}


class Objects:
    """Objects of every kind as the administrator writes them, named as the namespace unless told otherwise."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.caller = Caller(api)
        self._cluster_wide: list[str] = []
        self.namespace = namespace

    def path(self, plural: str, name: str = "", *, status: bool = False) -> str:
        namespaced = next(kind.namespaced for kind in KINDS if kind.plural == plural)
        parts = [API, f"namespaces/{self.namespace}" if namespaced else "", plural, name, "status" if status else ""]
        return "/".join(part for part in parts if part)

    def body(self, plural: str, spec: dict[str, Any], name: str | None = None) -> dict[str, Any]:
        kind = next(kind.kind for kind in KINDS if kind.plural == plural)
        metadata = {"name": name or self.namespace}
        return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}

    def create(self, plural: str, spec: dict[str, Any], name: str | None = None, **query: str) -> Answer:
        body = self.body(plural, spec, name)
        answer = self.caller.send("POST", self.path(plural), body, **query)
        if answer.ok and "namespace" not in answer.body["metadata"]:
            self._cluster_wide.append(self.path(plural, body["metadata"]["name"]))
        return answer

    def created(self, plural: str, spec: dict[str, Any], name: str | None = None) -> dict[str, Any]:
        answer = self.create(plural, spec, name)
        assert answer.ok, answer.message
        return answer.body

    def table(self, plural: str, **query: str) -> dict[str, Any]:
        accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
        return self.caller.send("GET", self.path(plural), accept=accept, **query).body

    def delete_cluster_wide(self) -> None:
        """Delete what does not go with the namespace."""
        for path in self._cluster_wide:
            self.caller.send("DELETE", path)
