"""The operator's copy of the cluster: one store per kind and the indexes that reconciling needs."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from fairlead_crds.kinds import Attachment, Backend, NodeConnector, Resource, Volume
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, BACKENDS, NODE_CONNECTORS, NODES, VOLUMES, Endpoint
from fairlead_kube.errors import NotFound
from fairlead_kube.node import Node
from fairlead_kube.store import Change, Store, version_of
from fairlead_operator.core.placement import place_attachment, place_volume
from fairlead_operator.shard import Shard, backend_label
from fairlead_operator.watch_check import WatchCheck

R = TypeVar("R", bound=Resource[Any, Any])


class Key(NamedTuple):
    """Names an object to reconcile."""

    kind: Literal["Attachment", "Volume", "Backend"]
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class View:
    """What this process knows of the cluster. Fed by kopf's events, by lists and by the answers to our own writes."""

    def __init__(self, namespaces: tuple[str, ...] = (), shard: Shard | None = None) -> None:
        self.shard = shard or Shard()
        self.watch = WatchCheck(by_namespace=bool(namespaces))
        self.backends: Store[Backend] = Store()
        self.volumes: Store[Volume] = Store()
        self.attachments: Store[Attachment] = Store()
        self.connectors: Store[NodeConnector] = Store()
        self.nodes: Store[Node] = Store()
        self._stores: dict[type[Resource[Any, Any]], Store[Any]] = {
            Backend: self.backends,
            Volume: self.volumes,
            Attachment: self.attachments,
            NodeConnector: self.connectors,
            Node: self.nodes,
        }
        self._departed: dict[str, Backend] = {}
        self.backends.listen(self._remember_departed)
        self.attachments_of_volume = self.attachments.index(lambda a: (a.metadata.namespace, a.spec.volume_name))
        self.attachments_by_uid = self.attachments.index(lambda a: a.metadata.uid)
        self.attachments_by_handle = self.attachments.index(lambda a: a.handle)
        self.attachments_of_node = self.attachments.index(lambda a: a.spec.node_name)
        self._volumes_of_backend = self.volumes.tally(_used_backend)
        self._attachments_of_backend = self.attachments.tally(_used_backend)
        self.volumes_by_handle = self.volumes.index(lambda v: v.handle)

    def backends_by_name(self) -> Mapping[str, Backend]:
        """Return the Backends, with those that were torn out of the API server while somebody still used them.

        The finalizer on a Backend keeps it for as long as it is used. Whoever strips that must not leave exports behind
        that nobody can take away, so this process goes on serving what it has served, for as long as it lives.
        """
        present = {backend.metadata.name: backend for backend in self.backends}
        if not self._departed:
            return present
        departed = {name: b for name, b in self._departed.items() if any(self.users_of(name)) and name not in present}
        self._departed = departed
        return present | departed

    def users_of(self, backend: str) -> tuple[int, int]:
        """Return how many guarded Volumes and Attachments carry the Backend's label."""
        return self._volumes_of_backend[backend], self._attachments_of_backend[backend]

    def _remember_departed(self, change: Change[Backend]) -> None:
        if change.after is None:
            self._departed[change.object.metadata.name] = change.object

    @property
    def counts(self) -> Mapping[str, int]:
        """How many objects of each resource are known."""
        return {model.plural: len(store) for model, store in self._stores.items()}

    def place(self, item: Volume | Attachment) -> tuple[str | None, bool]:
        """Return the name of the Backend in charge of an object, as far as is known, and whether the controller has
        something to do for it: say why there is none, or label it."""
        backends = self.backends_by_name()
        if isinstance(item, Volume):
            place = place_volume(item, backends)
        else:
            volume = self.volumes.get(item.spec.volume_name, item.metadata.namespace)
            place = place_attachment(item, volume, backends)
        return (place, backends[place].status.selective) if isinstance(place, str) else (None, True)

    def store_of(self, kind: type[R]) -> Store[R]:
        """Return the store of a kind."""
        return self._stores[kind]

    def store_at(self, endpoint: Endpoint[R]) -> Store[R]:
        """Return the store of the kind that is found there."""
        return next(store for kind, store in self._stores.items() if kind.plural == endpoint.plural)

    def known(self, key: Key) -> Attachment | Volume | Backend | None:
        """Return the object of a key as last seen."""
        if key.kind == "Attachment":
            return self.attachments.get(key.name, key.namespace)
        return self.volumes.get(key.name, key.namespace) if key.kind == "Volume" else self.backends.get(key.name)

    def keeps(self, item: Resource[Any, Any]) -> bool:
        """Whether the object is this process's affair: in its shard, or, with the controller, of no Backend there is.

        A copy of anything else would grow old here, because no watch tells of it.
        """
        if self.shard.has(item):
            return True
        return self.shard.unlabelled and self.backends.get(backend_label(item) or "") is None

    def take(self, item: Resource[Any, Any]) -> None:
        """Take in an object that was read or written, outside of the watch."""
        store = self.store_of(type(item))
        if self.keeps(item):
            store.apply(item)
        else:
            store.remove(item, version=version_of(item))

    def wrote(self, before: Resource[Any, Any], after: Resource[Any, Any]) -> None:
        """Take in the answer to a write of ours; the watch owes it, even if it is the last it shows of the object."""
        if self.shard.has(before) or self.shard.has(after):
            self.watch.owed(after)
        self.take(after)

    async def volume(self, client: KubeClient, name: str, namespace: str) -> Volume | None:
        """Return the Volume; a miss is confirmed by a live read."""
        found = self.volumes.get(name, namespace)
        if found is not None:
            return found
        try:
            found = await client.get(VOLUMES, name, namespace)
        except NotFound:
            return None
        self.take(found)
        return found

    async def connector(self, client: KubeClient, node: str) -> NodeConnector | None:
        """Return the NodeConnector; a miss is confirmed by a live read."""
        found = self.connectors.get(node)
        if found is not None:
            return found
        try:
            found = await client.get(NODE_CONNECTORS, node)
        except NotFound:
            return None
        self.connectors.apply(found)
        return found

    async def node(self, client: KubeClient, name: str, *, known: str | None) -> Node | None:
        """Return the Node, if the cluster has it.

        Args:
            client: to ask with.
            name: of the node.
            known: its uid, when it was there once: only then is a miss worth a live read.
        """
        found = self.nodes.get(name)
        return found if found is not None or known is None else await self.node_now(client, name)

    async def node_now(self, client: KubeClient, name: str) -> Node | None:
        """Return the Node, if the cluster has it, by a live read."""
        try:
            found = await client.get(NODES, name)
        except NotFound:
            return None
        self.nodes.apply(found)
        return found

    async def refresh(
        self, client: KubeClient, key: Key, *, decided_on: Volume | Attachment | Backend | None = None
    ) -> None:
        """Read one object live, after a conflict told us that ours is old.

        Args:
            client: to ask with.
            key: of the object.
            decided_on: the version that turned out to be old: one that the watch has brought since is new enough to
                decide on again.
        """
        endpoints: dict[str, Endpoint[Any]] = {"Attachment": ATTACHMENTS, "Volume": VOLUMES, "Backend": BACKENDS}
        endpoint = endpoints[key.kind]
        store = self.store_at(endpoint)
        known = store.get(key.name, key.namespace)
        if decided_on is not None and known is not None and version_of(known) > version_of(decided_on):
            return
        try:
            found = await client.get(endpoint, key.name, key.namespace)
        except NotFound:
            if known is not None:
                store.remove(known)
            return
        if known is not None and known.metadata.uid != found.metadata.uid:
            store.remove(known)
        self.take(found)


def key_of(item: Attachment | Volume | Backend) -> Key:
    """Return the key of an object."""
    return Key(item.kind, item.metadata.namespace, item.metadata.name)  # type: ignore[arg-type]


def _used_backend(item: Volume | Attachment) -> str | None:
    return backend_label(item) if item.guarded else None
