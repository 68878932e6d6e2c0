"""Recognisable secrets go through every path; then everything that anybody could read is searched for them."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from accounts import Accounts, Grant, TokenRest
from canaries import Canaries, command_lines, tracer
from cluster import Cluster
from collector import Collector, collector
from facades import RunningFacade, facade, write_private
from fairlead_api.settings import Settings
from fairlead_crds import names
from fairlead_crds.credentials import KeyRing, chap_password
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.keystone import Keystone, User
from fairlead_devstack.ports import free_port
from fairlead_devstack.scratch import ScratchFolder
from iscsi import Access, login
from own_backend import OwnBackend
from packages import need_commands
from prometheus import scraped
from rest import NODE_1, NODE_2, Answer, Rest, access, connector
from waiting import wait_for

KEY = b"canary-backend-key-0123456789abc"
KEYSTONE_WORD = User("fairlead", "", "").password


@dataclass
class Scene:
    """What was made, and what is watched for."""

    own: OwnBackend
    spans: Collector
    endpoint: str
    canaries: Canaries = field(default_factory=Canaries)
    traces: list[Path] = field(default_factory=list)
    metrics: list[tuple[str, str]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    operator_metrics: int = field(default_factory=lambda: free_port("127.0.0.1"))

    def start_operator(self, name: str) -> None:
        """An operator that is traced from its first instruction, and says all that it can."""
        trace = self.own.stack.folder / f"{name}.strace"
        self.traces.append(trace)
        self.own.start(name, launcher=tracer(trace), more=self.reporting(self.operator_metrics))

    def reporting(self, metrics_port: int) -> tuple[str, ...]:
        return ("--metrics-port", str(metrics_port), "--otlp-endpoint", self.endpoint)

    def scrape(self, who: str, port: int) -> None:
        self.metrics.append((who, scraped(port)))


@pytest.fixture(scope="module")
def strace() -> None:
    """The one way to see every command line, also of what lives for a moment."""
    need_commands({"strace": "strace"})


@pytest.fixture(scope="module")
def scene(strace: None, control_plane: ControlPlane, admin: client.ApiClient) -> Iterator[Scene]:
    """A Backend whose key is known to us, served by an operator."""
    with ScratchFolder("canaries") as scratch, collector() as (endpoint, spans):
        own = OwnBackend(control_plane, scratch.path)
        try:
            body = client.V1Secret(
                metadata=client.V1ObjectMeta(name=names.backend_key_secret(own.name)), data=KeyRing.new(KEY).to_secret()
            )
            client.CoreV1Api(admin).create_namespaced_secret(names.SYSTEM_NAMESPACE, body)
            made = Scene(own, spans, endpoint)
            made.canaries.add("the Backend's key", KEY)
            made.start_operator("operator")
            own.wait_ready()
            for account in (names.OPERATOR_ACCOUNT, names.FACADE_ACCOUNT):
                settings = yaml.safe_load((scratch.path / f"{account}.kubeconfig").read_text())
                made.canaries.add_token(f"the token of {account}", settings["users"][0]["user"]["token"])
            yield made
        finally:
            own.remove()


def _life(scene: Scene, rest: Rest) -> None:
    """A volume's life with every call whose answer or failure is near a secret."""
    volume = rest.ok("POST", "/volumes", {"volume": {"size": 1, "volume_type": scene.own.name}}, status=202)["volume"]
    rest.wait_status(volume["id"], "available")
    made = rest.reserve(volume["id"])
    connected = rest.connect(made["id"])
    password = connected["connection_info"]["auth_password"]
    assert password == chap_password(KEY, made["id"])
    scene.canaries.add("a CHAP password", password)
    assert login(access(connected)).accepted
    wrong = Access.of(connected["connection_info"], NODE_1, made["id"], "wrong-password-1")
    assert not login(wrong).accepted
    rest.ok("GET", f"/attachments/{made['id']}", status=200)
    rest.ok("GET", "/attachments/detail", status=200)
    rest.complete(made["id"])
    moved = rest.connect(made["id"], NODE_2)
    assert moved["connection_info"]["auth_password"]
    # Refusals, with the secret in the request itself, too.
    for method, path, body in (
        ("PUT", f"/attachments/{made['id']}", {"attachment": {"connector": {"host": 5, "auth_password": password}}}),
        ("PUT", f"/attachments/{made['id']}", {"attachment": {"connector": {}}}),
        ("POST", "/attachments", {"attachment": {"volume_uuid": volume["id"]}}),
        ("DELETE", f"/volumes/{volume['id']}", None),
        ("GET", "/attachments?marker=x", None),
    ):
        answer = rest.send(method, path, body)
        if answer.status >= 400:
            scene.answers.append(answer)
    rest.detach(made["id"])
    older = rest.act(volume["id"], "os-initialize_connection", {"connector": connector()})
    assert older.status == 200
    scene.canaries.add("a CHAP password", older.body["connection_info"]["data"]["auth_password"])
    assert rest.act(volume["id"], "os-terminate_connection", {"connector": connector()}).status == 202


def _kubectl_life(scene: Scene, cluster: Cluster) -> None:
    """The Kubernetes door: the Secret that was asked for, a restart of the operator, targets made anew."""
    cluster.volume("canary", backendName=scene.own.name)
    cluster.attach("canary", "canary", NODE_1)
    exported = cluster.wait_exported("canary")
    _, password = cluster.chap(exported)
    scene.canaries.add("a CHAP password", password)
    assert login(cluster.access(exported, NODE_1)).accepted
    scene.scrape("operator", scene.operator_metrics)
    scene.own.stack.processes["operator"].kill()
    scene.own.remove_targets()
    scene.start_operator("second")
    wait_for(lambda: login(cluster.access(exported, NODE_1)).accepted, timeout=30, what="it is exported again")
    _, again = cluster.chap(exported)
    assert again == password
    scene.scrape("second", scene.operator_metrics)
    # What it has not sent yet it sends when it ends.
    scene.own.stack.processes["second"].terminate()


@pytest.fixture(scope="module")
def lived(scene: Scene, keystone: Keystone, admin: client.ApiClient, kubeconfig: Path) -> Iterator[Scene]:
    """Every path has been gone, through a facade in each auth mode."""
    folder = scene.own.stack.folder
    namespace = f"test-{uuid.uuid4().hex[:10]}"
    core = client.CoreV1Api(admin)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace)))
    accounts = Accounts(admin, kubeconfig, folder / "accounts", namespace)

    @contextmanager
    def run(mode: str, *options: str, **more: Any) -> Iterator[RunningFacade]:
        trace, port = folder / f"{mode}.strace", free_port("127.0.0.1")
        scene.traces.append(trace)
        options = ("--auth", mode, *scene.reporting(port), *options)
        with facade(scene.own.stack, f"facade-{mode}", *options, launcher=tracer(trace), **more) as door:
            yield door
            scene.scrape(f"facade-{mode}", port)
            scene.scrape("operator", scene.operator_metrics)

    try:
        with run("noauth") as door:
            _life(scene, Rest(door.url, namespace))
        verbs = ("get", "list", "create", "patch", "delete")
        grants = [Grant(verb, kind) for kind in ("volumes", "attachments") for verb in verbs]
        owner = accounts.make(
            "owner", [*grants, Grant("get", "attachments/connection"), Grant("force-detach", "attachments")]
        )
        scene.canaries.add_token("a caller's Kubernetes token", owner.token)
        with run("kubernetes") as door:
            _life(scene, owner.rest(door.url, namespace))
            _refused(scene, door, owner.token + "x")
        scene.canaries.add("the facade's Keystone password", KEYSTONE_WORD)
        password = write_private(folder / "password.secret", KEYSTONE_WORD)
        options = ("--keystone-url", keystone.url, "--keystone-password-file", str(password))
        with run("keystone", *options) as door:
            token, service = keystone.token("alice", "demo"), keystone.token("nova", "service")
            scene.canaries.add("a caller's Keystone token", token)
            scene.canaries.add("a service's Keystone token", service)
            _life(scene, TokenRest(door.url, None, token))
            TokenRest(door.url, None, token).get("/volumes", headers={"X-Service-Token": service})
            _refused(scene, door, token + "x")
            keystone.process.kill()
            _refused(scene, door, token + "y")
            keystone.process.start()
            keystone.process.wait_ready()
        with run("keystone", "--keystone-url", keystone.url, environment={"FAIRLEAD_KEYSTONE_PASSWORD": KEYSTONE_WORD}):
            pass
        _kubectl_life(scene, Cluster(admin, namespace))
        yield scene
    finally:
        accounts.close()
        core.delete_namespace(namespace)


def _refused(scene: Scene, door: RunningFacade, token: str) -> None:
    scene.answers.append(TokenRest(door.url, None, token).get("/volumes"))
    assert scene.answers[-1].status in (401, 503)


def test_the_canaries_would_be_seen(lived: Scene) -> None:
    """The search works: each is found where it does belong. And all processes log at debug level."""
    for process in (lived.traces[0], lived.traces[1]):
        assert any("debug" in line.lower() for line in command_lines(process)), process.name
    assert len(lived.canaries.forms) == 8
    secret = (lived.own.stack.folder / "password.secret").read_text()
    assert lived.canaries.found_in(secret) == ["the facade's Keystone password"]
    assert lived.canaries.found_in(f"x{KEY.hex()}y") == ["the Backend's key"]


def test_no_log_of_ours_has_a_secret(lived: Scene) -> None:
    logs = list(lived.own.stack.folder.glob("*.log"))
    assert {"operator.log", "second.log", "facade-noauth.log", "facade-kubernetes.log", "facade-keystone.log"} <= {
        path.name for path in logs
    }
    for log in logs:
        assert lived.canaries.found_in(log.read_bytes()) == [], log.name


def test_no_metric_has_a_secret(lived: Scene) -> None:
    """Scraped after each facade's share, and of each operator at its end."""
    assert {who for who, _ in lived.metrics} == {
        *("operator", "second", "facade-noauth", "facade-kubernetes", "facade-keystone")
    }
    for who, text in lived.metrics:
        assert "fairlead_" in text, who
        assert lived.canaries.found_in(text) == [], who


def test_no_span_has_a_secret(lived: Scene) -> None:
    assert lived.spans.services == {"fairlead-operator", "fairlead-api"}
    assert "driver create_export" in {span.name for spans in lived.spans.traces.values() for _, span in spans}
    assert lived.canaries.found_in(lived.spans.everything) == []


def test_no_file_beside_the_volumes_has_a_secret(lived: Scene) -> None:
    """Also what the operator and tgtd keep: after a crash credentials are derived again, not read."""
    folder = lived.own.stack.folder
    looked = 0
    for path in folder.rglob("*"):
        apart = path.suffix in (".kubeconfig", ".secret", ".strace") or "accounts" in path.parts
        if path.is_file() and not apart and path.stat().st_size < 10 * 2**20:
            looked += 1
            assert lived.canaries.found_in(path.read_bytes()) == [], path.relative_to(folder)
    assert looked > 5


def test_no_command_line_has_a_secret(lived: Scene) -> None:
    lines = [line for trace in lived.traces for line in command_lines(trace)]
    assert any("tgtd" in line for line in lines)
    assert any("fairlead_api.main" in line for line in lines)
    assert any("fairlead_operator.main" in line for line in lines)
    for line in lines:
        assert lived.canaries.found_in(line) == [], line[:300]


def test_no_log_of_the_cluster_has_a_secret(lived: Scene, control_plane: ControlPlane) -> None:
    """Its audit log has no bodies; what we send in paths, queries and user agents would be in it."""
    for path in (control_plane.audit_log.path, *(control_plane.folder / "logs").glob("*.log")):
        assert lived.canaries.found_in(path.read_bytes()) == [], path.name


def test_no_object_but_the_secrets_has_a_secret(lived: Scene, admin: client.ApiClient) -> None:
    objects = client.CustomObjectsApi(admin)
    for plural in ("volumes", "attachments", "backends", "nodeconnectors"):
        found = objects.list_cluster_custom_object(names.GROUP, names.VERSION, plural)
        text = json.dumps(found)
        # A caller may put anything into a connector, also what is a secret elsewhere.
        assert lived.canaries.found_in(text) == [], plural
    core = client.CoreV1Api(admin)
    for listing in (
        core.list_event_for_all_namespaces(),
        client.EventsV1Api(admin).list_event_for_all_namespaces(),
        core.list_config_map_for_all_namespaces(),
        core.list_namespace(),
        client.CoordinationV1Api(admin).list_lease_for_all_namespaces(),
    ):
        assert lived.canaries.found_in(json.dumps(admin.sanitize_for_serialization(listing))) == []


def test_chap_is_only_in_the_secret_that_was_asked_for(lived: Scene, admin: client.ApiClient) -> None:
    secrets = client.CoreV1Api(admin).list_secret_for_all_namespaces().items
    holders = {
        item.metadata.name
        for item in secrets
        if "a CHAP password" in lived.canaries.found_in(json.dumps(item.data or {}))
    }
    asked = {item.metadata.name for item in secrets if item.type == "kubernetes.io/iscsi-chap"}
    assert holders
    assert holders <= asked
    keys = {
        item.metadata.name
        for item in secrets
        if "the Backend's key" in lived.canaries.found_in(json.dumps(item.data or {}))
    }
    assert keys == {names.backend_key_secret(lived.own.name)}


def test_no_refusal_repeats_a_token_or_a_password(lived: Scene) -> None:
    assert len(lived.answers) >= 9
    for answer in lived.answers:
        found = set(lived.canaries.found_in(answer.content + json.dumps(dict(answer.headers)).encode()))
        # A request's own body may be quoted back to whoever sent it.
        assert found <= {"a CHAP password"}, answer.content


def test_settings_and_backends_keys_are_not_shown_by_repr(tmp_path: Path) -> None:
    canaries = Canaries()
    canaries.add("key", KEY)
    canaries.add("word", KEYSTONE_WORD)
    file = write_private(tmp_path / "password", KEYSTONE_WORD)
    arguments = ["--auth", "keystone", "--keystone-url", "http://k/v3", "--keystone-password-file", str(file)]
    settings = Settings.read(arguments, {"FAIRLEAD_KEYSTONE_PASSWORD": KEYSTONE_WORD})
    assert canaries.found_in(repr(settings) + repr(KeyRing.new(KEY)) + str(KeyRing.new(KEY))) == []
