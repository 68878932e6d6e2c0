"""Auth mode kubernetes: one RBAC policy, asked at both doors."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import pytest
from kubernetes import client

from accounts import EVERYTHING, ORDINARY, Account, Accounts, Grant, TokenRest
from cluster import Cluster
from facades import RunningFacade, facade
from fairlead_crds import names
from fairlead_devstack.stack import Stack
from iscsi import login
from rest import NODE_1, NODE_2, Rest, access, connector
from waiting import wait_for

INSTANCE = "a7816a4b-fe9d-4767-99eb-38bb87113407"


@pytest.fixture(scope="module")
def place(stack: Stack, admin: client.ApiClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    """A namespace with accounts, for all tests here."""
    namespace = f"test-{uuid.uuid4().hex[:10]}"
    core = client.CoreV1Api(admin)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace)))
    made = Accounts(admin, stack.control_plane.kubeconfig, tmp_path_factory.mktemp("accounts"), namespace)
    yield made
    made.close()
    core.delete_namespace(namespace)


@pytest.fixture(scope="module")
def door(stack: Stack) -> Iterator[RunningFacade]:
    with facade(stack, "facade-kubernetes", "--auth", "kubernetes", "--review-cache-seconds", "1") as running:
        yield running


@pytest.fixture(scope="module")
def owner(place: Accounts) -> Account:
    """Somebody who may everything in the namespace."""
    return place.make("owner", EVERYTHING)


@pytest.fixture(scope="module")
def owning(owner: Account, door: RunningFacade, place: Accounts) -> TokenRest:
    return owner.rest(door.url, place.namespace)


@dataclass
class Scene:
    """What an act is done to: made by the owner, fresh for each act."""

    owning: TokenRest
    cluster: Cluster
    namespace: str

    def volume(self) -> str:
        return self.owning.volume()

    def reserved(self) -> str:
        return str(self.owning.reserve(self.volume())["id"])

    def exported(self) -> str:
        return str(self.owning.attach(self.volume())["id"])

    def path(self, resource: str, name: str = "") -> str:
        base = f"/apis/{names.API_VERSION}/namespaces/{self.namespace}/{resource}"
        return f"{base}/{name}" if name else base


Send = Callable[[Scene, Account, TokenRest], tuple[int, int]]
"""Does one act at both doors, each to an object of its own, and returns the statuses: kubectl's, REST's."""


def _patch_volume(scene: Scene, who: Account, rest: TokenRest) -> tuple[int, int]:
    volume = scene.volume()
    there = who.kubectl.patch(scene.path("volumes", volume), {"spec": {"displayName": "x"}}).status
    return there, rest.send("PUT", f"/volumes/{volume}", {"volume": {"name": "y"}}).status


def _create_attachment(scene: Scene, who: Account, rest: TokenRest) -> tuple[int, int]:
    first, second = scene.volume(), scene.volume()
    body = _manifest("Attachment", {"volumeName": first})
    there = who.kubectl.send("POST", scene.path("attachments"), body).status
    return there, rest.send("POST", "/attachments", {"attachment": {"volume_uuid": second}}).status


def _connect(scene: Scene, who: Account, rest: TokenRest) -> tuple[int, int]:
    first, second = scene.reserved(), scene.reserved()
    change = {"spec": {"connector": {"initiator": NODE_1, "host": "h"}}}
    there = who.kubectl.patch(scene.path("attachments", first), change).status
    return there, rest.send("PUT", f"/attachments/{second}", {"attachment": {"connector": connector()}}).status


def _complete(scene: Scene, who: Account, rest: TokenRest) -> tuple[int, int]:
    first, second = scene.exported(), scene.exported()
    there = who.kubectl.patch(scene.path("attachments", first), {"spec": {"completed": True}}).status
    return there, rest.send("POST", f"/attachments/{second}/action", {"os-complete": None}).status


def _delete(resource: str, make: Callable[[Scene], str]) -> Send:
    def send(scene: Scene, who: Account, rest: TokenRest) -> tuple[int, int]:
        first, second = make(scene), make(scene)
        there = who.kubectl.send("DELETE", scene.path(resource, first)).status
        return there, rest.send("DELETE", f"/{resource}/{second}").status

    return send


def _get(resource: str, make: Callable[[Scene], str]) -> Send:
    def send(scene: Scene, who: Account, rest: TokenRest) -> tuple[int, int]:
        item = make(scene)
        return who.kubectl.send("GET", scene.path(resource, item)).status, rest.get(f"/{resource}/{item}").status

    return send


def _list(resource: str, path: str) -> Send:
    def send(scene: Scene, who: Account, rest: TokenRest) -> tuple[int, int]:
        return who.kubectl.send("GET", scene.path(resource)).status, rest.get(path).status

    return send


def _create_volume(scene: Scene, who: Account, rest: TokenRest) -> tuple[int, int]:
    there = who.kubectl.send("POST", scene.path("volumes"), _manifest("Volume", {"size": "64Mi"})).status
    return there, rest.send("POST", "/volumes", {"volume": {"size": 1}}).status


def _manifest(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    name = f"m-{uuid.uuid4().hex[:8]}"
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


ACTS: dict[str, tuple[list[Grant], Send]] = {
    "list volumes": ([Grant("list", "volumes")], _list("volumes", "/volumes/detail")),
    "get a volume": ([Grant("get", "volumes")], _get("volumes", Scene.volume)),
    "create a volume": ([Grant("create", "volumes")], _create_volume),
    "change a volume": ([Grant("patch", "volumes")], _patch_volume),
    "delete a volume": ([Grant("delete", "volumes")], _delete("volumes", Scene.volume)),
    "list attachments": ([Grant("list", "attachments")], _list("attachments", "/attachments")),
    "list attachments in full": ([Grant("list", "attachments")], _list("attachments", "/attachments/detail")),
    "get an attachment": ([Grant("get", "attachments")], _get("attachments", Scene.reserved)),
    "create an attachment": ([Grant("create", "attachments")], _create_attachment),
    "connect an attachment": ([Grant("patch", "attachments")], _connect),
    "complete an attachment": ([Grant("patch", "attachments")], _complete),
    "delete an attachment": ([Grant("delete", "attachments")], _delete("attachments", Scene.reserved)),
    "delete an attachment in use": (
        [Grant("delete", "attachments"), Grant("force-detach", "attachments")],
        _delete("attachments", Scene.exported),
    ),
}


@pytest.fixture
def scene(owning: TokenRest, admin: client.ApiClient, place: Accounts) -> Scene:
    return Scene(owning, Cluster(admin, place.namespace), place.namespace)


@pytest.mark.parametrize("act", ACTS)
def test_who_has_just_that_right_may_do_it_at_both_doors(
    act: str, scene: Scene, place: Accounts, door: RunningFacade
) -> None:
    grants, send = ACTS[act]
    who = place.make(f"only-{uuid.uuid4().hex[:6]}", grants)
    there, here = send(scene, who, who.rest(door.url, place.namespace))
    assert (there < 300, here < 300) == (True, True), (there, here)


@pytest.mark.parametrize("act", ACTS)
def test_who_has_every_other_right_may_do_it_at_neither(
    act: str, scene: Scene, place: Accounts, door: RunningFacade
) -> None:
    grants, send = ACTS[act]
    who = place.make(f"but-{uuid.uuid4().hex[:6]}", [grant for grant in EVERYTHING if grant != grants[-1]])
    there, here = send(scene, who, who.rest(door.url, place.namespace))
    # The guard of an attachment in use is a conflict in the Block Storage API's words.
    assert (there, here) == (403, 409 if act == "delete an attachment in use" else 403)


def test_a_right_in_one_namespace_is_none_in_another(
    owner: Account, door: RunningFacade, namespace: str, stack: Stack
) -> None:
    volume = Rest(stack.facade_url, namespace).volume()
    rest = owner.rest(door.url, namespace)
    for path in ("/volumes", f"/volumes/{volume}", "/attachments/detail", "/limits", "/types"):
        answer = rest.get(path)
        assert answer.fault == (403, "forbidden"), path
    assert owner.rest(door.url, f"no-{namespace}").get("/volumes").fault == (403, "forbidden")


def test_a_refusal_names_the_rule_and_the_right(place: Accounts, door: RunningFacade) -> None:
    nobody = place.make("nobody", [])
    message = nobody.rest(door.url, place.namespace).get("/attachments").message
    assert message == (
        f"Policy doesn't allow volume:attachment_get_all to be performed. {nobody.user} needs the verb list on "
        f"attachments.fairlead.dev in namespace {place.namespace}."
    )


def test_credentials_are_for_those_who_may_get_the_connection(
    scene: Scene, place: Accounts, door: RunningFacade
) -> None:
    attachment = scene.exported()
    viewer = place.make("viewer", [Grant(verb, "attachments") for verb in ("get", "list")])
    seen = viewer.rest(door.url, place.namespace).ok("GET", f"/attachments/{attachment}", status=200)["attachment"]
    assert "auth_username" in seen["connection_info"]
    assert "auth_password" not in seen["connection_info"]
    [listed] = [
        item
        for item in viewer.rest(door.url, place.namespace).ok("GET", "/attachments/detail", status=200)["attachments"]
        if item["id"] == attachment
    ]
    assert "auth_password" not in listed["connection_info"]
    node = place.make("node", [Grant("get", "attachments"), Grant("get", "attachments/connection")])
    told = node.rest(door.url, place.namespace).ok("GET", f"/attachments/{attachment}", status=200)["attachment"]
    assert login(access(told)).accepted


def test_a_role_for_one_object_is_honoured(scene: Scene, place: Accounts, door: RunningFacade) -> None:
    mine, other = scene.reserved(), scene.reserved()
    who = place.make("one-only", [Grant("get", "attachments"), Grant("delete", "attachments")], only=mine)
    rest = who.rest(door.url, place.namespace)
    assert rest.get(f"/attachments/{other}").status == 403
    assert rest.send("DELETE", f"/attachments/{other}").status == 403
    assert rest.get(f"/attachments/{mine}").status == 200
    assert rest.send("DELETE", f"/attachments/{mine}").status == 200


def test_an_instances_attachment_is_not_moved_without_the_right(
    scene: Scene, place: Accounts, door: RunningFacade
) -> None:
    attachment = scene.owning.attach(scene.volume(), instance_uuid=INSTANCE)["id"]
    scene.owning.complete(attachment)
    scene.cluster.wait(
        "Attachment", attachment, lambda item: item["status"]["phase"] == "Completed", "the operator saw it completed"
    )
    who = place.make("mover", [Grant("patch", "attachments"), Grant("get", "attachments")])
    body = {"attachment": {"connector": connector(NODE_2)}}
    answer = who.rest(door.url, place.namespace).send("PUT", f"/attachments/{attachment}", body)
    assert answer.fault == (409, "conflictingRequest")
    assert "ConflictNovaUsingAttachment" in answer.message
    change = {"spec": {"connector": {"initiator": NODE_2}}}
    assert who.kubectl.patch(scene.path("attachments", attachment), change).status == 403


@pytest.mark.parametrize("action", ["os-terminate_connection", "os-detach", "os-force_delete"])
def test_the_older_calls_do_not_go_round_the_guard(
    action: str, scene: Scene, place: Accounts, door: RunningFacade
) -> None:
    volume = scene.volume()
    attachment = scene.owning.attach(volume, instance_uuid=INSTANCE)["id"]
    scene.owning.complete(attachment)
    who = place.make(f"old-{uuid.uuid4().hex[:6]}", [grant for grant in EVERYTHING if grant.verb != "force-detach"])
    value = {"connector": connector()} if action == "os-terminate_connection" else {}
    refused = who.rest(door.url, place.namespace).act(volume, action, value)
    assert refused.status in (403, 409), refused.content
    shown = scene.owning.ok("GET", f"/attachments/{attachment}", status=200)["attachment"]
    assert login(access(shown)).accepted


def test_administrators_see_every_project_and_set_statuses(
    scene: Scene, place: Accounts, door: RunningFacade, namespace: str, stack: Stack
) -> None:
    elsewhere = Rest(stack.facade_url, namespace).volume()
    rights = [*EVERYTHING, Grant("restore", "volumes"), Grant("restore", "attachments")]
    chief = place.make("chief", rights, everywhere=True).rest(door.url, place.namespace)
    listed = chief.ok("GET", "/volumes?all_tenants=1", status=200)["volumes"]
    assert elsewhere in [item["id"] for item in listed]
    assert elsewhere not in [item["id"] for item in chief.ok("GET", "/volumes", status=200)["volumes"]]
    assert chief.act(elsewhere, "os-reset_status", {"status": "error"}).status == 202
    mine = scene.volume()
    assert scene.owning.act(mine, "os-reset_status", {"status": "error"}).fault == (403, "forbidden")
    assert elsewhere not in [
        item["id"] for item in scene.owning.ok("GET", "/volumes?all_tenants=1", status=200)["volumes"]
    ]


def test_an_administrators_rights_in_one_namespace_open_nothing_in_others(
    scene: Scene, place: Accounts, door: RunningFacade, namespace: str, stack: Stack
) -> None:
    """Seeing every project's attachments is one right; their credentials, and cutting nodes off, are others."""
    there = Rest(stack.facade_url, namespace)
    elsewhere = there.attach(there.volume(), instance_uuid=INSTANCE)["id"]
    mine = scene.owning.attach(scene.volume())["id"]
    half = place.make(
        "half", [*ORDINARY, Grant("restore", "volumes"), Grant("restore", "attachments")], everywhere=True
    )
    here = [Grant("get", "attachments/connection"), Grant("force-detach", "attachments")]
    place.grant("half", here)
    for grant in here:
        place.wait_allowed(half.user, grant, place.namespace)
    rest = half.rest(door.url, place.namespace)
    assert "auth_password" in rest.ok("GET", f"/attachments/{mine}", status=200)["attachment"]["connection_info"]
    seen = rest.ok("GET", f"/attachments/{elsewhere}", status=200)["attachment"]
    assert "auth_password" not in seen["connection_info"]
    listed = rest.ok("GET", "/attachments/detail?all_tenants=1", status=200)["attachments"]
    assert {mine, elsewhere} <= {item["id"] for item in listed}
    assert not [item["id"] for item in listed if "auth_password" in item["connection_info"]]
    assert rest.send("DELETE", f"/attachments/{elsewhere}").fault == (409, "conflictingRequest")
    assert rest.send("DELETE", f"/attachments/{mine}").status == 200


def test_a_right_taken_away_ends_within_the_cache_time(place: Accounts, door: RunningFacade) -> None:
    leaver = place.make("leaver", [Grant("list", "volumes")])
    rest = leaver.rest(door.url, place.namespace)
    assert rest.get("/volumes").status == 200
    place.revoke("leaver")
    wait_for(lambda: rest.get("/volumes").status == 403, what="the facade refuses, too")


def test_a_deleted_account_is_a_stranger(place: Accounts, door: RunningFacade, admin: client.ApiClient) -> None:
    gone = place.make("gone", [Grant("list", "volumes")])
    rest = gone.rest(door.url, place.namespace)
    assert rest.get("/volumes").status == 200
    client.CoreV1Api(admin).delete_namespaced_service_account("gone", place.namespace)
    # The API server itself remembers a token for ten seconds.
    wait_for(lambda: rest.get("/volumes").status == 401, timeout=30, what="the token is nobody's")


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "ä", "x" * 9000])
def test_strangers_get_401(door: RunningFacade, token: str) -> None:
    answer = Rest(door.url).get("/volumes", headers={"X-Auth-Token": token.encode().decode("latin-1")})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="fairlead"'
    assert answer.body == {
        "error": {
            "code": 401,
            "title": "Unauthorized",
            "message": "The request you have made requires authentication.",
        }
    }
    assert "x-openstack-request-id" in answer.headers


def test_without_a_token_only_discovery_and_health_are_open(door: RunningFacade) -> None:
    rest = Rest(door.url)
    assert rest.get("//").status == 300
    assert rest.get("//healthcheck").status == 200
    for path in ("//v3/", "/volumes", "/attachments", "/limits", "/extensions", "/types", "/nothing"):
        assert rest.get(path).status == 401, path


def test_two_different_tokens_are_refused(owner: Account, door: RunningFacade, place: Accounts) -> None:
    rest = owner.rest(door.url, place.namespace)
    assert rest.get("/volumes", headers={"Authorization": f"Bearer {owner.token}"}).status == 200
    assert rest.get("/volumes", headers={"Authorization": "Bearer other"}).status == 400


def test_the_bearer_header_alone_does(owner: Account, door: RunningFacade, place: Accounts) -> None:
    assert TokenRest(door.url, place.namespace, owner.token, bearer=True).get("/volumes").status == 200


def test_a_service_account_without_a_project_in_the_url_is_in_its_own(owner: Account, door: RunningFacade) -> None:
    volume = owner.rest(door.url, None).volume()
    assert owner.rest(door.url, owner.namespace).shown(volume)["id"] == volume


def test_with_an_audience_only_tokens_for_it_are_taken(stack: Stack, place: Accounts, owner: Account) -> None:
    token = place.token("owner", "fairlead")
    with facade(stack, "facade-audience", "--auth", "kubernetes", "--token-audiences", "fairlead") as own:
        assert TokenRest(own.url, place.namespace, token).get("/volumes").status == 200
        assert owner.rest(own.url, place.namespace).get("/volumes").status == 401
        # Nor can the facade use it on the API server in its caller's name.
        for_both = TokenRest(own.url, place.namespace, place.token("owner", "somebody-else"))
        assert for_both.get("/volumes").status == 401


def test_the_sdk_works_with_a_bearer_token(owner: Account, door: RunningFacade, place: Accounts) -> None:
    endpoint = f"{door.url}/v3/{place.namespace}"
    cloud = openstack.connection.Connection(
        auth_type="admin_token",
        auth={"endpoint": endpoint, "token": owner.token},
        block_storage_endpoint_override=endpoint,
        block_storage_default_microversion="3.70",
    )
    with cloud:
        assert isinstance(list(cloud.block_storage.attachments()), list)


def test_no_namespace_is_made_for_a_project_that_has_none(
    place: Accounts, door: RunningFacade, admin: client.ApiClient
) -> None:
    project = f"new-{uuid.uuid4().hex[:8]}"
    creator = place.make("creator", [Grant("create", "volumes")], everywhere=True)
    answer = creator.rest(door.url, project).send("POST", "/volumes", {"volume": {"size": 1}})
    assert answer.fault == (400, "badRequest")
    assert all(item.metadata.name != project for item in client.CoreV1Api(admin).list_namespace().items)


def test_no_token_is_in_the_log(owner: Account, door: RunningFacade, place: Accounts, tmp_path: Path) -> None:
    owner.rest(door.url, place.namespace).get("/volumes")
    assert owner.token not in door.log
    assert owner.token.split(".")[2] not in door.log
