"""What an attachment costs, counted: processes, bytes; and beside what nobody could do without: ratios of one run."""

import base64
import json
import os
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from kubernetes import client

from cluster import Cluster
from fairlead_bench.figures import quantile
from fairlead_bench.floor import Floor, compare
from fairlead_bench.rest_load import Cycle, RestLoad, spread
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.stack import Stack
from own_backend import OwnBackend
from rest import Rest, connector
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node-1"
STORED_LIMIT = 4096
STEPS = 10
MANY = 100

# Found by any Python with this folder on its path, before the program begins.
_NOTE_PROCESSES = """\
import os, sys

_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"}


def note(event, arguments):
    if event in _STARTS:
        descriptor = os.open(os.environ["STARTED_PROCESSES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{event} {arguments[0]}\\n".encode())
        os.close(descriptor)


sys.addaudithook(note)
"""


@pytest.fixture
def cluster(own_backend: OwnBackend, admin: client.ApiClient, namespace: str) -> Iterator[Cluster]:
    yield Cluster(admin, namespace)
    own_backend.end_operators()


def test_an_attachments_life_starts_no_process(own_backend: OwnBackend, cluster: Cluster, tmp_path: Path) -> None:
    """tgtd is spoken to by its socket; a tgtadm per command would be a dozen processes per attach."""
    (tmp_path / "sitecustomize.py").write_text(_NOTE_PROCESSES)
    started = tmp_path / "started"
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    own_backend.start(launcher=("env", f"PYTHONPATH={path}", f"STARTED_PROCESSES={started}"))
    own_backend.wait_ready()
    cluster.volume("data", backendName=own_backend.name)
    before = started.read_text()
    assert "tgtd" in before, "the start of the daemon itself was not noticed, so nothing would be"

    cluster.attach("mine", "data", NODE)
    cluster.wait_exported("mine")
    cluster.patch("Attachment", "mine", {"spec": {"completed": True}})
    cluster.wait("Attachment", "mine", lambda a: a["status"]["phase"] == "Completed", "completed")
    cluster.delete("Attachment", "mine")
    cluster.wait_gone("Attachment", "mine")

    assert started.read_text() == before


def test_an_attachment_with_ten_steps_behind_it_is_stored_in_4_kib(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    rest = Rest(stack.facade_url, namespace)
    attachment = rest.reserve(rest.volume())["id"]

    def stored() -> bytes:
        return _stored(control_plane, f"/registry/fairlead.dev/attachments/{namespace}/{attachment}")

    for _ in range(STEPS):
        rest.connect(attachment)
        rest.complete(attachment)
        wait_for(lambda: json.loads(stored())["status"]["phase"] == "Completed", what="completed")

    kept = json.loads(stored())
    assert len(kept["status"]["history"]) == STEPS, kept["status"]["history"]
    assert kept["spec"]["connector"] == connector()
    assert len(stored()) <= STORED_LIMIT
    rest.detach(attachment)


async def test_an_attach_through_rest_takes_a_few_times_what_its_writes_take(
    stack: Stack, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """Undisturbed about 2, on a crowded machine 4, since ours changes hands more often. A pause of 50 ms is beyond."""
    async with (
        RestLoad(f"{stack.facade_url}/v3", project=namespace) as load,
        Floor(control_plane.kubeconfig, tmp_path / "bare", load, clients=1) as floor,
    ):
        volume = await load.create_volume()
        await compare(floor, load, [volume], turns=1, each=3)
        rest, bare = await compare(floor, load, [volume], turns=20, each=2)

    assert _lower_quarter(rest) <= 6 * _lower_quarter(bare)


async def test_a_list_of_many_costs_little_more_than_one(stack: Stack, namespace: str) -> None:
    """Both are answered from what the facade holds already."""
    async with RestLoad(f"{stack.facade_url}/v3", project=namespace) as load:
        volumes, _ = await spread([1] * MANY, 8, load.create_volume)
        attachments, _ = await spread(volumes, 8, load.occupy)
        single, lists = [], []
        for attachment in attachments[:40]:
            single.append(await load.show(attachment))
            lists.append(await load.listing("/attachments", expected=MANY))
        await spread(attachments, 8, load.detach)

    assert quantile(lists, 0.25) <= 5 * quantile(single, 0.25)


def _lower_quarter(cycles: Sequence[Cycle]) -> float:
    """Seconds of an attach which a quarter of all did not exceed: what others did to the machine is rarely in it."""
    return quantile([cycle.create for cycle in cycles], 0.25)


def _stored(control_plane: ControlPlane, key: str) -> bytes:
    """A value as etcd has it."""
    asked = json.dumps({"key": base64.b64encode(key.encode()).decode()}).encode()
    with urllib.request.urlopen(f"{control_plane.etcd_url}/v3/kv/range", data=asked, timeout=10) as response:
        [found] = json.load(response)["kvs"]
    return base64.b64decode(found["value"])
