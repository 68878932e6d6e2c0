"""What goes astray, and what dies, stops or is replaced."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from fairlead_crds.kinds import AccessMode
from fairlead_operator.drivers.base import DriverError, OutOfSpace
from unit.model.calls import Call
from unit.model.happenings import WHICH, event
from unit.model.people import People
from unit.model.process import PLURALS
from unit.model.promises import RESTORE


class Faults(People):
    """See the module."""

    def unheard(self) -> list[Call]:
        """What is being asked and has not arrived; waits a little for somebody to ask something."""
        for _ in range(3):
            if self.world.unheard:
                break
            for process, plural in self.world.news:
                process.watch(plural)
            if not self.world.unheard:
                self.world.advance(2.0)
        return self.world.unheard

    @event("astray", weight=3, which=WHICH)
    def lose_answer(self, which: int) -> None:
        if (call := self.pick(which, self.unheard())) is not None:
            self.counts[f"answer of the {call.to} lost"] += 1
            self.world.serve(call, Call.perform_unheard)

    @event("astray", weight=2, which=WHICH)
    def lose_request(self, which: int) -> None:
        if (call := self.pick(which, self.unheard())) is not None:
            self.counts[f"request to the {call.to} lost"] += 1
            self.world.serve(call, lambda c: c.refuse(c.unreachable()))

    @event("astray", weight=2, which=WHICH)
    def do_half(self, which: int) -> None:
        if (call := self._await_change(which, of="create_export")) is not None:
            self.counts["export half made"] += 1
            self.world.serve(call, Call.perform_half)

    @event("astray", weight=2, which=WHICH, full=st.booleans())
    def array_refuses(self, which: int, full: bool) -> None:
        calls = [c for c in self.unheard() if c.to == "array" and c.changes and c.name != "fence"]
        if (call := self.pick(which, calls)) is not None:
            self.counts["array refused"] += 1
            error = OutOfSpace("full") if full and "volume" in call.name else DriverError("no")
            self.world.serve(call, lambda c: c.refuse(error))

    @event("astray", weight=3, which=WHICH)
    def late_arrival(self, which: int) -> None:
        if (call := self.pick(which, self.world.late)) is not None:
            self.counts[f"late arrival at the {call.to}"] += 1
            self.world.land(call)

    @event("astray", which=WHICH)
    def watch_lost(self, which: int) -> None:
        if (process := self.pick(which, self.world.processes)) is not None:
            self.counts["watch lost"] += 1
            process.lose_watch(PLURALS[which % len(PLURALS)])

    @event("trouble", which=WHICH)
    def kill(self, which: int) -> None:
        if (process := self.pick(which, self.world.processes)) is not None:
            self.counts["operator killed"] += 1
            self.world.kill(process)

    @event("trouble", weight=3, which=WHICH)
    def arrive_and_kill(self, which: int) -> None:
        """A crash between an effect and the next step."""
        calls = [c for c in self.unheard() if c.changes]
        if (call := self.pick(which, calls)) is not None:
            self.counts["operator killed after an effect"] += 1
            self.world.arrive(call)
            self.world.kill(call.process)

    @event(
        "trouble",
        weight=4,
    )
    def start(self) -> None:
        if self.world.is_full():
            return
        self.counts["operator started"] += 1
        self.world.start()

    @event("trouble", weight=2, which=WHICH)
    def stop_or_continue(self, which: int) -> None:
        if (process := self.pick(which, self.world.processes)) is not None:
            process.stopped = not process.stopped
            self.counts["operator stopped" if process.stopped else "operator continued"] += 1
            process.run()

    @event("trouble", weight=4, which=WHICH)
    def elect(self, which: int) -> None:
        """The Lease of the present holder runs out; another has it."""
        leases = sorted({e.lease for e in self.world.elections})
        lease = self.pick(which, leases)
        if lease is not None and (candidate := self.pick(which, self.world.candidates(lease))) is not None:
            at_work = any(e.at_work for e in self.world.elections if e.lease == lease)
            self.counts["take-over from one still at work" if at_work else "take-over"] += 1
            self.world.elect(candidate)

    @event("trouble", weight=6, which=WHICH, also=st.sampled_from(["nothing", "swap", "swap", "clear"]))
    def depose_in_the_act(self, which: int, also: str) -> None:
        """A holder is stopped between its last look at the Lease and the effect; another takes over and goes on."""
        if (call := self._await_change(which)) is None:
            return
        self.counts["holder stopped in the act"] += 1
        call.process.stopped = True
        self.world.fill()
        self.world.array.down = False
        for process in self.world.processes:
            if process is not call.process:
                process.stopped = False
                process.run()
        for election in self.world.elections:
            if election.process is call.process and election.in_office:
                for candidate in self.world.candidates(election.lease)[:1]:
                    self.world.elect(candidate)
        self.world.work_off()
        for attachment in list(self.world.server.all("attachments")) if also != "nothing" else ():
            name, place = attachment.metadata.name, {"connector": {"initiator": f"n{which % 2 + 1}"}}
            if also == "swap":
                self.delete_attachment(name, guarded=False)
                self.world.work_off()
                self._attach(name, attachment.spec.volume_name, place)
            else:
                self.change_connector(name, {})
        self.world.work_off()

    def _await_change(self, which: int, *, of: str = "") -> Call | None:
        """Let the world go on until an operator is about to change an export or a volume."""
        place = {"connector": {"initiator": f"n{which % 2 + 1}"}}
        self._attach(f"a{which % 4 + 1}", f"v{which % 2 + 1}", place)
        self.change_connector(f"a{which % 4 + 1}", place)
        for _ in range(60):
            calls = self.world.calls
            changes = [c for c in calls if c.to == "array" and c.changes and c.name != "fence" and c.answer is None]
            changes = [c for c in changes if of in c.name]
            if changes:
                return changes[which % len(changes)]
            if self.world.news:
                process, plural = self.world.news[0]
                process.watch(plural)
            elif calls:
                self.world.serve(calls[0])
            else:
                return None
        return None

    def _attach(self, name: str, volume: str, place: Mapping[str, Any]) -> None:
        self.create_attachment(
            name, volume, None, place, reject=False, polite=False, ttl=None, secret=False, door="rest"
        )

    @event(
        "trouble",
        weight=2,
    )
    def notice(self) -> None:
        if self.world.retire_deposed():
            self.counts["deposed holder noticed"] += 1

    @event("trouble", away=st.booleans(), deleted=st.sampled_from([None, "v1", "v2"]))
    def restore(self, away: bool, deleted: str | None) -> None:
        """Everything is brought back from a backup, which has no status, while no operator is there."""
        for process in list(self.world.processes):
            self.world.kill(process)
        self.world.late.clear()
        for plural in ("volumes", "attachments"):
            self.world.server.lose_status(RESTORE, plural)
        self.world.array.down |= away
        if deleted is not None:
            self.delete_volume(deleted)
        self.world.fill(1)
        self.counts["restored without status"] += 1

    @event("trouble")
    def restart_daemon(self) -> None:
        self.counts["daemon restarted"] += 1
        self.world.array.restart()

    @event("trouble")
    def daemon_down(self) -> None:
        self.counts["daemon down"] += not self.world.array.down
        self.world.array.down = True

    @event(
        "trouble",
        weight=3,
    )
    def daemon_up(self) -> None:
        self.counts["daemon up"] += self.world.array.down
        self.world.array.down = False

    @event("trouble", weight=2, which=WHICH, how=st.integers(0, 3))
    def alter_export(self, which: int, how: int) -> None:
        exports = self.world.array.exports
        if (handle := self.pick(which, sorted(exports))) is None:
            return
        self.counts["export altered by hand"] += 1
        if how == 3:
            del exports[handle]
            return
        changes: list[dict[str, Any]] = [
            {"initiator": None, "intact": False},
            {"mode": AccessMode.READ_ONLY},
            {"volume": None, "intact": False},
        ]
        exports[handle] = dataclasses.replace(exports[handle], **changes[how], sessions=())

    @event("trouble", weight=3, which=WHICH)
    def log_in_or_out(self, which: int) -> None:
        exports = self.world.array.exports
        if (handle := self.pick(which, sorted(exports))) is None:
            return
        if exports[handle].sessions:
            exports[handle] = dataclasses.replace(exports[handle], sessions=())
            self.counts["logout"] += 1
        elif self.world.array.log_in(handle):
            self.counts["login"] += 1
