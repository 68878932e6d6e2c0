"""A control plane with the kinds and nobody who acts on them: an operator would fill in what these tests look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from fairlead_devstack.api_client import connect
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.custom_resources import install_manifests
from fairlead_devstack.lookup import locate_control_plane
from stored_objects import Objects

MANIFESTS = Path(__file__).parents[3] / "crds" / "manifests"


@pytest.fixture(scope="session")
def admin() -> Iterator[client.ApiClient]:
    """The administrator of that control plane."""
    with ControlPlane(programs=locate_control_plane()) as plane, connect(plane.kubeconfig) as api:
        install_manifests(api, MANIFESTS)
        yield api


@pytest.fixture
def objects(admin: client.ApiClient, namespace: str) -> Iterator[Objects]:
    objects = Objects(admin, namespace)
    yield objects
    objects.delete_cluster_wide()
