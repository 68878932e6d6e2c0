"""Whether ledger, exports, files, resources, both facades and what clients were promised all say the same."""

import asyncio
from collections.abc import Iterator

from chaos.doors import KubeSide, Object, Refused, RestSide, Unknown, Unsent
from chaos.history import History, Hold, Way
from chaos.installation import BACKENDS, Installation
from cluster import condition, reason
from fairlead_operator.drivers.base import DriverError

_DISTURBED = (Refused, Unsent, Unknown, DriverError, OSError)


class Agreement:
    """Compares everything with everything, once no client and no fault is at work any more."""

    def __init__(self, installation: Installation, history: History, rest: RestSide, kube: KubeSide) -> None:
        self._installation = installation
        self._history = history
        self._rest = rest
        self._kube = kube

    def disagreements(self) -> list[str]:
        """Everything that differs at present; deletes what nobody was promised, as its owners would."""
        try:
            volumes, attachments = self._kube.all("Volume"), self._kube.all("Attachment")
            return [
                *self._promised(attachments),
                *self._volumes(volumes),
                *self._ledgers(volumes, attachments),
                *self._exports(attachments),
                *self._files(volumes),
                *self._facades(volumes, attachments),
            ]
        except _DISTURBED as error:
            return [f"not to be read: {error!r}"]

    def ways(self) -> list[Way]:
        """Every way that a node was promised."""
        return [way for hold in self._history.holds if hold.span.claimed for way in hold.ways if way.span.claimed]

    def _promised(self, attachments: list[Object]) -> Iterator[str]:
        there = {a["metadata"]["name"]: a for a in attachments}
        wanted = {h.name: h for h in self._history.holds if h.name is not None and h.span.given_up is None}
        for name, hold in wanted.items():
            found = there.get(name)
            if found is None:
                yield f"lost: attachment {name}"
            elif found["metadata"].get("deletionTimestamp"):
                yield f"attachment {name} is being deleted, and nobody asked for that"
            else:
                yield from self._as_promised(hold, found, attachments)
        for name, found in there.items():
            if name not in wanted:
                if not found["metadata"].get("deletionTimestamp"):
                    self._kube.delete("Attachment", name, found["metadata"]["uid"])
                yield f"attachment {name} is still there ({found.get('status', {}).get('phase')})"

    def _as_promised(self, hold: Hold, found: Object, attachments: list[Object]) -> Iterator[str]:
        name, status = found["metadata"]["name"], found.get("status", {})
        if status.get("phase") == "Rejected" and hold.span.granted is None:
            # For good, whatever is asked of it afterwards.
            return
        if status.get("observedGeneration") != found["metadata"]["generation"]:
            yield f"attachment {name}: generation {found['metadata']['generation']} is not answered"
        elif condition(found, "Admitted") != "True":
            yield from self._waiting(hold, found, attachments)
        else:
            way = hold.way
            wanted = way.access.initiator if way is not None and way.span.given_up is None else None
            if wanted and (condition(found, "Exported") != "True" or status.get("initiator") != wanted):
                yield f"attachment {name} is not exported to {wanted}: {reason(found, 'Exported')}"
            if hold.completed and status.get("phase") != "Completed":
                yield f"attachment {name} was completed, and is {status.get('phase')}"

    def _waiting(self, hold: Hold, found: Object, attachments: list[Object]) -> Iterator[str]:
        name, why = found["metadata"]["name"], reason(found, "Admitted")
        if hold.span.granted is not None:
            yield f"lost: attachment {name} held volume {hold.volume.name}, and now: {why}"
        elif why[0] != "VolumeInUse":
            yield f"attachment {name} waits: {why}"
        else:
            holders = {
                a["spec"].get("instanceID")
                for a in attachments
                if a["spec"]["volumeName"] == hold.volume.name and condition(a, "Admitted") == "True"
            }
            if not holders - ({hold.instance} if hold.instance else set()):
                yield f"attachment {name} waits for nobody: {why}"

    def _volumes(self, volumes: list[Object]) -> Iterator[str]:
        there = {v["metadata"]["name"]: v for v in volumes}
        wanted = {v.name for v in self._history.volumes if v.span.claimed}
        for name in sorted(wanted - there.keys()):
            yield f"lost: volume {name}"
        for name, found in there.items():
            if name not in wanted:
                if not found["metadata"].get("deletionTimestamp"):
                    self._kube.delete("Volume", name, found["metadata"]["uid"])
                elif not found.get("status", {}).get("attachments"):
                    yield f"volume {name} is being deleted, and nobody holds it"
            elif condition(found, "Ready") != "True":
                yield f"volume {name} is not ready: {reason(found, 'Ready')}"

    def _ledgers(self, volumes: list[Object], attachments: list[Object]) -> Iterator[str]:
        for volume in volumes:
            name = volume["metadata"]["name"]
            ledger = {entry["uid"] for entry in volume.get("status", {}).get("attachments", [])}
            holders = {
                a["metadata"]["uid"]
                for a in attachments
                if a["spec"]["volumeName"] == name and condition(a, "Admitted") == "True"
            }
            if ledger != holders:
                yield f"ledger of {name}: {sorted(ledger)}; admitted: {sorted(holders)}"

    def _exports(self, attachments: list[Object]) -> Iterator[str]:
        for backend in BACKENDS:
            exported = {
                a["status"]["handle"]: (a["status"]["initiator"],)
                for a in attachments
                if condition(a, "Exported") == "True" and a["status"].get("backendName") == backend
            }
            targets = asyncio.run(self._installation.targets(backend))
            present = {handle: tuple(target.acl) for handle, target in targets.items()}
            if present != exported:
                differing = {
                    handle: (present.get(handle), exported.get(handle))
                    for handle in present.keys() | exported.keys()
                    if present.get(handle) != exported.get(handle)
                }
                yield f"exports of {backend}, present and in the resources: {differing}"

    def _files(self, volumes: list[Object]) -> Iterator[str]:
        for backend in BACKENDS:
            wanted = {v["status"]["handle"] for v in volumes if v.get("status", {}).get("backendName") == backend}
            present = self._installation.files(backend)
            if present != wanted:
                yield f"files of {backend}: {sorted(present - wanted)} too many, {sorted(wanted - present)} missing"

    def _facades(self, volumes: list[Object], attachments: list[Object]) -> Iterator[str]:
        wanted = {
            "volumes": {v["metadata"]["labels"]["fairlead.dev/id"] for v in volumes},
            "attachments": {
                a["metadata"]["labels"]["fairlead.dev/id"] for a in attachments if condition(a, "Admitted") == "True"
            },
        }
        for number in range(len(self._installation.facade_urls)):
            for resource, ids in wanted.items():
                body = self._rest.send("GET", f"/{resource}?limit=1000", facade=number).body
                shown = {item["id"] for item in body[resource]}
                if shown != ids:
                    yield f"facade {number + 1} shows other {resource}: {sorted(shown ^ ids)}"
