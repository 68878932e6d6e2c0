"""Where each kind lives in the Kubernetes API, and how its objects are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fairlead_crds import names
from fairlead_crds.kinds import Attachment, Backend, NodeConnector, Volume
from fairlead_kube.node import Node

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Endpoint(Generic[T]):
    """A kind's place in the API and the type that its objects become."""

    prefix: str
    plural: str
    parse: Callable[[Mapping[str, Any]], T]
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Path of the collection (all namespaces when `namespace` is empty), of an object, or of its subresource."""
        parts = [self.prefix]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, *filter(None, (name, subresource))]
        return "/".join(parts)


def _raw(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return body


_OURS = f"/apis/{names.API_VERSION}"
BACKENDS = Endpoint(prefix=_OURS, plural=Backend.plural, parse=Backend.read, namespaced=False)
VOLUMES = Endpoint(prefix=_OURS, plural=Volume.plural, parse=Volume.read)
ATTACHMENTS = Endpoint(prefix=_OURS, plural=Attachment.plural, parse=Attachment.read)
NODE_CONNECTORS = Endpoint(prefix=_OURS, plural=NodeConnector.plural, parse=NodeConnector.read, namespaced=False)
NODES = Endpoint(prefix="/api/v1", plural=Node.plural, parse=Node.read, namespaced=False)
NAMESPACES = Endpoint(prefix="/api/v1", plural="namespaces", parse=_raw, namespaced=False)
SECRETS = Endpoint(prefix="/api/v1", plural="secrets", parse=_raw)
EVENTS = Endpoint(prefix="/apis/events.k8s.io/v1", plural="events", parse=_raw)
LEASES = Endpoint(prefix="/apis/coordination.k8s.io/v1", plural="leases", parse=_raw)
