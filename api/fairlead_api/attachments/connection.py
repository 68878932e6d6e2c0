"""connection_info: how a node reaches its export, with the secret that the resources never hold.

The operator publishes the driver's keys; the CHAP password is derived here from the Backend's key, so no right on
tenants' Secrets is needed. Nothing in this module is logged.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fairlead_api.attachments.state import READ_ONLY, READ_WRITE, attach_mode
from fairlead_api.identity.caller import Caller
from fairlead_api.protocol.faults import Unavailable
from fairlead_crds import names
from fairlead_crds.credentials import KeyRing
from fairlead_crds.kinds import AccessMode, Attachment
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import SECRETS
from fairlead_kube.errors import KubeError


class Connections:
    """Describes connections. Keeps the Backends' keys in memory, and reads them again when it meets a new key id."""

    def __init__(self, client: KubeClient, system_namespace: str) -> None:
        self._client = client
        self._namespace = system_namespace
        self._rings: dict[str, KeyRing] = {}

    async def prepare(self, attachments: Iterable[Attachment]) -> None:
        """Read the keys that describing these attachments will need.

        Raises:
            Unavailable: a key cannot be read, or is no longer there.
        """
        for backend in {
            _backend(attachment) for attachment in attachments if _needs_key(attachment) and not self._knows(attachment)
        }:
            self._rings[backend] = await self._read(backend)

    def describe(self, caller: Caller, attachment: Attachment, volume_id: str) -> dict[str, Any]:
        """Return an attachment's connection_info, `{}` while there is none. `prepare` comes first.

        A caller who may not read credentials gets it without the password.

        Raises:
            Unavailable: the key of its credentials is no longer there.
        """
        info = attachment.status.connection_info
        if info is None:
            return {}
        connector = attachment.spec.connector or {}
        read_only = attach_mode(attachment) == READ_ONLY or attachment.status.access_mode is AccessMode.READ_ONLY
        return {
            **info.data,
            **(self._secret(attachment, info.data) if caller.reads_credentials else {}),
            "volume_id": volume_id,
            "qos_specs": None,
            "access_mode": READ_ONLY if read_only else READ_WRITE,
            "encrypted": False,
            "cacheable": False,
            "driver_volume_type": info.driver_volume_type,
            "attachment_id": attachment.id,
            "enforce_multipath": connector.get("enforce_multipath", False),
        }

    def _secret(self, attachment: Attachment, data: Mapping[str, Any]) -> dict[str, str]:
        if "auth_username" not in data:
            return {}
        status = attachment.status
        try:
            ring = self._rings[_backend(attachment)]
            return {"auth_password": ring.password(status.handle or attachment.handle, status.key_id)}
        except KeyError:
            raise Unavailable(
                f"The credentials of attachment {attachment.id} cannot be derived: key {status.key_id} of backend "
                f"{_backend(attachment)} is gone. Attach it again."
            ) from None

    def _knows(self, attachment: Attachment) -> bool:
        ring = self._rings.get(_backend(attachment))
        return ring is not None and (attachment.status.key_id or ring.current) in ring.keys

    async def _read(self, backend: str) -> KeyRing:
        name = names.backend_key_secret(backend)
        try:
            secret = await self._client.get(SECRETS, name, self._namespace)
            return KeyRing.from_secret(secret.get("data") or {})
        except (KubeError, ValueError) as error:
            raise Unavailable(f"The key of backend {backend} cannot be read from Secret {name}: {error}") from None


def _needs_key(attachment: Attachment) -> bool:
    info = attachment.status.connection_info
    return info is not None and "auth_username" in info.data


def _backend(attachment: Attachment) -> str:
    return attachment.status.backend_name or attachment.metadata.labels.get(names.LABEL_BACKEND, "")
