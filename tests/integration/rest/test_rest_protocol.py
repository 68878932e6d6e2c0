"""What every exchange has: discovery, ids, microversions, content types, faults, unknown paths."""

import json
import re
import uuid
from typing import Any

import pytest

from rest import LATEST, Rest

ID = "11111111-2222-4333-8444-555555555555"
REQUEST_ID = re.compile(r"req-[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")


@pytest.mark.parametrize(("path", "status"), [("///", 300), ("///v3/", 200)])
def test_discovery_tells_the_versions_without_a_token(anywhere: Rest, path: str, status: int) -> None:
    answer = anywhere.get(path[1:], version=None)
    assert answer.status == status
    (found,) = answer.body["versions"]
    assert (found["id"], found["status"], found["min_version"], found["version"]) == ("v3.0", "CURRENT", "3.0", LATEST)
    assert found["links"][1] == {"rel": "self", "href": f"{anywhere.url}/v3/"}
    assert REQUEST_ID.fullmatch(answer.headers["x-openstack-request-id"])


def test_v3_without_a_slash_leads_on(anywhere: Rest) -> None:
    answer = anywhere.get("//v3", version=None)
    assert (answer.status, answer.headers["location"]) == (302, f"{anywhere.url}/v3/")


def test_health_is_told_without_a_token(anywhere: Rest) -> None:
    assert anywhere.get("//healthcheck", version=None).body == {"detailed": False, "reasons": ["OK"]}


@pytest.mark.parametrize(
    ("header", "status", "name", "said"),
    [
        ("volume 3.27", 200, None, "volume 3.27"),
        ("volume latest", 200, None, f"volume {LATEST}"),
        ("compute 2.90, volume 3.70", 200, None, "volume 3.70"),
        ("volume 3.26", 404, "itemNotFound", "volume 3.26"),
        ("volume 3.999", 406, "computeFault", "volume 3.999"),
        ("volume 2.1", 406, "computeFault", "volume 2.1"),
        ("volume 2.0", 406, "computeFault", None),
        ("volume 3", 400, "badRequest", None),
        ("block-storage 3.70", 400, "badRequest", None),
    ],
)
def test_the_microversion_used_or_asked_for_is_said(
    rest: Rest, header: str, status: int, name: str | None, said: str | None
) -> None:
    answer = rest.get("/attachments", version=None, headers={"OpenStack-API-Version": header})
    assert answer.status == status
    assert answer.headers.get("openstack-api-version") == said
    assert answer.headers.get("vary") == ("OpenStack-API-Version" if said else None)
    if name is not None:
        assert answer.fault == (status, name)
    assert answer.headers["x-compute-request-id"] == answer.headers["x-openstack-request-id"]


def test_without_a_microversion_there_are_no_attachments(rest: Rest) -> None:
    answer = rest.get("/attachments", version=None)
    assert answer.fault == (404, "itemNotFound")
    assert answer.message == "The resource could not be found."


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/attachments"),
        ("GET", "/attachments/detail"),
        ("GET", f"/attachments/{ID}"),
        ("PUT", f"/attachments/{ID}"),
        ("POST", "/attachments"),
        ("DELETE", f"/attachments/{ID}"),
    ],
)
def test_the_version_is_checked_before_the_body_and_the_id(rest: Rest, method: str, path: str) -> None:
    body = {"nonsense": 1} if method in ("PUT", "POST") else None
    answer = rest.send(method, path, body, version="3.26")
    assert (answer.fault, answer.message) == ((404, "itemNotFound"), "The resource could not be found.")


def test_broken_json_is_told_even_below_the_minimum(rest: Rest) -> None:
    broken = {"content": b"{", "headers": {"Content-Type": "application/json"}}
    answer = rest.send("POST", "/attachments", version="3.0", **broken)
    assert (answer.fault, answer.message) == ((400, "badRequest"), "Malformed request body")


def test_complete_needs_344(rest: Rest) -> None:
    assert rest.send("POST", f"/attachments/{ID}/action", {"os-complete": {}}, version="3.43").status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "//v2"),
        ("GET", "//v1/"),
        ("GET", "//foo"),
        ("GET", "/attachmentz"),
        ("GET", "/attachments/"),
        ("GET", f"/attachments/{ID}/nothing"),
        ("GET", f"/attachments/{ID}/action"),
        ("PATCH", f"/attachments/{ID}"),
        ("POST", f"/attachments/{ID}"),
        ("PUT", "/attachments"),
        ("DELETE", "/attachments"),
        ("HEAD", "/attachments"),
    ],
)
def test_unknown_paths_and_wrong_methods_are_not_found_below_the_api(rest: Rest, method: str, path: str) -> None:
    answer = rest.send(method, path)
    assert answer.status == 404
    assert "openstack-api-version" not in answer.headers
    assert REQUEST_ID.fullmatch(answer.headers["x-openstack-request-id"])
    if method != "HEAD":
        assert answer.body == {
            "message": "The resource could not be found.<br /><br />\n\n\n",
            "code": "404 Not Found",
            "title": "Not Found",
        }


def test_options_are_answered_before_anything_else(rest: Rest) -> None:
    answer = rest.send("OPTIONS", "/attachments")
    assert (answer.status, answer.content) == (200, b"")


def test_the_callers_own_request_id_is_not_given_back(rest: Rest) -> None:
    mine = f"req-{uuid.uuid4()}"
    answer = rest.get("/volumes", headers={"X-OpenStack-Request-ID": mine})
    assert answer.headers["x-openstack-request-id"] != mine


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "*/*", "application/json"])
def test_an_unknown_accept_gets_json(rest: Rest, accept: str) -> None:
    answer = rest.get("/attachments", headers={"Accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


def test_the_vendor_type_is_given_to_who_asks(rest: Rest) -> None:
    vendor = "application/vnd.openstack.volume+json"
    assert rest.get("/attachments", headers={"Accept": vendor}).headers["content-type"] == vendor


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(rest: Rest, content_type: str) -> None:
    answer = rest.send("POST", "/attachments", content=b"a=b", headers={"Content-Type": content_type})
    assert (answer.fault, answer.message) == ((415, "badMediaType"), "Unsupported Content-Type")


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}])
def test_a_missing_body_or_content_type_is_a_bad_request(rest: Rest, headers: dict[str, str]) -> None:
    content = b"" if headers else json.dumps({"attachment": {"volume_uuid": ID}}).encode()
    assert rest.send("POST", "/attachments", content=content, headers=headers).fault == (400, "badRequest")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_body_where_none_may_be_is_a_bad_request(rest: Rest, method: str) -> None:
    assert rest.send(method, f"/attachments/{ID}", {"a": 1}).fault == (400, "badRequest")


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_a_body_is_refused(rest: Rest, chunked: bool) -> None:
    content: Any = b'{"a": "' + b"x" * 120_000 + b'"}'
    headers = {"Content-Type": "application/json"}
    if chunked:
        content = iter([content[:60_000], content[60_000:]])
    answer = rest.send("POST", "/attachments", content=content, headers=headers)
    assert answer.status == 413
    assert answer.body["code"] == "413 Request Entity Too Large"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "There is no such action: None. Verify the request body and Content-Type header and try again."),
        ({"os-nothing": 1}, "There is no such action: os-nothing."),
        ({"os-complete": {}, "x": 1}, "Malformed request body"),
        ({}, "Malformed request body"),
        ("os-complete", "Malformed request body"),
        (["os-complete"], "Malformed request body"),
    ],
)
@pytest.mark.parametrize("collection", ["attachments", "volumes"])
def test_an_action_is_one_known_key(rest: Rest, collection: str, body: Any, message: str) -> None:
    answer = rest.send("POST", f"/{collection}/{ID}/action", body)
    if collection == "volumes" and body == {"os-complete": {}, "x": 1}:
        message = "Malformed request body"
    assert answer.fault == (400, "badRequest")
    assert answer.message.startswith(message)


@pytest.mark.parametrize("id_", [ID, "nope", ID.replace("-", ""), "%00", "a%2Fb", "é".encode().hex()])
@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"attachment": {"connector": {"host": "h", "initiator": "i"}}}),
        ("DELETE", "", None),
        ("POST", "/action", {"os-complete": None}),
    ],
)
def test_an_unknown_attachment_is_not_found(rest: Rest, method: str, suffix: str, body: Any, id_: str) -> None:
    answer = rest.send(method, f"/attachments/{id_}{suffix}", body)
    if id_ == "a%2Fb":
        assert answer.status == 404
        return
    assert answer.fault == (404, "itemNotFound")
    assert answer.message.startswith("Volume attachment could not be found with filter: attachment_id = ")


@pytest.mark.parametrize("id_", [ID, "some-name"])
@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("DELETE", ""), ("GET", "/metadata")])
def test_an_unknown_volume_is_not_found(rest: Rest, method: str, suffix: str, id_: str) -> None:
    answer = rest.send(method, f"/volumes/{id_}{suffix}")
    assert (answer.fault, answer.message) == ((404, "itemNotFound"), f"Volume {id_} could not be found.")
