"""What must not depend on how many objects there are, counted over 10,000: Volumes with an exported Attachment each.

The figures that take time to measure, and 100,000 of each, are the bench's: section `scale`.
"""

from collections.abc import Iterator

import pytest

from fairlead_bench import processes
from fairlead_bench.populated import BACKEND, PROJECT, Populated, Watched
from fairlead_devstack.audit import AuditEntry
from fairlead_devstack.population import connector
from fairlead_devstack.scratch import ScratchFolder
from rest import Rest
from waiting import wait_for

PAIRS = 5_000
LIFE = 8
"""Writes of an attachment made in one step, completed and deleted."""


@pytest.fixture(scope="module")
def populated() -> Iterator[Populated]:
    with ScratchFolder("scale") as scratch, Populated(scratch.path / "fairlead") as installed:
        installed.grow(PAIRS)
        yield installed


@pytest.fixture(scope="module")
def started(populated: Populated) -> tuple[Watched, list[AuditEntry]]:
    """An operator that has looked at everything, and what was asked of the API server meanwhile."""
    mark = populated.control_plane.audit_log.mark()
    # No sweep comes in between later, with its lists.
    operator = populated.operator("over-many", "--sweep-interval", "3600")
    operator.until("swept", lambda: operator.metric("fairlead_sweeps_total", backend=BACKEND) >= 1)
    operator.until("looked at everything", lambda: operator.metric("fairlead_queue_keys", backend=BACKEND) == 0)
    return operator, populated.control_plane.audit_log.since(mark)


@pytest.fixture(scope="module")
def rest(populated: Populated, started: tuple[Watched, list[AuditEntry]]) -> Rest:
    populated.facade("over-many-too")
    return Rest(populated.stack.facade_url, PROJECT)


def test_a_start_over_many_objects_writes_nothing_and_reads_none_alone(
    populated: Populated, started: tuple[Watched, list[AuditEntry]]
) -> None:
    operator, seen = started
    assert operator.pairs == PAIRS
    ours = [e for e in seen if e.resource.partition("/")[0] in ("volumes", "attachments", "backends", "secrets")]
    assert [e for e in ours if e.writes] == []
    assert [e for e in ours if e.verb == "get" and e.resource != "secrets"] == []


def test_a_start_reads_what_there_is_once(populated: Populated, started: tuple[Watched, list[AuditEntry]]) -> None:
    operator, seen = started
    operator.until("heard of changes", lambda: operator.watches)
    for kind in ("volumes", "attachments"):
        # A list that is streamed is a watch which has ended; kopf's own go on, and begin where the list ended.
        assert [e.verb for e in seen if e.resource == kind and e.verb in ("list", "watch")] == ["watch"]
        assert operator.metric("fairlead_watch_events_total", resource=kind) == 0


def test_a_life_among_many_costs_as_many_writes_as_ever_and_no_read(populated: Populated, rest: Rest) -> None:
    volume = rest.ok("POST", "/volumes", {"volume": {"size": 1}}, status=202)["volume"]["id"]
    wait_for(lambda: rest.ok("GET", f"/volumes/{volume}", status=200)["volume"]["status"] == "available", what="it is")
    mark = populated.control_plane.audit_log.mark()
    body = {"attachment": {"volume_uuid": volume, "connector": connector()}}
    attachment = rest.ok("POST", "/attachments", body, status=202)["attachment"]["id"]
    rest.ok("POST", f"/attachments/{attachment}/action", {"os-complete": None}, status=204)

    def completed() -> bool:
        return sum(e.subresource == "status" and e.name == attachment for e in asked()) == 2

    def asked() -> list[AuditEntry]:
        return [
            e for e in populated.control_plane.audit_log.since(mark) if e.name in (volume, attachment) or e.name == ""
        ]

    wait_for(completed, what="the operator has written that it is completed")
    rest.ok("DELETE", f"/attachments/{attachment}", status=200)

    def ours() -> list[AuditEntry]:
        return [e for e in asked() if e.resource in ("volumes", "attachments")]

    # The API server notes a write after it has told the watches of it.
    wait_for(lambda: sum(e.writes for e in ours()) >= LIFE, what="all writes are in the audit log")
    assert sum(e.writes for e in ours()) == LIFE, ours()
    assert [e for e in ours() if e.verb in ("get", "list")] == []


def test_the_attachments_of_one_volume_cost_what_they_are_and_not_what_there_is(
    populated: Populated, rest: Rest
) -> None:
    """Processor time of the facade, compared with that for one attachment by its id."""
    one = rest.ok("GET", "/attachments?limit=1", status=200)["attachments"][0]
    facade = {"facade": [populated.stack.processes["over-many-too"].pid]}

    def cost(path: str, *, count: int = 100) -> float:
        rest.ok("GET", path, status=200)
        before = processes.cpu_by_part(facade)["facade"]
        for _ in range(count):
            rest.ok("GET", path, status=200)
        return processes.cpu_by_part(facade)["facade"] - before

    alone = cost(f"/attachments/{one['id']}")
    for name, value in (("volume_id", one["volume_id"]), ("instance_id", one["instance"] or "none such")):
        assert cost(f"/attachments?{name}={value}") < 5 * alone, name


@pytest.mark.parametrize("path", ["/attachments", "/attachments/detail", "/volumes/detail"])
def test_a_page_of_many_asks_the_api_server_nothing(populated: Populated, rest: Rest, path: str) -> None:
    def page(more: str) -> list[str]:
        found = rest.ok("GET", f"{path}?limit=100{more}", status=200)
        return [item["id"] for item in found[path.split("/")[1]]]

    # The Backend's key is read once, for whoever may see credentials.
    marker = page("")[-1]
    mark = populated.control_plane.audit_log.mark()
    following = page(f"&marker={marker}")
    assert len(following) == 100
    assert marker not in following
    user = populated.stack.facade_user
    assert [e for e in populated.control_plane.audit_log.since(mark) if e.user == user and e.verb != "watch"] == []
