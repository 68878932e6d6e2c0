"""What `view` and `edit` take in from the chart, and that `edit`'s right to credentials by REST adds nothing to it.

Source of the decision: docs/decisions/edit-and-credentials.md.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from accounts import Account, Accounts, Grant
from chart import of_kind, render
from cluster import Cluster
from facades import RunningFacade, facade
from fairlead_devstack.apply import apply_objects
from fairlead_devstack.stack import Stack
from iscsi import login
from rest import NODE_1, Rest, access


@pytest.fixture(scope="module")
def roles(admin: client.ApiClient) -> Iterator[None]:
    """The chart's roles for users, which the API server's own take in."""
    made = [item for item in of_kind(render(), "ClusterRole") if "-to-" in str(item["metadata"]["labels"])]
    assert [item["metadata"]["name"] for item in made] == ["fairlead-view", "fairlead-edit"]
    apply_objects(admin, made)
    yield
    for item in made:
        client.RbacAuthorizationV1Api(admin).delete_cluster_role(item["metadata"]["name"])


@pytest.fixture(scope="module")
def door(stack: Stack) -> Iterator[RunningFacade]:
    with facade(stack, f"facade-{uuid.uuid4().hex[:6]}", "--auth", "kubernetes") as running:
        yield running


@pytest.fixture
def accounts(roles: None, stack: Stack, admin: client.ApiClient, namespace: str, tmp_path: Path) -> Iterator[Accounts]:
    made = Accounts(admin, stack.control_plane.kubeconfig, tmp_path, namespace)
    yield made
    made.close()


def bound(accounts: Accounts, role: str, grant: Grant) -> Account:
    """An account with one of the API server's own roles, once that grants what the chart adds to it."""
    account = accounts.make(role, [])
    accounts.bind(role, role)
    accounts.wait_allowed(account.user, grant, accounts.namespace)
    return account


def test_an_editor_reads_by_rest_what_a_secret_would_tell(
    accounts: Accounts, door: RunningFacade, stack: Stack, namespace: str
) -> None:
    """Of an attachment that another made by REST, without a Secret: the editor asks for one and may read it."""
    other = Rest(stack.facade_url, namespace)
    attachment = other.attach(other.volume())["id"]
    editor = bound(accounts, "edit", Grant("get", "attachments/connection"))
    mine = Cluster(editor.kubectl.api, namespace)
    mine.patch("Attachment", attachment, {"spec": {"writeSecret": True}})
    written = mine.wait("Attachment", attachment, lambda a: bool(a["status"]["secretRef"]), "its Secret is written")
    user, password = mine.chap(written)
    told = editor.rest(door.url, namespace).ok("GET", f"/attachments/{attachment}", status=200)["attachment"]
    info = told["connection_info"]
    assert (info["auth_username"], info["auth_password"]) == (user, password)
    assert login(access(told)).accepted


def test_a_viewer_reads_no_credentials_at_either_door(
    accounts: Accounts, door: RunningFacade, stack: Stack, admin: client.ApiClient, namespace: str
) -> None:
    theirs = Cluster(admin, namespace)
    theirs.volume("data")
    theirs.attach("data", "data", NODE_1)
    secret = theirs.wait_exported("data")["status"]["secretRef"]["name"]
    viewer = bound(accounts, "view", Grant("list", "attachments"))
    path = f"/api/v1/namespaces/{namespace}/secrets"
    assert [viewer.kubectl.send("GET", at).status for at in (path, f"{path}/{secret}")] == [403, 403]
    [seen] = viewer.rest(door.url, namespace).ok("GET", "/attachments/detail", status=200)["attachments"]
    assert seen["connection_info"]["auth_username"]
    assert "auth_password" not in seen["connection_info"]
