"""The control plane that all tests of a run share, and namespaces to be alone in."""

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from kubernetes import client

from asked_rights import Asked
from cluster import Cluster
from fairlead_devstack.api_client import connect
from fairlead_devstack.audit import AuditLog
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.custom_resources import install_manifests
from fairlead_devstack.lookup import locate_control_plane
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.stack import Stack, wait_for_backend
from whole_runs import is_whole, leave_out

MANIFESTS = Path(__file__).parent.parent / "crds" / "manifests"
INTEGRATION = Path(__file__).parent / "integration"
ASKED = pytest.StashKey[Asked]()
WRONG = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ASKED] = Asked()
    # pytest finishes its fixtures on Ctrl-C; SIGTERM gets the same way out.
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # A second one must not break off the cleanup that the first one began.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def pytest_deselected(items: list[pytest.Item]) -> None:
    leave_out(items)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Whatever they asked for in any test, operator and facade had the right to; and in a whole run they use each."""
    passed = exitstatus == pytest.ExitCode.OK
    wrong = session.config.stash[ASKED].judge(whole=passed and is_whole(session, INTEGRATION))
    session.config.stash[WRONG] = wrong
    if wrong and passed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if wrong := config.stash.get(WRONG, None):
        terminalreporter.section("rights", red=True)
        for line in wrong:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def asked(request: pytest.FixtureRequest) -> Asked:
    """Where a control plane's requests go to be judged."""
    return request.config.stash[ASKED]


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, asked: Asked) -> Iterator[ControlPlane]:
    """A real etcd, API server and controller manager, with Fairlead's kinds installed."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    # A first run builds for minutes; whoever waits should see it.
    with capture.global_and_fixture_disabled():
        programs = locate_control_plane()
    with ControlPlane(programs=programs) as running:
        if MANIFESTS.is_dir():
            with connect(running.kubeconfig) as api:
                install_manifests(api, MANIFESTS)
            # Its garbage collector looks for new kinds every 30 s, but at its start at once.
            running.components["kube-controller-manager"].restart()
        yield running
        asked.add(running.audit_log)
        asked.hold(running)


@pytest.fixture(scope="session")
def kubeconfig(control_plane: ControlPlane) -> Path:
    """The administrator's kubeconfig."""
    return control_plane.kubeconfig


@pytest.fixture(scope="session")
def audit_log(control_plane: ControlPlane) -> AuditLog:
    """Every finished request to the API server."""
    return control_plane.audit_log


@pytest.fixture(scope="session")
def admin(kubeconfig: Path) -> Iterator[client.ApiClient]:
    """The official client, as administrator."""
    with connect(kubeconfig) as api:
        yield api


@pytest.fixture(scope="session")
def stack(control_plane: ControlPlane) -> Iterator[Stack]:
    """Fairlead on the shared control plane: one operator for the Backend `local`, one facade."""
    scratch = ScratchFolder("stack")
    running = Stack(control_plane, scratch.path, lease_duration=2.0, sweep_interval=5.0)
    try:
        running.install()
        running.add_backend("local", default=True)
        running.start_operator(options=("--backend", "local"))
        running.start_facade()
        with connect(control_plane.kubeconfig) as api:
            wait_for_backend(api, "local")
        yield running
    finally:
        running.stop()
        scratch.remove()


@pytest.fixture
def cluster(stack: Stack, admin: client.ApiClient, namespace: str) -> Cluster:
    """The Kubernetes door to the running stack, in a namespace of its own."""
    return Cluster(admin, namespace)


@pytest.fixture
def namespace(admin: client.ApiClient) -> Iterator[str]:
    """A fresh namespace; its deletion is begun afterwards, not awaited."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    core = client.CoreV1Api(admin)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    yield name
    try:
        core.delete_namespace(name)
    except client.ApiException as error:
        # A test may have deleted it as its very subject.
        if error.status != 404:
            raise
