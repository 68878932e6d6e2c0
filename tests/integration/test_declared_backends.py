"""Backends from files, applied to a real API server by a real operator process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from fairlead_crds import names
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.stack import Stack
from waiting import wait_for

NAME = "declared"
BODY = """\
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec:
  driver: iscsi-tgt
  parameters: {{dataDir: {data}, port: {port}}}
"""


@pytest.fixture
def folder(stack: Stack, admin: client.ApiClient) -> Iterator[Path]:
    """A folder of Backends; what was applied from it goes again."""
    with ScratchFolder("declared") as scratch:
        yield scratch.path
        if "declaring" in stack.processes:
            stack.processes.pop("declaring").terminate()
        for name in (NAME, "second"):
            try:
                client.CustomObjectsApi(admin).delete_cluster_custom_object(
                    names.GROUP, names.VERSION, "backends", name
                )
            except client.ApiException as error:
                if error.status != 404:
                    raise


def backend(admin: client.ApiClient, name: str) -> Any:
    try:
        return client.CustomObjectsApi(admin).get_cluster_custom_object(names.GROUP, names.VERSION, "backends", name)
    except client.ApiException as error:
        if error.status == 404:
            return None
        raise


def declare(stack: Stack, folder: Path) -> None:
    # Nobody serves them: this is about their being there.
    options = ("--controller-only", "--backends-from", str(folder))
    stack.start_operator("declaring", options=options)


def test_what_a_file_declares_is_there_and_a_wrong_file_holds_up_no_other(
    stack: Stack, admin: client.ApiClient, folder: Path
) -> None:
    (folder / "a.yaml").write_text("kind: Nonsense\n")
    (folder / "b.yaml").write_text(BODY.format(name=NAME, data=folder / "data", port=3260))
    declare(stack, folder)
    found = wait_for(lambda: backend(admin, NAME), what="the Backend is applied")
    assert found["spec"]["parameters"] == {"dataDir": str(folder / "data"), "port": 3260}
    # Corrected in place, it is taken without a restart.
    (folder / "a.yaml").write_text(BODY.format(name="second", data=folder / "second", port=3261))
    wait_for(lambda: backend(admin, "second"), what="the corrected file is applied")


def test_declaring_again_takes_back_what_was_changed_by_hand(
    stack: Stack, admin: client.ApiClient, folder: Path
) -> None:
    (folder / "b.yaml").write_text(BODY.format(name=NAME, data=folder / "data", port=3260))
    declare(stack, folder)
    first = wait_for(lambda: backend(admin, NAME), what="the Backend is applied")
    client.CustomObjectsApi(admin).patch_cluster_custom_object(
        names.GROUP,
        names.VERSION,
        "backends",
        NAME,
        {"spec": {"parameters": {"port": 9999}, "default": False}},
        _content_type="application/merge-patch+json",
    )
    stack.processes.pop("declaring").terminate()
    declare(stack, folder)
    wait_for(lambda: backend(admin, NAME)["spec"]["parameters"]["port"] == 3260, what="the file's port is back")
    assert backend(admin, NAME)["metadata"]["uid"] == first["metadata"]["uid"]
