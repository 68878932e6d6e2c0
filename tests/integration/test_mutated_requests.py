"""Ten thousand requests that were valid once: each gets a clear answer, none a 5xx, and memory stays flat."""

import http.client
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from facades import RunningFacade, facade
from fairlead_devstack.stack import Stack
from rest import NODE_1, Rest, connector

MUTATIONS = 10_000
SEED = 7
MAY_GROW = 24 * 2**20
"""Bytes of the process's memory between the first third and the end. Python's own arenas come and go by some."""


@dataclass
class Request:
    """A request in parts, each of which may be spoilt."""

    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None

    def bytes(self) -> bytes:
        if self.content is not None:
            return self.content
        return b"" if self.body is None else json.dumps(self.body).encode()


@pytest.fixture
def door(stack: Stack) -> Iterator[RunningFacade]:
    # Timeouts are short, so that a request which asks for what cannot be does not hold the others up.
    options = ("--no-create-namespaces", "--client-rate", "0", "--export-timeout", "10")
    with facade(stack, "facade-mutated", *options) as running:
        yield running


def valid(volume: str, attachment: str) -> list[Request]:
    """Requests of every kind."""
    bodies: list[tuple[str, str, Any]] = [
        ("GET", "/volumes/detail?limit=2&sort=name:asc", None),
        ("GET", f"/volumes/{volume}", None),
        ("GET", "/attachments/detail?volume_id=" + volume, None),
        ("GET", f"/attachments/{attachment}", None),
        ("GET", "/limits", None),
        ("GET", "/types", None),
        ("POST", "/volumes", {"volume": {"size": 1, "name": "n", "description": "d", "metadata": {"k": "v"}}}),
        ("PUT", f"/volumes/{volume}", {"volume": {"name": "n", "description": "d", "metadata": {"k": "v"}}}),
        ("POST", f"/volumes/{volume}/metadata", {"metadata": {"a": "b"}}),
        ("POST", f"/volumes/{volume}/action", {"os-extend": {"new_size": 2}}),
        ("POST", f"/volumes/{volume}/action", {"os-reset_status": {"status": "available"}}),
        ("POST", f"/volumes/{volume}/action", {"os-set_bootable": {"bootable": True}}),
        ("POST", f"/volumes/{volume}/action", {"os-initialize_connection": {"connector": connector()}}),
        ("POST", "/attachments", {"attachment": {"volume_uuid": volume, "mode": "rw", "connector": None}}),
        ("PUT", f"/attachments/{attachment}", {"attachment": {"connector": connector(NODE_1)}}),
        ("POST", f"/attachments/{attachment}/action", {"os-complete": None}),
    ]
    headers = {"OpenStack-API-Version": "volume 3.70", "Content-Type": "application/json", "X-Auth-Token": "u:p"}
    return [Request(method, path, body, dict(headers)) for method, path, body in bodies]


ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**31,
    2**63,
    2**200,
    1e308,
    "",
    " ",
    "x" * 300,
    "x" * 5000,
    "\x00",
    "\u202e\U0001f600",
    "../../etc/passwd",
    "%00",
    "'; --",
    "${jndi:x}",
    "<b>",
    [],
    [[]],
    {},
    {"": ""},
    ["x"] * 200,
    {"a": {"b": {"c": {}}}},
    "NaN",
    "null",
    "11111111-2222-4333-8444-555555555555",
    "2026-01-01T00:00:00Z",
)


class Mutator:
    """Spoils requests, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, request: Request) -> Request:
        chosen = replace(request, body=json.loads(json.dumps(request.body)), headers=dict(request.headers))
        for _ in range(self._random.choice((1, 1, 1, 2, 3))):
            self._random.choice(self._ways())(chosen)
        return chosen

    def _ways(self) -> list[Callable[[Request], None]]:
        return [
            self._value,
            self._value,
            self._value,
            self._key,
            self._key,
            self._nest,
            self._bytes,
            self._bytes,
            self._repeat_key,
            self._header,
            self._header,
            self._path,
            self._path,
            self._query,
            self._method,
            self._large,
            self._encoding,
        ]

    def _nodes(self, body: Any) -> list[tuple[Any, Any]]:
        found = []
        for key, value in list(body.items()) if isinstance(body, dict) else []:
            found.append((body, key))
            found += self._nodes(value)
        return found

    def _value(self, request: Request) -> None:
        nodes = self._nodes(request.body)
        if not nodes:
            request.body = self._random.choice(ODD_VALUES)
            return
        parent, key = self._random.choice(nodes)
        parent[key] = self._random.choice(ODD_VALUES)

    def _key(self, request: Request) -> None:
        nodes = self._nodes(request.body)
        if not nodes:
            return
        parent, key = self._random.choice(nodes)
        value = parent.pop(key) if self._random.random() < 0.7 else parent[key]
        if self._random.random() < 0.5:
            parent[self._random.choice(("x", "", "__proto__", "type", key.upper(), key + " ", "\u0000", "k" * 300))] = (
                value
            )

    def _nest(self, request: Request) -> None:
        depth = self._random.choice((10, 200, 5000, 50000))
        opening, closing = self._random.choice((("[", "]"), ('{"a":', "}")))
        request.content = (opening * depth + "1" + closing * depth).encode()

    def _bytes(self, request: Request) -> None:
        content = bytearray(request.bytes() or b"{}")
        for _ in range(self._random.randint(1, 5)):
            at = self._random.randrange(len(content) or 1)
            match self._random.randrange(3):
                case 0:
                    content[at : at + 1] = bytes([self._random.randrange(256)])
                case 1:
                    del content[at : at + self._random.randint(1, 9)]
                case _:
                    content[at:at] = self._random.choice(
                        (b"\x00", b"\xff\xfe", b'"', b"}", b"\xc3\x28", b"\\ud800", b",")
                    )
        request.content = bytes(content)

    def _repeat_key(self, request: Request) -> None:
        text = request.bytes().decode(errors="replace")
        if text.startswith("{"):
            request.content = (text[:-1] + "," + text[1:]).encode()

    def _header(self, request: Request) -> None:
        name = self._random.choice(
            (*request.headers, "Accept", "Content-Encoding", "X-OpenStack-Request-ID", "X" * 200)
        )
        value = self._random.choice(
            (
                "",
                " ",
                "x" * 4000,
                "volume 99.9",
                "volume latest",
                "volume",
                "volume 3.",
                "compute 2.1",
                "volume 3.70x",
                "text/plain",
                "application/json; charset=utf-16",
                "application/xml",
                "gzip",
                "\xe4\xf6",
                "a:b:c",
                "*/*",
            )
        )
        if self._random.random() < 0.3:
            request.headers.pop(name, None)
        else:
            request.headers[name] = value

    def _path(self, request: Request) -> None:
        parts = request.path.split("/")
        at = self._random.randrange(1, len(parts))
        odd = self._random.choice(
            (
                "",
                ".",
                "..",
                "%2e%2e",
                "%00",
                "%ff",
                "x" * 3000,
                "detail",
                "a?b",
                "%2f",
                ";x",
                "%F0%9F%98%80",
                "a%0d%0ab",
                "0",
            )
        )
        if self._random.random() < 0.5:
            parts[at] = odd
        else:
            parts.insert(at, odd)
        request.path = "/".join(parts)

    def _query(self, request: Request) -> None:
        odd = self._random.choice(
            (
                "limit=-1",
                "limit=x",
                "limit=99999999999999999999",
                "offset=-1",
                "offset=99999999999999",
                "marker=x",
                "sort=x:y",
                "sort_key=id&sort=id",
                "sort=id:asc,id:desc",
                "a=b&a=c",
                "%00=%00",
                "&&==&",
                "metadata={",
                "x" * 9000,
                "all_tenants=maybe",
                "all_tenants=1&project_id=%ff",
                "name~=%25",
                "created_at=gt:x",
                "bootable=x",
                "%ff",
                "metadata=%7B%27a%27%3A%27b%27%7D",
                "limit=1&limit=2",
                "with_count=x",
                "id=" + "1," * 500,
            )
        )
        request.path += ("&" if "?" in request.path else "?") + odd

    def _method(self, request: Request) -> None:
        request.method = self._random.choice(
            ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "FOO")
        )

    def _large(self, request: Request) -> None:
        size = self._random.choice((20_000, 114_688, 200_000))
        request.content = json.dumps({"volume": {"size": 1, "name": "n" * size}}).encode()

    def _encoding(self, request: Request) -> None:
        text = request.bytes().decode(errors="replace")
        request.content = text.encode(self._random.choice(("utf-16", "utf-32", "utf-7", "utf-8-sig")))


def _memory(pid: int) -> int:
    fields = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", fields)
    assert found
    return int(found[1]) * 1024


def test_ten_thousand_mutated_requests(door: RunningFacade, namespace: str) -> None:
    rest = Rest(door.url, namespace)
    volume = rest.volume()
    attachment = str(rest.reserve(rest.volume())["id"])
    # An attachment that a mutation deletes would leave the others nothing to aim at.
    requests = [request for request in valid(volume, attachment) if request.method != "DELETE"]
    mutate, pick = Mutator(SEED), random.Random(SEED)
    statuses: Counter[int] = Counter()
    early = 0
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
    for number in range(MUTATIONS):
        request = mutate(pick.choice(requests))
        if request.method == "DELETE" and request.content is None:
            request.method = "PATCH"
        content = request.bytes()
        try:
            connection.putrequest(request.method, f"/v3/{namespace}{request.path}", skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value.encode("latin-1", "replace"))
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            response = connection.getresponse()
            answer = response.read()
        except (http.client.InvalidURL, ValueError):
            # The client itself refuses to send it.
            connection.close()
            statuses[-1] += 1
            continue
        except (http.client.HTTPException, ConnectionError):
            # Ended by the facade before the whole body was sent: what it said first cannot be read any more.
            connection.close()
            statuses[-2] += 1
            continue
        statuses[response.status] += 1
        shown = (SEED, number, request.method, request.path[:200], request.headers, content[:300], answer[:300])
        assert response.status < 500, shown
        assert response.headers["x-openstack-request-id"], shown
        if response.status >= 400 and request.method != "HEAD":
            assert isinstance(json.loads(answer), dict), shown
        if response.headers.get("connection") == "close":
            connection.close()
        if number == MUTATIONS // 3:
            early = _memory(door.process.pid)
    connection.close()
    grown = _memory(door.process.pid) - early
    assert grown < MAY_GROW, f"grew by {grown} bytes"
    # Most were really spoilt, and hardly any was cut off.
    assert sum(count for status, count in statuses.items() if 400 <= status < 500) > MUTATIONS / 2, statuses
    assert statuses[-1] + statuses[-2] < MUTATIONS / 20, statuses
    log = door.log
    assert "Traceback" not in log
    for line in log.splitlines():
        assert not (re.search(r" (WARNING|ERROR) fairlead", line) and "req-" not in line), line
    assert rest.shown(volume)["id"] == volume
