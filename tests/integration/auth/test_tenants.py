"""Nothing of another project can be read, listed, counted, guessed or changed, by any endpoint."""

import uuid
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from kubernetes import client

from accounts import People, TokenRest
from cluster import Cluster
from facades import RunningFacade
from fairlead_api.app import create_app
from fairlead_api.facade import Facade
from fairlead_api.facade_route import FacadeRoute
from fairlead_api.settings import Settings
from fairlead_crds import names
from fairlead_devstack.keystone import Keystone
from fairlead_devstack.stack import Stack
from fairlead_kube.client import KubeClient
from rest import Answer, Rest, connector
from waiting import wait_for

SECRET_NAME = "only-for-demo-6f1f"
NOTHING = "11111111-2222-4333-8444-555555555555"


class Demo:
    """What alice has in project demo."""

    def __init__(self, alice: TokenRest) -> None:
        self.rest = alice
        named = {"name": SECRET_NAME, "description": SECRET_NAME, "metadata": {SECRET_NAME: SECRET_NAME}}
        self.volume = alice.volume(**named)
        self.attachment = str(alice.attach(self.volume, instance_uuid=str(uuid.uuid4()))["id"])

    def snapshot(self) -> tuple[Any, Any]:
        """All there is to see of them."""
        volume = self.rest.shown(self.volume)
        return volume, self.rest.ok("GET", f"/attachments/{self.attachment}", status=200)


@pytest.fixture(scope="module")
def demo(keystone: Keystone, keystone_door: RunningFacade) -> Demo:
    return Demo(TokenRest(keystone_door.url, None, keystone.token("alice", "demo")))


def _routes() -> list[APIRoute]:
    """Every route there is, from the application itself, so that a new one is tested without being listed here."""

    class _Nowhere(KubeClient):
        def __init__(self) -> None:
            """Never connects."""

    facade = Facade.build(_Nowhere(), Settings())
    app = create_app(facade)
    while not isinstance(app, FastAPI):
        app = app._app  # type: ignore[attr-defined]
    routes: list[Any] = app.routes
    return [route for route in routes if route.path.startswith("/v3/") and route.path != "/v3/"]


BODIES: dict[str, Any] = {
    "PUT /v3/attachments/{attachment_id}": {"attachment": {"connector": connector()}},
    "POST /v3/attachments/{attachment_id}/action": {"os-complete": None},
    "PUT /v3/volumes/{volume_id}": {"volume": {"name": "taken"}},
    "POST /v3/volumes/{volume_id}/metadata": {"metadata": {"taken": "yes"}},
    "PUT /v3/volumes/{volume_id}/metadata": {"metadata": {"taken": "yes"}},
    "PUT /v3/volumes/{volume_id}/metadata/{key}": {"meta": {SECRET_NAME: "yes"}},
}
ACTIONS: dict[str, Any] = {
    "os-begin_detaching": None,
    "os-roll_detaching": None,
    "os-reserve": None,
    "os-unreserve": None,
    "os-update_readonly_flag": {"readonly": True},
    "os-set_bootable": {"bootable": True},
    "os-reset_status": {"status": "error"},
    "os-extend": {"new_size": 9},
    "os-force_delete": {},
    "os-retype": {"new_type": "local", "migration_policy": "never"},
    "os-initialize_connection": {"connector": connector()},
    "os-terminate_connection": {"connector": connector()},
    "os-attach": {"instance_uuid": NOTHING, "mountpoint": "/dev/vdb"},
    "os-detach": {},
}
OBJECT_ROUTES = [
    (method, route.path)
    for route in _routes()
    for method in sorted(route.methods or ())
    if "{volume_id}" in route.path or "{attachment_id}" in route.path
]


def _send(rest: TokenRest, method: str, path: str, volume: str, attachment: str, body: Any) -> Answer:
    for name, value in (("volume_id", volume), ("attachment_id", attachment), ("key", SECRET_NAME)):
        path = path.replace(f"{{{name}}}", value)
    return rest.send(method, path.removeprefix("/v3"), body)


def _alike(first: Answer, second: Answer, *ids: str) -> bool:
    """Whether two answers differ in nothing but the id that was asked for."""
    texts = []
    for answer in (first, second):
        text = answer.content.decode()
        for id_ in ids:
            text = text.replace(id_, "ID")
        texts.append(text)
    return first.status == second.status and texts[0] == texts[1]


def test_there_are_routes_to_test() -> None:
    assert len(OBJECT_ROUTES) >= 12, OBJECT_ROUTES


def test_every_route_asks_whether_its_caller_may() -> None:
    assert {type(route) for route in _routes()} == {FacadeRoute}


@pytest.mark.parametrize(("method", "path"), OBJECT_ROUTES)
def test_another_projects_object_answers_as_one_that_is_not_there(
    method: str, path: str, demo: Demo, people: People
) -> None:
    oscar = people("oscar")
    before = demo.snapshot()
    bodies = [BODIES.get(f"{method} {path}")]
    if path == "/v3/volumes/{volume_id}/action":
        bodies = [{action: value} for action, value in ACTIONS.items()]
    for body in bodies:
        there = _send(oscar, method, path, demo.volume, demo.attachment, body)
        nowhere = _send(oscar, method, path, NOTHING, NOTHING, body)
        assert there.status == 404, (body, there.content)
        assert _alike(there, nowhere, demo.volume, demo.attachment, NOTHING), (there.content, nowhere.content)
    assert demo.snapshot() == before


def test_both_misses_cost_the_same(demo: Demo, people: People, stack: Stack) -> None:
    """The same timing class: what is asked of the API server does not depend on whether another project has the id."""
    oscar, log = people("oscar"), stack.control_plane.audit_log
    oscar.volume()

    def asked(path: str) -> list[tuple[str, str]]:
        mark = log.mark()
        assert oscar.get(path).status == 404
        return [
            (entry.verb, entry.resource)
            for entry in log.since(mark)
            if entry.user == stack.facade_user and entry.resource in ("volumes", "attachments", "namespaces")
        ]

    for kind, theirs in (("volumes", demo.volume), ("attachments", demo.attachment)):
        assert asked(f"/{kind}/{theirs}") == asked(f"/{kind}/{NOTHING}") == [("list", kind)]


LISTS = (
    "/volumes",
    "/volumes/detail",
    "/volumes/summary",
    "/attachments",
    "/attachments/detail",
    "/limits",
    "/snapshots/detail",
    "/backups",
    "/types",
)


@pytest.mark.parametrize("path", LISTS)
def test_lists_and_counts_have_nothing_of_another_project(
    path: str, demo: Demo, people: People, keystone: Keystone
) -> None:
    oscar = people("oscar")
    plain = oscar.get(path)
    assert plain.status == 200
    other = keystone.projects["demo"]
    queries = ["all_tenants=1", "all_tenants=True", "limit=1000"]
    if path.startswith(("/volumes", "/attachments")):
        queries.append(f"all_tenants=1&project_id={other}")
    for query in queries:
        answer = oscar.get(f"{path}?{query}")
        assert answer.status in (200, 400), (query, answer.content)
        for word in (demo.volume, demo.attachment, SECRET_NAME):
            assert word.encode() not in answer.content, query
    if path == "/limits":
        before = plain.body["limits"]["absolute"]["totalVolumesUsed"]
        demo.rest.volume()
        assert oscar.get(path).body["limits"]["absolute"]["totalVolumesUsed"] == before


@pytest.mark.parametrize("kind", ["volumes", "attachments"])
def test_filters_and_sort_keys_find_nothing_of_another_project(kind: str, demo: Demo, people: People) -> None:
    oscar = people("oscar")
    filters = {
        "volumes": [
            f"name={SECRET_NAME}",
            f"metadata=%7B%22{SECRET_NAME}%22%3A%22{SECRET_NAME}%22%7D",
            f"id={demo.volume}",
            "name~=only",
        ],
        "attachments": [f"volume_id={demo.volume}", "attach_status=attaching", f"id={demo.attachment}"],
    }[kind]
    for query in filters:
        for path in (f"/{kind}", f"/{kind}/detail"):
            answer = oscar.get(f"{path}?{query}")
            assert answer.status in (200, 400), (query, answer.content)
            if answer.status == 200:
                ids = [item["id"] for item in answer.body[kind]]
                assert not {demo.volume, demo.attachment} & set(ids)


@pytest.mark.parametrize("kind", ["volumes", "attachments"])
def test_a_marker_of_another_project_is_unknown(kind: str, demo: Demo, people: People) -> None:
    oscar = people("oscar")
    theirs = demo.volume if kind == "volumes" else demo.attachment
    there, nowhere = oscar.get(f"/{kind}?marker={theirs}"), oscar.get(f"/{kind}?marker={NOTHING}")
    assert there.status == 404
    assert _alike(there, nowhere, theirs, NOTHING)


def test_another_projects_volume_cannot_be_reserved_or_swapped_in(demo: Demo, people: People) -> None:
    oscar = people("oscar")
    for volume in (demo.volume, NOTHING):
        answer = oscar.send("POST", "/attachments", {"attachment": {"volume_uuid": volume}})
        assert answer.message == f"Volume {volume} could not be found."
    own = oscar.volume()
    swap = oscar.act(own, "os-migrate_volume_completion", {"new_volume": demo.volume, "error": False})
    assert swap.status in (403, 404)


def test_an_administrator_sees_all_with_all_tenants_and_one_with_project_id(
    demo: Demo, people: People, keystone: Keystone
) -> None:
    own = people("oscar").volume()
    admin = TokenRest(demo.rest.url, None, keystone.token("admin", "admin"))

    def ids(query: str) -> set[str]:
        return {item["id"] for item in admin.ok("GET", f"/volumes?{query}", status=200)["volumes"]}

    assert {own, demo.volume} <= ids("all_tenants=1")
    assert not {own, demo.volume} & ids("all_tenants=0")
    assert not {own, demo.volume} & ids(f"project_id={keystone.projects['demo']}")
    assert ids(f"all_tenants=1&project_id={keystone.projects['demo']}") & {own, demo.volume} == {demo.volume}


# --- identity --------------------------------------------------------------------------------------------------------


def _label_namespace(admin: client.ApiClient, project: str | None, *, name: str | None = None) -> str:
    labels = {names.LABEL_PROJECT: project} if project else None
    meta = client.V1ObjectMeta(name=name, generate_name=None if name else "test-forged-", labels=labels)
    return str(client.CoreV1Api(admin).create_namespace(client.V1Namespace(metadata=meta)).metadata.name)


def test_an_object_that_bears_another_projects_id_is_found_in_neither(
    demo: Demo, people: People, admin: client.ApiClient, keystone: Keystone
) -> None:
    """Restored by an administrator, say: the id is a label, and ids are looked up within the caller's own project."""
    project = keystone.projects["other"]
    people("oscar").volume()
    forged = Cluster(admin, project).create(
        "Volume", f"forged-{uuid.uuid4().hex[:6]}", {"size": "64Mi"}, labels={names.LABEL_ID: demo.volume}
    )
    seen = wait_for(lambda: people("oscar").get(f"/volumes/{demo.volume}"), what="an answer")
    assert demo.rest.shown(demo.volume)["name"] == SECRET_NAME
    assert SECRET_NAME not in seen.content.decode()
    # From a third project an administrator means neither.
    nobodys = TokenRest(demo.rest.url, None, keystone.token("admin", "admin"))
    answer = nobodys.get(f"/volumes/{demo.volume}")
    assert answer.fault == (409, "conflictingRequest")
    assert "ambiguous" in answer.message
    Cluster(admin, project).delete("Volume", forged["metadata"]["name"])


def test_an_object_named_after_another_projects_id_gains_nothing(
    demo: Demo, people: People, admin: client.ApiClient, keystone: Keystone
) -> None:
    project = keystone.projects["other"]
    people("oscar").volume()
    Cluster(admin, project).volume(demo.volume)
    answer = people("oscar").get(f"/volumes/{demo.volume}")
    assert answer.status == 404
    own = Cluster(admin, project).get("Volume", demo.volume)
    assert own is not None
    assert people("oscar").get(f"/volumes/{own['metadata']['labels'][names.LABEL_ID]}").status == 200
    assert demo.rest.shown(demo.volume)["name"] == SECRET_NAME


def test_a_namespace_named_after_a_project_that_has_one_is_not_it(
    stack: Stack, admin: client.ApiClient, namespace: str
) -> None:
    project = f"proj-{uuid.uuid4().hex[:8]}"
    labelled = _label_namespace(admin, project)
    _label_namespace(admin, None, name=project)
    rest = Rest(stack.facade_url, project)
    volume = wait_for(lambda: rest.volume(), what="the project is found")
    assert Cluster(admin, labelled).get("Volume", volume) is not None
    assert Cluster(admin, project).get("Volume", volume) is None
    for name in (labelled, project):
        client.CoreV1Api(admin).delete_namespace(name)


def test_a_project_that_two_namespaces_claim_is_refused_naming_both(stack: Stack, admin: client.ApiClient) -> None:
    project = f"twice-{uuid.uuid4().hex[:8]}"
    both = sorted(_label_namespace(admin, project) for _ in range(2))
    rest = Rest(stack.facade_url, project)

    def refused() -> bool:
        for method, path, body in (
            ("GET", "/volumes", None),
            ("POST", "/volumes", {"volume": {"size": 1}}),
            ("GET", f"/volumes/{NOTHING}", None),
        ):
            answer = rest.send(method, path, body)
            assert answer.fault == (409, "conflictingRequest"), answer.content
            assert " and ".join(both) in answer.message
        return True

    wait_for(refused, what="the project is refused")
    for name in both:
        client.CoreV1Api(admin).delete_namespace(name)


def test_a_backend_serves_only_the_namespaces_it_names(stack: Stack, admin: client.ApiClient, namespace: str) -> None:
    """At both doors: the facade refuses the type, the operator the Volume."""
    name = f"private-{uuid.uuid4().hex[:6]}"
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "Backend",
        "metadata": {"name": name},
        "spec": {"driver": "iscsi-tgt", "allowedNamespaces": ["somebody-else"], "parameters": {"dataDir": "/nowhere"}},
    }
    objects = client.CustomObjectsApi(admin)
    objects.create_cluster_custom_object(names.GROUP, names.VERSION, "backends", body)
    try:
        rest = Rest(stack.facade_url, namespace)
        asked = {"volume": {"size": 1, "volume_type": name}}

        def refused() -> bool:
            answer = rest.send("POST", "/volumes", asked)
            assert answer.fault == (400, "badRequest"), answer.content
            assert f"volume type {name} does not serve this project" in answer.message
            return True

        wait_for(refused, what="the facade knows the Backend")
    finally:
        objects.patch_cluster_custom_object(
            names.GROUP,
            names.VERSION,
            "backends",
            name,
            {"metadata": {"finalizers": []}},
            _content_type="application/merge-patch+json",
        )
        objects.delete_cluster_custom_object(names.GROUP, names.VERSION, "backends", name)
