"""A whole node with the chart on it. Only `make e2e` runs these tests: they change the machine's network."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from accounts import EVERYTHING, Account, Accounts
from cluster import Cluster
from fairlead_devstack.api_client import connect
from fairlead_devstack.images import default_tag, write_images
from fairlead_devstack.lookup import locate_helm
from fairlead_devstack.node import Node
from fairlead_devstack.release import Release
from installation import Installation
from rest import Rest

if not os.environ.get("FAIRLEAD_E2E"):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The node, with the chart's images."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    archive = tmp_path_factory.mktemp("images") / "images.tar"
    # A first run builds for minutes; whoever waits should see it.
    with capture.global_and_fixture_disabled():
        # The names under which a node looks for images that the chart names without a registry.
        write_images(archive, registry="docker.io", tag=default_tag(), pause=True)
        running = Node()
        running.start()
    try:
        running.import_images(archive)
        archive.unlink()
        yield running
    finally:
        keep_logs(running, os.environ.get("FAIRLEAD_E2E_LOGS"))
        running.stop()


def keep_logs(node: Node, folder: str | None) -> None:
    """Copy what the pods said to a folder, for the person who looks into a failure."""
    if not folder:
        return
    for log in (node.files.folder / "pod-logs").rglob("*.log"):
        target = Path(folder) / "-".join(log.parts[-3:])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(log.read_bytes())
    print(f"the pods' logs are in {folder}", file=sys.stderr)


@pytest.fixture(scope="session")
def admin(node: Node) -> Iterator[client.ApiClient]:
    """The official client, as administrator of the node."""
    with connect(node.kubeconfig) as api:
        yield api


@pytest.fixture(scope="session")
def release(node: Node) -> Release:
    """The release, not yet installed."""
    release = Release(node, locate_helm().path)
    release.prepare()
    return release


@pytest.fixture(scope="session")
def installation(admin: client.ApiClient, release: Release) -> Installation:
    """The chart with its defaults, ready; what an earlier test has left of the release is brought to that."""
    release.install()
    installation = Installation(admin, release)
    installation.wait_ready()
    return installation


@pytest.fixture
def cluster(installation: Installation, admin: client.ApiClient, namespace: str) -> Cluster:
    """Kubernetes' door to the installed release, in a namespace of its own."""
    return Cluster(admin, namespace)


@pytest.fixture
def owner(admin: client.ApiClient, node: Node, namespace: str, tmp_path: Path) -> Iterator[Account]:
    """A user who may everything in the test's namespace."""
    accounts = Accounts(admin, node.kubeconfig, tmp_path, namespace)
    yield accounts.make("owner", EVERYTHING)
    accounts.close()


@pytest.fixture
def rest(installation: Installation, owner: Account, namespace: str) -> Rest:
    """REST's door to the installed release, through its Service."""
    return owner.rest(installation.facade_url, namespace)


@pytest.fixture
def namespace(admin: client.ApiClient) -> str:
    """A fresh namespace; it goes with the node."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    client.CoreV1Api(admin).create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    return name
