"""What routes do, in RBAC's words, and who may cut a node off."""

import pytest

from fairlead_api.identity.access import Access, access_of
from fairlead_api.identity.caller import Caller
from fairlead_api.identity.detach_guard import Look, check_detach, check_move, hinges_on_sessions
from fairlead_api.identity.keystone_login import KeystoneOptions, NoPassword, login_body, read_password
from fairlead_api.protocol.faults import Conflict
from fairlead_api.settings import Settings
from fairlead_crds import names
from fairlead_crds.kinds import Attachment
from rest_objects import T0, at, attachment

INSTANCE = "a7816a4b-fe9d-4767-99eb-38bb87113407"


@pytest.mark.parametrize(
    ("request_", "verb", "resource"),
    [
        (("GET", "/v3/attachments"), "list", "attachments"),
        (("GET", "/v3/attachments/detail"), "list", "attachments"),
        (("GET", "/v3/attachments/{attachment_id}"), "get", "attachments"),
        (("POST", "/v3/attachments"), "create", "attachments"),
        (("PUT", "/v3/attachments/{attachment_id}"), "patch", "attachments"),
        (("DELETE", "/v3/attachments/{attachment_id}"), "delete", "attachments"),
        (("POST", "/v3/attachments/{attachment_id}/action", "os-complete"), "patch", "attachments"),
        (("GET", "/v3/volumes/summary"), "list", "volumes"),
        (("GET", "/v3/volumes/{volume_id}"), "get", "volumes"),
        (("POST", "/v3/volumes"), "create", "volumes"),
        (("DELETE", "/v3/volumes/{volume_id}"), "delete", "volumes"),
        (("POST", "/v3/volumes/{volume_id}/metadata"), "patch", "volumes"),
        (("DELETE", "/v3/volumes/{volume_id}/metadata/{key}"), "patch", "volumes"),
        (("POST", "/v3/volumes/{volume_id}/action", "os-extend"), "patch", "volumes"),
        (("POST", "/v3/volumes/{volume_id}/action", "os-force_delete"), "delete", "volumes"),
        (("POST", "/v3/volumes/{volume_id}/action", "os-initialize_connection"), "create", "attachments"),
        (("POST", "/v3/volumes/{volume_id}/action", "os-terminate_connection"), "delete", "attachments"),
        (("POST", "/v3/volumes/{volume_id}/action", "os-invented"), "patch", "volumes"),
        (("POST", "/v3/volumes/{volume_id}/action", None), "patch", "volumes"),
        (("GET", "/v3/limits"), "list", "volumes"),
        # What nobody has thought of counts as writing.
        (("PATCH", "/v3/invented"), "patch", "volumes"),
    ],
)
def test_each_route_needs_what_the_same_act_by_kubectl_needs(
    request_: tuple[str, ...], verb: str, resource: str
) -> None:
    access = access_of(*request_)
    assert (access.verb, access.resource) == (verb, resource)
    assert access.rule.startswith("volume")


def test_only_answers_with_a_connection_ask_who_may_read_credentials() -> None:
    def shows(*request: str) -> bool:
        return access_of(*request).shows_connection

    assert shows("GET", "/v3/attachments/detail")
    assert shows("POST", "/v3/attachments")
    assert shows("POST", "/v3/volumes/{volume_id}/action", "os-initialize_connection")
    assert not shows("GET", "/v3/attachments")
    assert not shows("DELETE", "/v3/attachments/{attachment_id}")
    assert isinstance(access_of("GET", "/v3/volumes"), Access)


USED = {"state": "attached", "instance_id": INSTANCE}


@pytest.mark.parametrize(
    ("caller", "state", "may"),
    [
        (Caller("u", "p"), USED, False),
        (Caller("u", "p", admin=True), USED, False),
        (Caller("u", "p", service=True), USED, True),
        (Caller("u", "p"), {"state": "attached"}, True),
        (Caller("u", "p"), {"state": "reserved", "instance_id": INSTANCE}, True),
        (Caller("u", "p", strict_guard=True), {"state": "attached"}, False),
        (Caller("u", "p", strict_guard=True), {"state": "attaching"}, False),
        (Caller("u", "p", strict_guard=True), {"state": "reserved", "instance_id": INSTANCE}, True),
        (Caller("u", "p", strict_guard=True, service=True), USED, True),
    ],
)
def test_who_may_detach(caller: Caller, state: dict[str, str], may: bool) -> None:
    if may:
        check_detach(caller, attachment(**state))  # type: ignore[arg-type]
        return
    with pytest.raises(Conflict):
        check_detach(caller, attachment(**state))  # type: ignore[arg-type]


LOOK = Look("r1", version=5, limit=10)
MEMBER = Caller("u", "p")


def looked_at(
    found: str = "None",
    *,
    request: str = "r1",
    annotated: str = "r1",
    version: int = 6,
    generation: int = 1,
    initiator: str = "iqn.x",
    deleting: bool = False,
) -> Attachment:
    """What an instance uses, as it is after the operator was asked to look; answered so unless said otherwise."""
    answer = {
        "request": request,
        "observedAt": at(9),
        "observedGeneration": generation,
        "initiator": "iqn.x",
        "found": found,
        "message": "it hangs" if found == "Unknown" else "",
    }
    item = attachment(**USED, status={"sessionsLook": answer, "initiator": initiator})  # type: ignore[arg-type]
    changes = {
        "annotations": {**item.metadata.annotations, names.ANNOTATION_LOOK: annotated},
        "resource_version": str(version),
        "deletion_timestamp": T0 if deleting else None,
    }
    return item.model_copy(update={"metadata": item.metadata.model_copy(update=changes)})


@pytest.mark.parametrize(
    ("what", "item"),
    [
        ("our own request is answered", looked_at()),
        ("a later request has replaced ours, which is answered", looked_at(annotated="r2")),
        ("a later request has replaced ours and is answered", looked_at(request="r2", annotated="r2")),
        ("it is being deleted already", looked_at("Live", deleting=True)),
    ],
)
def test_a_member_detaches_what_nobody_is_logged_in_to(what: str, item: Attachment) -> None:
    check_detach(MEMBER, item, LOOK)


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (looked_at("Live"), None),
        (looked_at("Unknown"), "it hangs"),
        (looked_at(request="r0"), "did not say so within 10 s"),
        (looked_at(request="r0", annotated="r2"), "did not say so within 10 s"),
        (looked_at(request="r0", annotated="r0", version=4), "did not say so within 10 s"),
        (looked_at(generation=0), "was changed meanwhile"),
        (looked_at(initiator="iqn.y"), "was changed meanwhile"),
    ],
    ids=["live", "unknown", "older answer", "older answer, replaced", "older version", "older spec", "moved"],
)
def test_a_look_that_does_not_show_it_permits_nothing(item: Attachment, why: str | None) -> None:
    with pytest.raises(Conflict) as refused:
        check_detach(MEMBER, item, LOOK)
    message = f"ConflictNovaUsingAttachment: Detach volume from instance {INSTANCE} using the Compute API"
    assert refused.value.message == message if why is None else why in refused.value.message
    with pytest.raises(Conflict):
        check_detach(MEMBER, item)


@pytest.mark.parametrize(
    ("caller", "state", "asked"),
    [
        (MEMBER, USED, True),
        (Caller("u", "p", admin=True), USED, True),
        (Caller("u", "p", service=True), USED, False),
        (Caller("u", "p", strict_guard=True), USED, False),
        (MEMBER, {"state": "attached"}, False),
        (MEMBER, {"state": "reserved", "instance_id": INSTANCE}, False),
    ],
)
def test_the_operator_is_asked_only_when_nothing_else_decides(
    caller: Caller, state: dict[str, str], asked: bool
) -> None:
    assert hinges_on_sessions(caller, attachment(**state)) is asked  # type: ignore[arg-type]


def test_an_instances_attachment_is_moved_by_those_who_may_force_it() -> None:
    used = attachment(state="attached", instance_id=INSTANCE)
    check_move(Caller("u", "p"), used)
    check_move(Caller("u", "p", strict_guard=True, service=True), used)
    check_move(Caller("u", "p", strict_guard=True), attachment(state="attached"))
    check_move(Caller("u", "p", strict_guard=True), attachment(state="attaching", instance_id=INSTANCE))
    with pytest.raises(Conflict, match="ConflictNovaUsingAttachment"):
        check_move(Caller("u", "p", strict_guard=True), used)


def test_the_password_is_in_no_setting() -> None:
    environment = {"FAIRLEAD_KEYSTONE_PASSWORD": "canary-word"}
    settings = Settings.read(["--auth", "keystone", "--keystone-url", "https://k/v3/"], environment)
    assert settings.keystone.url == "https://k/v3"
    assert "canary-word" not in repr(settings)
    assert read_password(settings.keystone, environment) == "canary-word"
    with pytest.raises(NoPassword):
        read_password(KeystoneOptions(), {})


def test_an_application_credential_stands_for_user_and_project() -> None:
    body = login_body(KeystoneOptions(application_credential="id-1"), "s")
    assert body["auth"]["identity"]["application_credential"] == {"id": "id-1", "secret": "s"}
    assert "scope" not in body["auth"]


@pytest.mark.parametrize(("mode", "made"), [("noauth", True), ("keystone", True), ("kubernetes", False)])
def test_namespaces_are_made_unless_rbac_decides_who_may(mode: str, made: bool) -> None:
    environment = {"FAIRLEAD_KEYSTONE_PASSWORD": "w", "FAIRLEAD_KEYSTONE_URL": "http://k/v3", "FAIRLEAD_AUTH": mode}
    assert Settings.read([], environment).create_namespaces is made
    assert Settings.read(["--create-namespaces"], environment).create_namespaces


def test_the_modes_that_ask_may_listen_anywhere() -> None:
    assert Settings.read(["--host", "0.0.0.0", "--auth", "kubernetes"], {}).auth_mode == "kubernetes"


def test_keystone_needs_an_address_and_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, word in (
        (["--auth", "keystone"], "--keystone-url"),
        (["--auth", "keystone", "--keystone-url", "http://k/v3"], "--keystone-password-file"),
    ):
        with pytest.raises(SystemExit):
            Settings.read(arguments, {})
        assert word in capsys.readouterr().err
