"""Lists of attachments and volumes, over what REST made and what kubectl made."""

from typing import Any

import pytest

from cluster import Cluster
from fairlead_crds import names
from rest import NODE_1, Rest
from waiting import wait_for

SERVER = "8291823d-dc4b-436f-b668-0f08cec08f0f"


@pytest.fixture
def several(rest: Rest) -> list[dict[str, Any]]:
    """Three attachments, the oldest first: reserved for a server, attaching, attached."""
    first = rest.reserve(rest.volume(), SERVER)
    second = rest.attach(rest.volume())
    third = rest.attach(rest.volume())
    rest.complete(third["id"])
    return [first, second, third]


def listed(rest: Rest, query: str = "", **options: Any) -> list[str]:
    body = rest.ok("GET", f"/attachments{query}", status=200, **options)
    assert list(body) == ["attachments"]
    return [item["id"] for item in body["attachments"]]


def test_attachments_are_found_by_filter_order_and_page(rest: Rest, several: list[dict[str, Any]]) -> None:
    first, second, third = (item["id"] for item in several)
    volume = several[1]["volume_id"]
    expected = {
        "": [third, second, first],
        "?sort=created_at:asc": [first, second, third],
        "?sort_key=id&sort_dir=asc": sorted([first, second, third]),
        "?sort=id": sorted([first, second, third], reverse=True),
        "?limit=0": [],
        "?limit=2": [third, second],
        f"?limit=2&marker={third}": [second, first],
        f"?marker={first}": [],
        "?offset=1&limit=1": [second],
        "?offset=99": [],
        f"?volume_id={volume}": [second],
        "?volume_id=nope": [],
        f"?instance_id={SERVER}": [first],
        f"?instance_uuid={SERVER}": [first],
        "?instance_id=": [],
        "?attach_status=attached": [third],
        "?status=attached": [third],
        "?status=reserved": [first],
        "?status=nonsense": [],
        f"?volume_id={volume}&status=attaching": [second],
        f"?volume_id={volume}&status=reserved": [],
        f"?id={first}": [first],
        "?attached_host=host-of-cec": [third, second],
        "?attached_host~=OST": [third, second],
        "?mountpoint=/dev/vdb": [third, second],
        "?colour=red": [],
        "?all_tenants=False": [third, second, first],
        "?all_tenants=0": [third, second, first],
        "?project_id=other": [third, second, first],
        f"?all_tenants=1&project_id={rest.project}": [third, second, first],
    }
    assert {query: listed(rest, query) for query in expected} == expected


def test_all_tenants_adds_other_projects(rest: Rest, several: list[dict[str, Any]]) -> None:
    assert {item["id"] for item in several} <= set(listed(rest, "?all_tenants=1"))


BAD_QUERIES = {
    "?limit=abc": 400,
    "?limit=-1": 400,
    "?limit=": 400,
    "?offset=abc": 400,
    "?offset=-1": 400,
    "?offset=2147483648": 400,
    "?sort=colour": 400,
    "?sort=instance": 400,
    "?sort=id:up": 400,
    "?sort=id&sort_key=id": 400,
    "?status=a&status=b": 400,
    "?marker=nope": 404,
    "?marker=11111111-2222-4333-8444-555555555555": 404,
}


@pytest.mark.parametrize("query", BAD_QUERIES)
@pytest.mark.parametrize("path", ["attachments", "attachments/detail", "volumes", "volumes/detail"])
def test_a_bad_query_is_refused(rest: Rest, path: str, query: str) -> None:
    status = BAD_QUERIES[query]
    answer = rest.get(f"/{path}{query}")
    assert answer.fault == (status, "badRequest" if status == 400 else "itemNotFound")


def test_detail_shows_what_show_does(rest: Rest, several: list[dict[str, Any]]) -> None:
    body = rest.ok("GET", "/attachments/detail", status=200)
    shown = [rest.ok("GET", f"/attachments/{item['id']}", status=200)["attachment"] for item in reversed(several)]
    assert body == {"attachments": shown}


def test_an_unknown_project_is_empty(rest: Rest) -> None:
    stranger = Rest(rest.url, "nobody-knows-it")
    assert listed(stranger) == []
    assert stranger.ok("GET", "/volumes/detail", status=200) == {"volumes": []}


def test_what_kubectl_made_is_listed_too(rest: Rest, cluster: Cluster) -> None:
    cluster.volume("by-kubectl", "64Mi", displayName="by kubectl")
    cluster.attach("its-attachment", "by-kubectl", NODE_1)
    made = cluster.wait_exported("its-attachment")
    (item,) = wait_for(
        lambda: rest.ok("GET", "/attachments/detail", status=200)["attachments"], what="REST lists the attachment"
    )
    assert (item["id"], item["status"], item["attach_mode"]) == (made["metadata"]["uid"], "attaching", "rw")
    (volume,) = rest.ok("GET", "/volumes/detail?name=by%20kubectl", status=200)["volumes"]
    assert (volume["id"], volume["status"], volume["size"]) == (item["volume_id"], "attaching", 1)


def test_waiters_are_neither_listed_nor_shown(rest: Rest, cluster: Cluster) -> None:
    cluster.volume("held")
    cluster.attach("holder", "held", NODE_1)
    cluster.wait_exported("holder")
    cluster.attach("waiter", "held", NODE_1 + "2")
    waiter = cluster.wait("Attachment", "waiter", lambda a: bool(a["status"]["conditions"]), "it waits")
    wait_for(lambda: len(listed(rest)) == 1, what="one attachment is listed")
    assert rest.get(f"/attachments/{waiter['metadata']['labels'][names.LABEL_ID]}").status == 404


def test_volumes_are_found_by_filter_order_and_page(rest: Rest) -> None:
    a = rest.volume(name="a", metadata={"k": "v"})
    b = rest.volume(name="b", size=2)
    made = rest.reserve(b)
    expected = {
        "": [b, a],
        "?name=a": [a],
        "?name~=A": [a],
        "?status=available": [a],
        "?status=reserved": [b],
        "?metadata=%7B%27k%27%3A%20%27v%27%7D": [a],
        "?metadata=%7B%27k%27%3A%20%27w%27%7D": [],
        "?metadata=nonsense": [],
        "?bootable=false": [b, a],
        "?bootable=true": [],
        "?size=2": [b],
        "?sort=size:asc": [a, b],
        "?sort=name:desc": [b, a],
        "?availability_zone=nova": [b, a],
        "?bogus=1": [],
    }
    found = {
        query: [volume["id"] for volume in rest.ok("GET", f"/volumes{query}", status=200)["volumes"]]
        for query in expected
    }
    assert found == expected
    rest.detach(made["id"])


def test_volume_pages_are_linked_and_end(rest: Rest) -> None:
    ids = [rest.volume() for _ in range(3)]
    seen: list[str] = []
    path = "/volumes?limit=2&with_count=true"
    pages = 0
    while path:
        body = rest.ok("GET", path, status=200)
        assert body["count"] == 3
        seen += [volume["id"] for volume in body["volumes"]]
        link = next((link["href"] for link in body.get("volumes_links", [])), "")
        path = link.removeprefix(rest.endpoint)
        pages += 1
    assert (seen, pages) == (ids[::-1], 2)


def test_a_count_comes_from_345_on(rest: Rest) -> None:
    rest.volume()
    assert "count" in rest.ok("GET", "/volumes?with_count=True", status=200, version="3.45")
    assert "count" not in rest.ok("GET", "/volumes?with_count=True", status=200, version="3.44")


def test_volumes_are_found_by_when_they_were_made_and_changed(rest: Rest) -> None:
    older, newer = rest.volume(), rest.volume()
    made = rest.shown(newer)["created_at"]

    def found(query: str) -> set[str]:
        return {v["id"] for v in rest.ok("GET", f"/volumes{query}", status=200)["volumes"]}

    assert found(f"?created_at=lt:{made}") == {older}
    assert found(f"?created_at=gte:{made}") == {newer}
    assert found(f"?created_at={made}") == {newer}
    assert found(f"?created_at=gte:{made},lte:{made}") == {newer}
    assert found(f"?created_at=gt:{made}%2B00:00") == set()
    assert found("?created_at=gt:2001-01-01,neq:2002-02-02") == {older, newer}

    rest.ok("PUT", f"/volumes/{older}", {"volume": {"name": "changed"}}, status=200)
    changed = rest.shown(older)["updated_at"]
    assert changed > made
    assert found(f"?updated_at=gte:{changed}") == {older}


@pytest.mark.parametrize("value", ["gt:yesterday", "about:2026-11-24T00:00:00", "", "gt:"])
def test_a_time_that_is_none_is_refused(rest: Rest, value: str) -> None:
    answer = rest.send("GET", f"/volumes?created_at={value}")
    assert answer.status == 400
    assert "created_at" in answer.message
