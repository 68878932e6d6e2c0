"""An API server that is away, or knows nobody, for long: operators outlast it, running before or just starting."""

import re
from collections.abc import Callable, Iterator

import pytest
from kubernetes import client

from cluster import Cluster
from fairlead_devstack.component import Component
from fairlead_devstack.control_plane import ControlPlane
from iscsi import login
from own_backend import OwnBackend
from refusing_proxy import RefusingProxy
from waiting import wait_for
from wire import Wire, by_way_of

NODE = "iqn.2026-11.org.example:node-1"
MANY = 8
"""Tries of one request: more than kopf would make by itself before it ended the process."""
REFUSED = 5 * MANY
"""Requests in all, of the watches of five kinds."""


@pytest.fixture
def wire(control_plane: ControlPlane) -> Iterator[Wire]:
    wire = Wire(int(control_plane.url.rpartition(":")[2]))
    yield wire
    wire.close()


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[RefusingProxy]:
    proxy = RefusingProxy(control_plane.url, control_plane.ca_pem.decode())
    yield proxy
    proxy.close()


@pytest.fixture
def cluster(
    own_backend: OwnBackend, wire: Wire, proxy: RefusingProxy, admin: client.ApiClient, namespace: str
) -> Iterator[Cluster]:
    # The ways to the API server are among them so that they outlast the clean-up, which needs the operator.
    cluster = Cluster(admin, namespace)
    yield cluster
    cluster.remove_all()
    own_backend.end_operators()


@pytest.mark.parametrize("starting", [False, True], ids=["running", "starting"])
def test_an_operator_outlasts_an_absent_api_server(
    own_backend: OwnBackend, cluster: Cluster, wire: Wire, starting: bool
) -> None:
    name = f"operator-{starting}"
    operator = start_and_fail(own_backend, name, wire.url, wire.unplug, starting)

    def failed_often() -> bool:
        # While it starts it asks for itself, later kopf does.
        log = own_backend.log(name)
        own = len(re.findall("fairlead_operator.runtime: API server: Unavailable", log))
        return own >= MANY or bool(re.search(rf"Request attempt #{MANY}\b.*failed", log))

    wait_for(
        lambda: failed_often() or not operator.alive,
        what=f"a request failed {MANY} times",
        timeout=120,
    )
    assert operator.alive, own_backend.log(name)[-2000:]
    wire.restore()
    assert_attaches(own_backend, cluster)


@pytest.mark.parametrize("starting", [False, True], ids=["running", "starting"])
def test_an_operator_outlasts_an_api_server_that_does_not_know_it(
    own_backend: OwnBackend, cluster: Cluster, proxy: RefusingProxy, starting: bool
) -> None:
    """As when its token has expired and the next one is late: it logs in again until it is known."""
    name = f"refused-{starting}"
    operator = start_and_fail(own_backend, name, proxy.url, proxy.refuse, starting)
    wait_for(
        lambda: proxy.refused >= REFUSED or not operator.alive,
        what=f"{REFUSED} requests were refused",
        timeout=120,
    )
    assert operator.alive, own_backend.log(name)[-2000:]
    proxy.admit()
    assert_attaches(own_backend, cluster)


def start_and_fail(own_backend: OwnBackend, name: str, url: str, fail: Callable[[], None], starting: bool) -> Component:
    """Start an operator that has only that way to the API server, which fails before it starts or once it serves."""
    if starting:
        fail()
    options = ("--backend", own_backend.name)
    launcher = by_way_of(url, own_backend.stack, name)
    operator = own_backend.stack.start_operator(name, options=options, launcher=launcher, wait=not starting)
    if not starting:
        own_backend.wait_ready()
        fail()
    return operator


def assert_attaches(own_backend: OwnBackend, cluster: Cluster) -> None:
    cluster.volume("data", backendName=own_backend.name)
    cluster.attach("a", "data", NODE)
    assert login(cluster.access(cluster.wait_exported("a"), NODE)).accepted
