"""What people do, by kubectl and through the facade, and the ordinary course of things."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from fairlead_crds import names
from fairlead_crds.kinds import AccessMode
from fairlead_kube.errors import KubeError
from fairlead_kube.node import OUT_OF_SERVICE
from unit.model.happenings import WHICH, Life, event
from unit.model.world import BACKEND, LEGACY

VOLUMES = st.sampled_from(["v1", "v2"])
ATTACHMENTS = st.sampled_from(["a1", "a2", "a3", "a4"])
INSTANCES = st.sampled_from([None, "i1", "i1", "i2"])
DOORS = st.sampled_from(["kubectl", "rest"])
PLACES: st.SearchStrategy[Mapping[str, Any]] = st.sampled_from(
    [
        {},
        {"connector": {"initiator": "n1", "host": "h1"}},
        {"connector": {"initiator": "n2", "host": "h2"}},
        {"connector": {"initiator": "n2", "mode": "ro"}},
        {"connector": {"host": "says nothing of an initiator"}},
        {"nodeName": "node"},
    ]
)
"""Where an Attachment is to go."""


class People(Life):
    """See the module."""

    def _person(self, event: str, *args: Any, **options: Any) -> None:
        """Somebody's request; whatever the API server refuses is their problem."""
        try:
            self.world.person(*args, **options)
        except KubeError:
            return
        self.counts[event] += 1

    @event(
        "ordinary",
        weight=2,
        name=VOLUMES,
        multi=st.booleans(),
        keep=st.booleans(),
        door=DOORS,
        legacy=st.integers(0, 9),
    )
    def create_volume(self, name: str, multi: bool, keep: bool, door: str, legacy: int) -> None:
        spec: dict[str, Any] = {"size": "1Gi", "multiAttach": multi, "deletionPolicy": "Retain" if keep else "Delete"}
        if legacy == 0:
            spec["source"] = {"handle": LEGACY}
        meta = _metadata(name, door if legacy else "kubectl")
        self._person(f"create volume by {door}", "POST", "volumes", body={"metadata": meta, "spec": spec}, who=door)

    @event("ordinary", name=VOLUMES)
    def delete_volume(self, name: str) -> None:
        self._person("delete volume", "DELETE", "volumes", name)

    @event("ordinary", name=VOLUMES, gib=st.integers(2, 9), read_only=st.booleans())
    def change_volume(self, name: str, gib: int, read_only: bool) -> None:
        volume = self.world.server.find("volumes", name)
        if volume is not None:
            size = max(volume.spec.size_bytes, gib * 2**30)
            spec = {"size": str(size), "readOnly": read_only}
            self._person("change volume", "PATCH", "volumes", name, body={"spec": spec})

    @event(
        "ordinary",
        weight=8,
        name=ATTACHMENTS,
        volume=VOLUMES,
        instance=INSTANCES,
        place=PLACES,
        reject=st.booleans(),
        polite=st.booleans(),
        ttl=st.sampled_from([None, 30]),
        secret=st.booleans(),
        door=DOORS,
    )
    def create_attachment(
        self,
        name: str,
        volume: str,
        instance: str | None,
        place: Mapping[str, Any],
        reject: bool,
        polite: bool,
        ttl: int | None,
        secret: bool,
        door: str,
    ) -> None:
        spec = {
            "volumeName": volume,
            "instanceID": instance,
            "conflictPolicy": "Reject" if reject else "Wait",
            "detachPolicy": "WaitForLogout" if polite else "Immediate",
            "reservationTTLSeconds": ttl,
            "writeSecret": secret,
            **place,
        }
        spec = {key: value for key, value in spec.items() if value is not None}
        body = {"metadata": _metadata(name, door), "spec": spec}
        self._person(f"create attachment by {door}", "POST", "attachments", body=body, who=door)

    @event("ordinary", weight=2, name=ATTACHMENTS, which=WHICH, door=DOORS)
    def migrate(self, name: str, which: int, door: str) -> None:
        """A second Attachment for an instance that has the volume, on another node."""
        holders = [h for v in self.world.server.all("volumes") for h in v.status.attachments if h.instance_id]
        holders = [h for h in holders if h.name != name and h.uid in self.world.promises.attachments]
        if (holder := self.pick(which, holders)) is None:
            return
        self.counts["migration begun"] += 1
        volume = self.world.promises.attachments[holder.uid].spec.volume_name
        place = {"connector": {"initiator": f"n{which % 2 + 1}"}}
        self.delete_attachment(name, guarded=False)
        self.world.work_off()
        self.create_attachment(
            name, volume, holder.instance_id, place, reject=True, polite=False, ttl=None, secret=False, door=door
        )

    @event("ordinary", weight=4, name=ATTACHMENTS, guarded=st.booleans())
    def delete_attachment(self, name: str, guarded: bool) -> None:
        body = None
        attachment = self.world.server.find("attachments", name)
        if guarded and attachment is not None:
            meta = attachment.metadata
            body = {"preconditions": {"uid": meta.uid, "resourceVersion": meta.resource_version}}
        self._person("delete attachment", "DELETE", "attachments", name, body=body)

    @event("ordinary", weight=4, name=ATTACHMENTS, place=PLACES)
    def change_connector(self, name: str, place: Mapping[str, Any]) -> None:
        spec = {"connector": None, "nodeName": None, "completed": False, **place}
        self._person(
            f"connector {'changed' if place else 'cleared'}", "PATCH", "attachments", name, body={"spec": spec}
        )

    @event("ordinary", weight=2, name=ATTACHMENTS)
    def complete(self, name: str) -> None:
        self._person("complete", "PATCH", "attachments", name, body={"spec": {"completed": True}})

    @event("ordinary", weight=2, which=WHICH, connected=st.booleans())
    def ask_who_is_logged_in(self, which: int, connected: bool) -> None:
        """As the facade does, of something exported; perhaps its node has just logged in."""
        told = [a for a in self.world.server.all("attachments") if a.status.connection_info]
        if (attachment := self.pick(which, told)) is None:
            return
        if connected:
            self.world.array.log_in(attachment.handle)
        _serial[0] += 1
        asked = {"annotations": {names.ANNOTATION_LOOK: f"look-{_serial[0]}"}}
        name = attachment.metadata.name
        self._person("asked who is logged in", "PATCH", "attachments", name, body={"metadata": asked}, who="rest")

    @event("ordinary", weight=2, name=ATTACHMENTS, mode=st.sampled_from([None, *AccessMode]), secret=st.booleans())
    def change_mode(self, name: str, mode: AccessMode | None, secret: bool) -> None:
        spec = {"accessMode": mode, "writeSecret": secret}
        self._person("change access mode", "PATCH", "attachments", name, body={"spec": spec})

    @event("ordinary", name=VOLUMES, multi=st.booleans(), door=DOORS)
    def replace_volume(self, name: str, multi: bool, door: str) -> None:
        """One of the same name, which is another."""
        self.delete_volume(name)
        self.world.work_off()
        self.create_volume(name, multi=multi, keep=False, door=door, legacy=1)

    @event(
        "ordinary",
        weight=2,
        plural=st.sampled_from(["attachments", "attachments", "volumes"]),
        which=WHICH,
        delete=st.booleans(),
    )
    def tear_off_finalizer(self, plural: str, which: int, delete: bool) -> None:
        """Past the admission policy, as a cluster administrator can."""
        item = self.pick(which, [i for i in self.world.server.all(plural) if i.guarded])
        if item is not None:
            if delete:
                self._person(f"delete {plural} to tear off", "DELETE", plural, item.metadata.name)
            self.world.promises.forced.add(item.metadata.uid)
            body = {"metadata": {"finalizers": []}}
            self._person(f"finalizer of {plural} torn off", "PATCH", plural, item.metadata.name, body=body)

    @event("ordinary", plural=st.sampled_from(["attachments", "volumes"]), which=WHICH)
    def tear_off_label(self, plural: str, which: int) -> None:
        """Past the admission policy too. Whose it is must not depend on it."""
        marked = [item for item in self.world.server.all(plural) if names.LABEL_BACKEND in item.metadata.labels]
        if (item := self.pick(which, marked)) is not None:
            body = {"metadata": {"labels": {names.LABEL_BACKEND: None}}}
            self._person(f"label of {plural} torn off", "PATCH", plural, item.metadata.name, body=body)

    @event("ordinary", weight=2, initiator=st.sampled_from(["n3", "n4", None]))
    def change_node(self, initiator: str | None) -> None:
        if initiator is None:
            self._person("delete node", "DELETE", "nodeconnectors", "node", namespace="")
            return
        spec = {"connector": {"initiator": initiator, "host": "node"}}
        exists = self.world.server.find("nodeconnectors", "node", "") is not None
        method, name = ("PATCH", "node") if exists else ("POST", "")
        body = {"metadata": {"name": "node"} if not exists else {}, "spec": spec}
        self._person("change node", method, "nodeconnectors", name, body=body, namespace="")

    @event("ordinary", weight=2, what=st.sampled_from(["appears", "appears", "is out of service", "goes"]))
    def change_machine(self, what: str) -> None:
        """The Node that `nodeName` means, as kubelet and administrators change it."""
        if what == "goes":
            self._person("node goes", "DELETE", "nodes", "node", namespace="")
            return
        taints = [{"key": OUT_OF_SERVICE}] if what != "appears" else []
        exists = self.world.server.find("nodes", "node", "") is not None
        body = {"metadata": {} if exists else {"name": "node"}, "spec": {"taints": taints}}
        method, name = ("PATCH", "node") if exists else ("POST", "")
        self._person(f"node {what}", method, "nodes", name, body=body, namespace="")

    @event("ordinary")
    def nothing(self) -> None:
        """The ordinary course of things."""

    @event("ordinary", weight=3, seconds=st.sampled_from([0.1, 1.0, 6.0]))
    def short_while(self, seconds: float) -> None:
        self.counts["a short while passes"] += 1
        self.world.advance(seconds)

    @event(
        "ordinary",
        weight=3,
    )
    def serve_all(self) -> None:
        self.counts["all caught up"] += 1
        self.world.work_off()

    @event("ordinary", seconds=st.sampled_from([25.0, 700.0]))
    def long_while(self, seconds: float) -> None:
        self.counts["a long while passes"] += 1
        self.world.advance(seconds)

    @event("ordinary", weight=2, which=WHICH)
    def arrive(self, which: int) -> None:
        """The effect is there; the answer takes its time."""
        if (call := self.pick(which, self.unheard())) is not None:
            self.counts["call arrived, answer under way"] += 1
            self.world.arrive(call)

    @event("ordinary")
    def rest_and_take_over(self) -> None:
        """A new holder that finds everything in order writes nothing."""
        if self.age < 25:
            return
        self.age = 0
        self.world.come_to_rest()
        # Whatever ends or is told after a time is over then: the refused, reservations, long waits.
        self.world.advance(1000.0)
        self.world.come_to_rest()
        self.world.promises.check_at_rest()
        version = self.world.server.version
        for lease in sorted({e.lease for e in self.world.elections}):
            if candidates := self.world.candidates(lease):
                self.counts["take-over at rest"] += 1
                self.world.elect(candidates[0])
        self.world.come_to_rest()
        trace = "\n".join(self.world.promises.trace)
        # What fails again and again says how often, and a new holder begins to count anew.
        failing = any("(tried " in c.message for a in self.world.server.all("attachments") for c in a.status.conditions)
        assert failing or self.world.server.version == version, f"{trace}\ntaking over wrote though nothing had changed"


def _metadata(name: str, door: str) -> dict[str, Any]:
    """What the facade sets at creation, and kubectl does not."""
    if door == "kubectl":
        return {"name": name}
    _serial[0] += 1
    handle = f"handle-{_serial[0]:06d}"
    return {
        "name": name,
        "finalizers": [names.FINALIZER],
        "labels": {names.LABEL_ID: handle, names.LABEL_BACKEND: BACKEND},
        "annotations": {
            names.ANNOTATION_HANDLE: handle,
            names.ANNOTATION_CREATED: f"2030-01-01T00:00:00.{_serial[0]:06d}Z",
        },
    }


_serial = [0]
