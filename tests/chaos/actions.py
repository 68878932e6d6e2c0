"""What a client can do, at either door, and what it notes of it before it asks and after it was told."""

import random
import time
import uuid
from typing import Any

from chaos.doors import KubeSide, Refused, RestSide, Unknown, Unsent
from chaos.history import History, Hold, Span, Volume, Way
from chaos.installation import BACKENDS, Installation
from cluster import condition, reason
from rest_door import access

INSTANCES = ("a7816a4b-fe9d-4767-99eb-38bb87113407", "5f0e2d6c-3c1b-4a55-8a53-60e2d7b3c9aa")
_NODE = "iqn.2026-11.org.example:node-"


class Actions:
    """One client's hands. Each action may raise Refused, Unsent or Unknown; the notes are right then, too."""

    def __init__(
        self, installation: Installation, history: History, rest: RestSide, kube: KubeSide, chance: random.Random
    ) -> None:
        self._installation = installation
        self._history = history
        self._rest = rest
        self._kube = kube
        self._chance = chance

    # --- volumes -----------------------------------------------------------------------------------------------------

    def create_volume(self, door: str) -> None:
        multi, backend = self._chance.random() < 0.3, self._chance.choice(BACKENDS)
        if door == "rest":
            # REST has no say in the Backend but by type; without one it is the default.
            body = {"volume": {"name": "chaos", "size": 1, "multiattach": multi}}
            asked = time.monotonic()
            made = self._rest.send("POST", "/volumes", body).body["volume"]
            volume = Volume(made["id"], made["id"], BACKENDS[0], multi, Span(asked))
            self._history.volume(volume).span.granted = time.monotonic()
            return
        name = f"v-{self._token()}"
        volume = self._history.volume(Volume(name, "", backend, multi, Span(time.monotonic())))
        try:
            made = self._kube.create("Volume", name, {"size": "64Mi", "backendName": backend, "multiAttach": multi})
        except (Refused, Unsent):
            volume.span.end()
            raise
        except Unknown:
            volume.span.give_up()
            raise
        volume.id = made["metadata"]["uid"]
        volume.span.granted = time.monotonic()

    def delete_volume(self, door: str, volume: Volume) -> None:
        before = volume.span.given_up
        volume.span.give_up()
        if door == "rest":
            # What nobody has attached yet goes with it, and may be gone even if the volume is refused then.
            self._history.give_up_all_of(volume)
            try:
                self._rest.send("DELETE", f"/volumes/{volume.id}")
            except (Refused, Unsent) as error:
                if isinstance(error, Refused) and error.status == 404:
                    volume.span.end()
                    return
                volume.span.given_up = before
                raise
            finally:
                self._history.give_up_all_of(volume)
        else:
            self._kube.delete("Volume", volume.name)
        self.look_for_volume(volume)

    def look_for_volume(self, volume: Volume) -> None:
        """See whether a volume that is being deleted is gone."""
        found = self._kube.get("Volume", volume.name)
        if found is None:
            if volume.span.granted is None:
                # Its creation was never answered, so it may still come.
                return
            if volume.span.given_up is None:
                self._history.violation(f"volume {volume.name} is gone, and nobody asked for that")
            volume.span.end()

    # --- attaching ---------------------------------------------------------------------------------------------------

    def attach(self, door: str, volume: Volume) -> None:
        instance = self._chance.choice((None, None, *INSTANCES))
        connector = self._connector() if self._chance.random() < 0.75 else None
        hold = self._history.hold(Hold(volume, None, door, instance, Span(time.monotonic())))
        try:
            if door == "rest":
                self._attach_by_rest(hold, connector)
            else:
                self._attach_by_kubectl(hold, connector)
        except (Refused, Unsent):
            hold.end()
            raise
        except Unknown:
            hold.give_up()
            raise
        finally:
            hold.busy = False

    def _attach_by_rest(self, hold: Hold, connector: dict[str, Any] | None) -> None:
        fields = {
            **({"connector": connector} if connector else {}),
            **({"instance_uuid": hold.instance} if hold.instance else {}),
        }
        asked = {"attachment": {"volume_uuid": hold.volume.id, **fields}}
        began = time.monotonic()
        certain = hold.volume.span.claimed and hold.volume.name == hold.volume.id
        try:
            made = self._rest.send("POST", "/attachments", asked).body["attachment"]
        except Refused as error:
            if error.status == 404 and certain and hold.volume.span.claimed:
                self._history.violation(f"REST does not know volume {hold.volume.id}, which nobody deleted: {error}")
            raise
        hold.name, hold.id, hold.created = made["id"], made["id"], True
        if connector:
            way = Way(hold, access(made["connection_info"], connector["initiator"]), Span(began))
            hold.ways.append(way)
            way.span.granted = time.monotonic()
        hold.span.granted = time.monotonic()

    def _attach_by_kubectl(self, hold: Hold, connector: dict[str, Any] | None) -> None:
        hold.name = f"a-{self._token()}"
        policy = "Reject" if self._chance.random() < 0.4 else "Wait"
        spec: dict[str, Any] = {"volumeName": hold.volume.name, "conflictPolicy": policy, "writeSecret": False}
        if connector:
            spec["connector"] = connector
        if hold.instance:
            spec["instanceID"] = hold.instance
        asked = time.monotonic()
        made = self._kube.create("Attachment", hold.name, spec)
        hold.id, hold.created = made["metadata"]["uid"], True
        if connector:
            hold.ways.append(self._way(hold, connector, Span(asked)))

    def look(self, hold: Hold) -> None:
        """Read an attachment at the API server and believe what its status says."""
        assert hold.name is not None
        found = self._kube.get("Attachment", hold.name)
        if found is None:
            self._missing(hold, "kubectl")
            return
        hold.id, hold.created = found["metadata"]["uid"] if hold.door == "kubectl" else hold.id, True
        status, now = found.get("status", {}), time.monotonic()
        if hold.span.given_up is not None:
            return
        if found["metadata"].get("deletionTimestamp"):
            self._history.violation(f"attachment {hold.name} is being deleted, and nobody asked for that")
            return
        if condition(found, "Admitted") == "True" and hold.span.granted is None:
            hold.span.granted = now
        elif status.get("phase") == "Rejected" and not hold.refused:
            self._refused(hold, *reason(found, "Admitted"))
        way = hold.way
        if way is None or way.span.granted is not None or way.span.given_up is not None:
            return
        answered = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        if answered and condition(found, "Exported") == "True" and status.get("initiator") == way.access.initiator:
            way.span.granted = now
            for earlier in hold.ways[:-1]:
                if earlier.span.gone is None:
                    earlier.span.end()

    def show(self, hold: Hold) -> None:
        """Read an attachment through REST: whoever holds the volume is there."""
        certain = hold.span.claimed
        try:
            self._rest.send("GET", f"/attachments/{hold.id}")
        except Refused as error:
            if error.status == 404 and certain:
                self._missing(hold, "rest")
            raise

    def _refused(self, hold: Hold, why: str, message: str) -> None:
        now = time.monotonic()
        hold.refused = True
        self._history.note(f"attachment {hold.name} was refused: {why}: {message}")
        self._history.count(hold.door, "attach", "conflict")
        if why == "VolumeInUse" and not any(
            r.span.possible(hold.span.asked, now) and not r.refused for r in self._history.rivals(hold)
        ):
            self._history.violation(f"attachment {hold.name} was refused, and nobody could have held the volume")

    def _missing(self, hold: Hold, door: str) -> None:
        if hold.span.given_up is None:
            self._history.violation(f"{door} does not know {hold.door} attachment {hold.name}, which nobody deleted")
            hold.give_up()

    def _unknown_to(self, door: str, hold: Hold, error: Exception) -> None:
        if isinstance(error, Refused) and error.status == 404:
            self._missing(hold, door)

    # --- changing and ending -----------------------------------------------------------------------------------------

    def move(self, door: str, hold: Hold) -> None:
        """Give an attachment its connector, or another node's."""
        assert hold.name is not None
        connector, before = self._connector(), hold.way
        if before is not None:
            before.span.give_up()
        way = self._way(hold, connector, Span(time.monotonic()))
        hold.ways.append(way)
        hold.completed = False
        try:
            if door == "rest":
                self._rest.send("PUT", f"/attachments/{hold.id}", {"attachment": {"connector": connector}})
                if before is not None:
                    before.span.end()
                way.span.granted = time.monotonic()
            else:
                wanted = [
                    {"op": "add", "path": "/spec/connector", "value": connector},
                    {"op": "add", "path": "/spec/completed", "value": False},
                ]
                self._kube.patch("Attachment", hold.name, wanted)
        except (Refused, Unsent) as error:
            way.span.end()
            self._unknown_to(door, hold, error)
            raise
        except Unknown:
            hold.give_up()
            raise

    def complete(self, door: str, hold: Hold) -> None:
        assert hold.name is not None
        try:
            if door == "rest":
                self._rest.send("POST", f"/attachments/{hold.id}/action", {"os-complete": None})
            else:
                completed = [{"op": "add", "path": "/spec/completed", "value": True}]
                self._kube.patch("Attachment", hold.name, completed)
        except Refused as error:
            self._unknown_to(door, hold, error)
            raise
        except Unknown:
            hold.give_up()
            raise
        hold.completed = True

    def detach(self, door: str, hold: Hold) -> None:
        """End an attachment, and say so only when it is gone."""
        assert hold.name is not None
        hold.give_up()
        if door == "rest":
            try:
                self._rest.send("DELETE", f"/attachments/{hold.id}")
            except Refused as error:
                if error.status != 404:
                    raise
            hold.end()
            return
        self._kube.delete("Attachment", hold.name)
        if self._kube.get("Attachment", hold.name) is None and hold.created:
            hold.end()

    def clean(self, volume: Volume) -> None:
        """Remove attachments that nobody was told of: their creators' facade died, or their answers were lost."""
        known = {hold.name for hold in list(self._history.holds)}
        for found in self._kube.all("Attachment"):
            name = found["metadata"]["name"]
            if found["spec"]["volumeName"] == volume.name and name not in known:
                self._history.note(f"removes attachment {name} of {volume.name}, of which nobody was told")
                self._kube.delete("Attachment", name, found["metadata"]["uid"])

    def _way(self, hold: Hold, connector: dict[str, Any], span: Span) -> Way:
        return Way(hold, self._installation.access(hold.volume.backend, hold.id, connector["initiator"]), span)

    def _connector(self) -> dict[str, Any]:
        token = self._token()
        return {"initiator": f"{_NODE}{token}", "host": f"node-{token}"}

    def _token(self) -> str:
        return uuid.UUID(int=self._chance.getrandbits(128)).hex[:12]
