"""Auth mode keystone, with a real Keystone: tokens, roles, service tokens, and what happens when it is away."""

import http.client
import subprocess
import sys
from pathlib import Path

import pytest
from kubernetes import client

from accounts import People, TokenRest
from facades import RunningFacade, facade, write_private
from fairlead_crds import names
from fairlead_devstack.keystone import ADMIN, Keystone, User
from fairlead_devstack.stack import Stack
from iscsi import Initiator, login
from rest import Rest, access, connector
from waiting import wait_for

INSTANCE = "a7816a4b-fe9d-4767-99eb-38bb87113407"
NOTHING = "11111111-2222-4333-8444-555555555555"


# --- who is let in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": "nonsense"}, {"X-Auth-Token": "ü"}, {"X-Auth-Token": ""}])
def test_strangers_get_what_keystonemiddleware_says(
    headers: dict[str, str], keystone_door: RunningFacade, keystone: Keystone
) -> None:
    answer = Rest(keystone_door.url).get("/attachments", headers=headers)
    assert answer.status == 401
    assert answer.body["error"] == {
        "code": 401,
        "title": "Unauthorized",
        "message": "The request you have made requires authentication.",
    }
    assert answer.headers["www-authenticate"] == f'Keystone uri="{keystone.url}"'
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    # It is refused below the API, which therefore says nothing of versions.
    assert not {"x-compute-request-id", "openstack-api-version"} & answer.headers.keys()


def test_a_token_given_twice_is_refused(people: People, keystone_door: RunningFacade) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", keystone_door.port)
    connection.putrequest("GET", "/v3/volumes")
    for token in ("one", "two"):
        connection.putheader("X-Auth-Token", token)
    connection.endheaders()
    assert connection.getresponse().status == 400


def test_the_url_must_name_the_tokens_project(people: People, keystone: Keystone) -> None:
    for name in ("alice", "admin"):
        rest = people(name)
        rest.project = keystone.projects["demo"]
        assert rest.get("/attachments").status == 200
        rest.project = keystone.projects["other"]
        answer = rest.get("/attachments")
        assert (answer.fault, answer.message) == ((400, "badRequest"), "Malformed request url")


def test_a_token_for_no_project_is_for_nothing(keystone: Keystone, keystone_door: RunningFacade) -> None:
    unscoped = TokenRest(keystone_door.url, None, keystone.token("alice"))
    assert unscoped.get("/volumes").fault == (403, "forbidden")


def test_a_bad_service_token_is_refused_whoever_the_user_is(people: People) -> None:
    assert people("admin").get("/volumes", headers={"X-Service-Token": "nonsense"}).status == 401


def test_a_service_token_alone_is_nobodys(keystone: Keystone, keystone_door: RunningFacade) -> None:
    token = keystone.token("nova", "service")
    assert Rest(keystone_door.url).get("/volumes", headers={"X-Service-Token": token}).status == 401


def test_a_projects_namespace_is_made_when_it_is_first_used(
    people: People, keystone: Keystone, admin: client.ApiClient
) -> None:
    people("alice").volume()
    project = keystone.projects["demo"]
    found = client.CoreV1Api(admin).read_namespace(project)
    assert found.metadata.labels[names.LABEL_PROJECT] == project


# --- roles -----------------------------------------------------------------------------------------------------------


def test_a_member_does_everything_in_the_project(people: People) -> None:
    alice = people("alice")
    volume = alice.volume()
    attachment = alice.attach(volume)["id"]
    alice.complete(attachment)
    assert alice.status(volume) == "in-use"
    assert alice.detach(attachment) == []
    assert alice.send("DELETE", f"/volumes/{volume}").status == 202


def test_a_reader_reads_and_changes_nothing(people: People) -> None:
    alice, rita = people("alice"), people("rita")
    volume = alice.volume()
    attachment = alice.attach(volume)["id"]
    assert rita.get(f"/attachments/{attachment}").status == 200
    assert rita.get(f"/volumes/{volume}").status == 200
    for method, path, body, rule in (
        ("POST", "/attachments", {"attachment": {"volume_uuid": volume}}, "volume:attachment_create"),
        ("PUT", f"/attachments/{attachment}", {"attachment": {"connector": connector()}}, "volume:attachment_update"),
        ("POST", f"/attachments/{attachment}/action", {"os-complete": None}, "volume:attachment_complete"),
        ("DELETE", f"/attachments/{attachment}", None, "volume:attachment_delete"),
        ("POST", "/volumes", {"volume": {"size": 1}}, "volume:create"),
        ("PUT", f"/volumes/{volume}", {"volume": {"name": "x"}}, "volume:update"),
        ("DELETE", f"/volumes/{volume}", None, "volume:delete"),
        ("POST", f"/volumes/{volume}/action", {"os-extend": {"new_size": 2}}, "volume:extend"),
        ("POST", f"/volumes/{volume}/metadata", {"metadata": {"a": "b"}}, ""),
    ):
        answer = rita.send(method, path, body)
        assert answer.fault == (403, "forbidden"), (method, path, answer.content)
        assert f"Policy doesn't allow {rule}" in answer.message
    # What is not there is told before who asks is looked at.
    unknown = {"attachment": {"volume_uuid": NOTHING}}
    assert rita.send("POST", "/attachments", unknown).fault == (404, "itemNotFound")
    alice.detach(attachment)


def test_an_admin_acts_on_other_projects(people: People) -> None:
    oscar, admin = people("oscar"), people("admin")
    volume = oscar.volume()
    assert admin.get(f"/volumes/{volume}").status == 200
    attachment = admin.attach(volume)["id"]
    assert oscar.get(f"/attachments/{attachment}").status == 200
    assert admin.act(volume, "os-reset_status", {"status": "error"}).status == 202
    assert oscar.act(volume, "os-reset_status", {"status": "available"}).fault == (403, "forbidden")
    assert admin.detach(attachment) == []


# --- the deletion guard ----------------------------------------------------------------------------------------------


def test_what_an_instance_uses_is_detached_by_a_service_alone(people: People, keystone: Keystone) -> None:
    alice = people("alice")
    attachment = alice.attach(alice.volume(), instance_uuid=INSTANCE)
    with Initiator(access(attachment)) as node:
        assert node.write(pattern=1)
        for name in ("alice", "admin"):
            answer = people(name).send("DELETE", f"/attachments/{attachment['id']}")
            assert answer.fault == (409, "conflictingRequest")
            assert answer.message == (
                f"ConflictNovaUsingAttachment: Detach volume from instance {INSTANCE} using the Compute API"
            )
        # A service token without the role vouches for nothing.
        weak = {"X-Service-Token": keystone.token("oscar", "other")}
        assert alice.send("DELETE", f"/attachments/{attachment['id']}", headers=weak).status == 409
        service = {"X-Service-Token": keystone.token("nova", "service")}
        assert alice.send("DELETE", f"/attachments/{attachment['id']}", headers=service).status == 200
    assert not login(access(attachment)).accepted


@pytest.mark.parametrize("why", ["no instance", "never connected"])
def test_a_member_detaches_what_no_instance_uses(why: str, people: People) -> None:
    alice = people("alice")
    volume = alice.volume()
    match why:
        case "no instance":
            attachment = alice.attach(volume)
            with Initiator(access(attachment)):
                assert alice.detach(attachment["id"]) == []
        case _:
            assert alice.detach(alice.reserve(volume, INSTANCE)["id"]) == []


# --- Keystone away, and answers kept ---------------------------------------------------------------------------------


def test_while_keystone_is_away_new_tokens_wait_and_known_ones_work(stack: Stack, keystone: Keystone) -> None:
    password = write_private(stack.folder / "kp", User("fairlead", "", "").password)
    options = ("--auth", "keystone", "--keystone-url", keystone.url, "--keystone-password-file", str(password))
    known, new = keystone.token("alice", "demo"), keystone.token("rita", "demo")
    with facade(stack, "facade-keystone-away", *options) as door:
        assert TokenRest(door.url, None, known).get("/volumes").status == 200
        keystone.process.kill()
        try:
            assert TokenRest(door.url, None, known).get("/volumes").status == 200
            waiting = TokenRest(door.url, None, new).get("/volumes")
            assert waiting.fault == (503, "serviceUnavailable")
            assert "x-openstack-request-id" in waiting.headers
            assert Rest(door.url).get("/volumes").status == 401
            assert Rest(door.url).get("//healthcheck").status == 200
        finally:
            keystone.process.start()
            keystone.process.wait_ready()
        # The very next request works: nobody has to restart the facade.
        assert TokenRest(door.url, None, new).get("/volumes").status == 200


def test_a_keystone_that_does_not_answer_is_a_503(stack: Stack, keystone: Keystone) -> None:
    password = write_private(stack.folder / "kp-frozen", User("fairlead", "", "").password)
    options = ("--auth", "keystone", "--keystone-url", keystone.url, "--keystone-password-file", str(password))
    token = keystone.token("alice", "demo")
    with facade(stack, "facade-keystone-frozen", *options) as door:
        keystone.process.stop_signal()
        try:
            assert TokenRest(door.url, None, token).get("/volumes").fault == (503, "serviceUnavailable")
        finally:
            keystone.process.cont()
        assert TokenRest(door.url, None, token).get("/volumes").status == 200


def test_the_facades_own_password_may_change_under_it(stack: Stack, keystone: Keystone) -> None:
    keystone.add_user(User("rotated", "service", "service"))
    password = write_private(stack.folder / "kp-rotated", User("rotated", "", "").password)
    options = (
        *("--auth", "keystone", "--keystone-url", keystone.url, "--keystone-password-file", str(password)),
        *("--keystone-user", "rotated"),
    )
    first, second, third = (keystone.token("alice", "demo") for _ in range(3))
    with facade(stack, "facade-keystone-rotated", *options) as door:
        assert TokenRest(door.url, None, first).get("/volumes").status == 200
        # Keystone ends the tokens of whoever gets a new password.
        keystone.set_password("rotated", "another")
        assert TokenRest(door.url, None, second).get("/volumes").status == 503
        password.write_text("another")
        rest = TokenRest(door.url, None, third)
        wait_for(lambda: rest.get("/volumes").status == 200, what="the facade logs in with the new password")


def test_a_revoked_token_ends_within_the_cache_time(keystone: Keystone, keystone_door: RunningFacade) -> None:
    token = keystone.token("alice", "demo")
    rest = TokenRest(keystone_door.url, None, token)
    assert rest.get("/volumes").status == 200
    keystone.revoke(token)
    wait_for(lambda: rest.get("/volumes").status == 401, what="the token is refused")


def test_a_service_may_bring_a_users_expired_token(stack: Stack, keystone: Keystone) -> None:
    """As keystonemiddleware has it: what a service began for a user may take longer than the user's token lives."""
    service = {"X-Service-Token": keystone.token("nova", "service")}
    short = keystone.short_token("alice", "demo")
    password = write_private(stack.folder / "kp-expired", User("fairlead", "", "").password)
    options = ("--auth", "keystone", "--keystone-url", keystone.url, "--keystone-password-file", str(password))
    with facade(stack, "facade-keystone-expired", *options) as door:
        rest = TokenRest(door.url, None, short)
        wait_for(lambda: rest.get("/volumes").status == 401, timeout=30, what="the token has expired")
        assert rest.get("/volumes", headers=service).status == 200


@pytest.mark.parametrize("source", ["nowhere", "environment", "file"])
def test_the_password_comes_from_a_file_or_the_environment(
    source: str, stack: Stack, keystone: Keystone, tmp_path: Path
) -> None:
    options = ["--auth", "keystone", "--keystone-url", keystone.url]
    environment = {}
    word = User("fairlead", "", "").password
    if source == "nowhere":
        done = subprocess.run(
            [sys.executable, "-m", "fairlead_api.main", *options], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "--keystone-password-file or $FAIRLEAD_KEYSTONE_PASSWORD" in done.stderr
        return
    if source == "environment":
        environment["FAIRLEAD_KEYSTONE_PASSWORD"] = word
    else:
        options += ["--keystone-password-file", str(write_private(tmp_path / "password", word))]
    with facade(stack, f"facade-password-{source}", *options, environment=environment) as door:
        assert TokenRest(door.url, None, keystone.token("alice", "demo")).get("/volumes").status == 200


def test_no_token_and_no_password_is_in_the_log(
    people: People, keystone: Keystone, keystone_door: RunningFacade
) -> None:
    token = keystone.token("alice", "demo")
    TokenRest(keystone_door.url, None, token).get("/volumes")
    assert token not in keystone_door.log
    assert User("fairlead", "", "").password not in keystone_door.log
    assert ADMIN.password not in keystone_door.log
