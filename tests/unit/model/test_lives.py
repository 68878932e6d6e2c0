"""Lives that once broke a promise, told step by step. Each ends at rest, where everything is checked."""

from collections.abc import Iterator

import pytest

from unit.model.calls import Call
from unit.model.machine import AnyLife, ShardedLife

N1 = {"connector": {"initiator": "n1"}}


def attach(life: AnyLife, name: str = "a1", **changes: object) -> None:
    given = {"instance": None, "place": N1, "reject": False, "polite": False, "ttl": None, "secret": False}
    life.create_attachment(name=name, volume="v1", **{"door": "kubectl", **given, **changes})


@pytest.fixture(params=[AnyLife, ShardedLife])
def life(request: pytest.FixtureRequest, simulated: None) -> Iterator[AnyLife]:
    """With both volumes ready."""
    begun: AnyLife = request.param()
    try:
        begun.create_volume(name="v1", multi=False, keep=False, door="kubectl", legacy=1)
        begun.create_volume(name="v2", multi=False, keep=False, door="kubectl", legacy=1)
        begun.world.work_off()
        yield begun
        begun.world.come_to_rest()
        begun.world.advance(1000.0)
        begun.world.come_to_rest()
        begun.world.promises.check_at_rest()
    finally:
        begun.world.close()


def test_a_volume_that_lost_label_and_status_takes_its_data_with_it(life: AnyLife) -> None:
    life.restore(away=False, deleted="v1")
    life.tear_off_label("volumes", 0)


def test_an_attachment_that_lost_label_status_and_volume_is_finished(life: AnyLife) -> None:
    attach(life)
    life.world.work_off()
    life.delete_attachment("a1", guarded=False)
    life.restore(away=False, deleted=None)
    life.tear_off_label("attachments", 0)
    life.tear_off_finalizer("volumes", 0, delete=True)


def test_an_export_whose_answer_was_lost_counts_until_it_is_removed(life: AnyLife) -> None:
    """Its Volume is torn away, for which it is refused."""
    attach(life, place={})
    life.world.work_off()
    life.change_connector("a1", N1)
    life.world.serve(until_asked(life, "create_export"), Call.perform_unheard)
    life.tear_off_finalizer("volumes", 0, delete=True)
    # Until it has heard of that, no other try gets through.
    while any(plural == "volumes" for _, plural in life.world.news):
        for process, plural in life.world.news:
            process.watch(plural)
        for call in life.world.calls:
            life.world.serve(call, lambda c: c.refuse(c.unreachable()) if c.name == "create_export" else c.perform())


@pytest.mark.parametrize("plural", ["volumes", "attachments"])
def test_what_hangs_on_an_object_without_label_is_looked_at_when_that_goes(life: AnyLife, plural: str) -> None:
    """Matrix: the Volume goes, or its holder. The label is not put back before that."""
    attach(life)
    life.world.work_off()
    life.tear_off_label(plural, 0)
    while (news := life.world.news) or any(call.name.startswith("GET") for call in life.world.calls):
        if news:
            news[0][0].watch(news[0][1])
        else:
            life.world.serve(next(call for call in life.world.calls if call.name.startswith("GET")))
    life.tear_off_finalizer(plural, 0, delete=True)


def test_a_controller_that_serves_no_backend_learns_what_its_broken_watch_missed(life: AnyLife) -> None:
    """Of a Volume that is gone it must say that it is not there."""
    world = life.world
    serving = [p for p in world.processes if any(e.in_office for e in p.elections.values())]
    for election in world.candidates("fairlead-controller"):
        if election.process not in serving:
            world.elect(election)
            break
    world.work_off()
    life.tear_off_finalizer("volumes", 0, delete=False)
    for process in world.processes:
        process.lose_watch("volumes")
    life.delete_volume("v1")
    # The Backend's operator learns it by a sweep, and makes the next one nobody's.
    for _ in range(40):
        world.advance(5.0)
        world.work_off()
    attach(life)


def test_nothing_ends_for_a_taint_that_was_taken_away(life: AnyLife) -> None:
    """The watch of Nodes lags behind that of Attachments."""
    life.change_node("n1")
    life.change_machine("is out of service")
    life.world.work_off()
    life.change_machine("appears")
    attach(life, place={"nodeName": "node"})
    while (news := [n for n in life.world.news if n[1] != "nodes"]) or life.world.calls:
        if news:
            news[0][0].watch(news[0][1])
        else:
            life.world.serve(life.world.calls[0])
    assert life.world.server.find("attachments", "a1") is not None


@pytest.mark.parametrize("reject", [True, False])
def test_who_has_yet_to_log_out_keeps_the_volume_though_the_ledger_was_lost(life: AnyLife, reject: bool) -> None:
    """Matrix: whether the next in line is refused, or waits."""
    attach(life, polite=True)
    life.world.work_off()
    life.world.array.log_in(life.world.server.find("attachments", "a1").handle)
    life.delete_attachment("a1", guarded=False)
    life.world.work_off()
    life.restore(away=False, deleted=None)
    attach(life, "a2", place={"connector": {"initiator": "n2"}}, reject=reject)
    life.world.work_off()
    life.world.advance(5.0)
    life.world.work_off()
    told = life.world.server.find("attachments", "a2").status.conditions
    assert [c.reason for c in told if c.type == "Admitted"] == ["VolumeInUse"]


@pytest.mark.parametrize("earlier", [True, False])
def test_a_watch_that_is_behind_the_take_over_brings_nobody_back(life: AnyLife, earlier: bool) -> None:
    """Matrix: what it tells of was gone before the list, or after its namesake, which was in it, went."""
    world = life.world
    others = [p for p in world.processes if not any(e.in_office for e in p.elections.values())]
    attach(life, door="rest")
    for process in others:
        process.stopped = True
    world.work_off()
    life.delete_attachment("a1", guarded=False)
    world.work_off()
    if not earlier:
        attach(life, door="rest")
        world.work_off()
        life.delete_attachment("a1", guarded=False)
    for process in others:
        process.stopped = False
    for lease in sorted({e.lease for e in world.elections}):
        world.elect(next(e for e in world.candidates(lease) if e.process in others))
    while world.calls:
        world.serve(world.calls[0])
    assert world.news, "they have heard of everything already"


def until_asked(life: AnyLife, name: str) -> Call:
    """Let the world go on until an operator asks that of the array, and return the call."""
    while True:
        calls = life.world.calls
        for call in calls:
            if call.answer is None and call.name == name:
                return call
        if calls:
            life.world.serve(calls[0])
        else:
            process, plural = life.world.news[0]
            process.watch(plural)
