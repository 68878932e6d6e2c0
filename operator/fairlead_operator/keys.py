"""The key of a Backend, from which CHAP passwords are derived, and the Secrets that tell them to kubectl users."""

import contextlib
import secrets
from typing import Any

from fairlead_crds import names
from fairlead_crds.credentials import KeyRing, chap_username
from fairlead_crds.kinds import Attachment
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import SECRETS
from fairlead_kube.errors import AlreadyExists, NotFound
from fairlead_operator.drivers.base import Credentials, DriverError

KEY_BYTES = 32
"""Of a Backend's key: as many as the hash has."""


async def backend_keys(client: KubeClient, backend: str, namespace: str) -> KeyRing:
    """Read the Backend's keys; the first time, make one."""
    name = names.backend_key_secret(backend)
    try:
        found = await client.get(SECRETS, name, namespace)
    except NotFound:
        ring = KeyRing.new(secrets.token_bytes(KEY_BYTES))
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": f"{names.GROUP}/backend-key",
            "metadata": {"name": name, "namespace": namespace, "labels": {names.LABEL_BACKEND: backend}},
            "data": ring.to_secret(),
        }
        try:
            await client.create(SECRETS, body, namespace)
        except AlreadyExists:
            return await backend_keys(client, backend, namespace)
        return ring
    return KeyRing.from_secret(found["data"])


def credentials(ring: KeyRing, handle: str, key_id: str | None) -> Credentials:
    """Return the credentials of an export made under that key (None: the current one).

    Raises:
        DriverError: the key is not there any more.
    """
    try:
        return Credentials(username=chap_username(handle), password=ring.password(handle, key_id))
    except KeyError:
        raise DriverError(
            f"key {key_id!r}, under which this was exported, is not in the Backend's key Secret any more: "
            "put it back from a backup, or clear the connector and set it again to attach under the current key"
        ) from None


async def write_secret(client: KubeClient, attachment: Attachment, chap: Credentials) -> None:
    """W3: the credentials, beside the Attachment, going with it. Its keys are those of Kubernetes' own iSCSI volumes.

    We may create and delete Secrets in tenants' namespaces, never read them: one that is there already, from an
    earlier try, is made anew, which comes out the same because the credentials are derived.
    """
    meta = attachment.metadata
    name = names.connection_secret(attachment.handle)
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/iscsi-chap",
        "metadata": {
            "name": name,
            "namespace": meta.namespace,
            "labels": {names.LABEL_ID: attachment.id},
            "ownerReferences": [
                {"apiVersion": names.API_VERSION, "kind": attachment.kind, "name": meta.name, "uid": meta.uid}
            ],
        },
        "stringData": {
            "username": chap.username,
            "password": chap.password,
            "node.session.auth.username": chap.username,
            "node.session.auth.password": chap.password,
        },
    }
    try:
        await client.create(SECRETS, body, meta.namespace)
    except AlreadyExists:
        await drop_secret(client, attachment)
        await client.create(SECRETS, body, meta.namespace)


async def drop_secret(client: KubeClient, attachment: Attachment) -> None:
    """Delete the Attachment's Secret; absent is success."""
    with contextlib.suppress(NotFound):
        await client.delete(SECRETS, names.connection_secret(attachment.handle), attachment.metadata.namespace)
