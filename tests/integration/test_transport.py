"""The way to the facade: TLS, limits, and what is no HTTP."""

import contextlib
import http.client
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import name_served, write_certificate
from facades import RunningFacade, facade
from fairlead_devstack.stack import Stack
from rest import Rest
from waiting import wait_for

PATIENCE = 1


@pytest.fixture(scope="module")
def door(stack: Stack) -> Iterator[RunningFacade]:
    with facade(
        stack, "facade-limits", "--request-seconds", str(PATIENCE), "--max-client-connections", "40"
    ) as running:
        yield running


def raw(port: int, *pieces: bytes, timeout: float = 10.0) -> bytes:
    """Send bytes, and return all that comes back until the other side ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                answer += chunk
        return answer


def status(answer: bytes) -> int:
    match = re.match(rb"HTTP/1\.1 (\d+)", answer)
    assert match, answer[:200]
    return int(match[1])


# --- TLS -------------------------------------------------------------------------------------------------------------


def test_a_renewed_certificate_is_served_without_a_restart(stack: Stack, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "first")
    options = ("--tls-certificate", str(certificate), "--tls-key", str(key))
    with facade(stack, "facade-tls", *options, tls=True) as door:
        assert name_served("127.0.0.1", door.port) == "first"
        write_certificate(tmp_path, "second")
        wait_for(lambda: name_served("127.0.0.1", door.port) == "second", what="the new certificate is served")
        certificate.write_text("half a certifi")
        assert name_served("127.0.0.1", door.port) == "second"
        write_certificate(tmp_path, "third")
        wait_for(lambda: name_served("127.0.0.1", door.port) == "third", what="the next one is served")

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", door.port, context=context)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.headers["Strict-Transport-Security"]
        assert f"https://127.0.0.1:{door.port}/v3/".encode() in answer.read()
        # Not without TLS, and not with an old one.
        assert raw(door.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[:5] != b"HTTP/"
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            pytest.raises((ssl.SSLError, ConnectionError, ValueError)),
            socket.create_connection(("127.0.0.1", door.port)) as plain,
        ):
            context.wrap_socket(plain)


def test_a_certificate_that_cannot_be_used_is_said_at_the_start(stack: Stack, tmp_path: Path) -> None:
    wrong = tmp_path / "tls.crt"
    wrong.write_text("nothing")
    command = [sys.executable, "-m", "fairlead_api.main", "--port", "0", "--tls-certificate", str(wrong)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f"TLS certificate {wrong}" in done.stderr


# --- what is in every answer -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "//"), ("GET", "/volumes"), ("GET", "//nothing"), ("OPTIONS", "/volumes"), ("POST", "/volumes")],
)
def test_every_answer_has_security_headers_an_id_and_no_banner(door: RunningFacade, method: str, path: str) -> None:
    headers = Rest(door.url).send(method, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-openstack-request-id"].startswith("req-")
    assert not {"server", "x-powered-by", "via"} & headers.keys()


# --- slow, many, fast ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /v3/volumes HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /v3/volumes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        b"POST /v3/volumes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
    ids=["nothing", "headers", "body", "chunk"],
)
def test_a_request_that_does_not_arrive_in_time_is_given_up(door: RunningFacade, begun: bytes) -> None:
    answer = raw(door.port, begun)
    assert status(answer) == 408
    assert b"x-openstack-request-id: req-" in answer.lower()


def test_a_connection_is_kept_between_requests_and_the_deadline_is_each_requests(door: RunningFacade) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.port)
    for _ in range(20):
        connection.request("GET", "/")
        assert connection.getresponse().read()
    connection.close()


def test_one_address_has_so_many_connections_and_no_more(door: RunningFacade) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(40):
            opened.enter_context(socket.create_connection(("127.0.0.1", door.port)))
        wait_for(lambda: status(raw(door.port, b"")) == 429, what="one more is refused")
    wait_for(lambda: Rest(door.url).get("//").status == 300, what="there is room again")


def test_one_address_sends_so_many_requests_and_no_more(stack: Stack) -> None:
    with facade(stack, "facade-rate", "--client-rate", "5") as door:
        rest = Rest(door.url)
        answers = [rest.get("/volumes") for _ in range(40)]
        refused = [answer for answer in answers if answer.status == 429]
        assert refused
        assert refused[0].fault == (429, "overLimit")
        assert int(refused[0].headers["retry-after"]) >= 1
        assert answers[0].status == 200
        wait_for(lambda: rest.get("/volumes").status == 200, what="the next second's requests are served")


# --- no HTTP, or HTTP with two meanings ------------------------------------------------------------------------------

BODY = b'{"volume": {"size": 1}}'
HEAD = b"POST /v3/volumes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
AMBIGUOUS = {
    "length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 23\r\nContent-Length: 24\r\n\r\n" + BODY,
    "a length of two": HEAD + b"Content-Length: 23, 24\r\n\r\n" + BODY,
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": HEAD + b"Content-Length: +23\r\n\r\n" + BODY,
    "a huge length": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "an unknown coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a chunk without size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two hosts": b"GET /v3/volumes HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no host": b"GET /v3/volumes HTTP/1.1\r\n\r\n",
    "a space before the colon": b"GET /v3/volumes HTTP/1.1\r\nHost: a\r\nX-Auth-Token : b\r\n\r\n",
    "a nul in a header": b"GET /v3/volumes HTTP/1.1\r\nHost: a\r\nX-Auth-Token: a\x00b\r\n\r\n",
    "two content types": HEAD + b"Content-Type: text/plain\r\nContent-Length: 23\r\n\r\n" + BODY,
    "two versions": b"GET /v3/volumes HTTP/1.1\r\nHost: a\r\n"
    + b"OpenStack-API-Version: volume 3.70\r\n" * 2
    + b"\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
    "another version": b"GET /v3/volumes HTTP/9.9\r\nHost: a\r\n\r\n",
    "headers without end": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 70000,
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_what_could_be_read_in_two_ways_is_refused_and_ends_the_connection(what: str, door: RunningFacade) -> None:
    follower = b"GET /v3/volumes?smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = raw(door.port, AMBIGUOUS[what] + follower)
    assert 400 <= status(answer) < 500, answer
    assert answer.count(b"HTTP/1.1") == 1, answer
    assert b"x-openstack-request-id: req-" in answer.lower()
    assert "smuggled" not in door.log


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
def test_an_upgrade_is_not_taken_up(door: RunningFacade, upgrade: bytes) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: " + upgrade + b"\r\n\r\n"
    assert status(raw(door.port, request)) == 300


def test_what_was_refused_is_logged_with_a_request_id(door: RunningFacade) -> None:
    raw(door.port, b"nonsense\r\n\r\n")
    wait_for(lambda: "refused on the wire" in door.log, what="it is in the log")
    for line in door.log.splitlines():
        assert "Traceback" not in line
        assert not (re.search(r" (WARNING|ERROR) ", line) and "req-" not in line), line
