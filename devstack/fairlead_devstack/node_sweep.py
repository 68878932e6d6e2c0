"""Take away everything of a node, however far it came and however it ended.

``python -m fairlead_devstack.node_sweep FOLDER`` waits until its standard input ends, which it does when the process
that holds the other end is gone, also by SIGKILL, and then clears up what that one has left.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fairlead_devstack.component import kill_recorded
from fairlead_devstack.control_plane import stop_recorded
from fairlead_devstack.interruption import ignore_signals
from fairlead_devstack.node_files import POD_NETWORK, NodeFiles
from fairlead_devstack.node_network import remove_network

_SYSCTLS = (
    "net/ipv4/ip_forward",
    # The kubelet sets these.
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_PROC_SYS = Path("/proc/sys")
_RECORD = "before.json"
_LOG_LINKS = Path("/var/log/containers")
_SHIM_SOCKETS = Path("/run/containerd/s")
_NETWORK_RESULTS = Path("/var/lib/cni/results")
_FIXED_FOLDERS = (Path("/run/containerd"), Path("/var/lib/cni"), Path("/var/lib/kubelet"), _LOG_LINKS)
"""Where programs of a node write whatever they are told. What was not there before goes whole."""
_CGROUP_LIMIT = 10.0


def record_before(folder: Path) -> None:
    """Write down what a node changes on this machine, as it is before."""
    settings = {name: (_PROC_SYS / name).read_text().strip() for name in _SYSCTLS if (_PROC_SYS / name).exists()}
    missing = [str(path) for path in _FIXED_FOLDERS if not path.exists()]
    (folder / _RECORD).write_text(json.dumps({"settings": settings, "missing": missing}))


def clear(folder: Path) -> None:
    """End the node's processes and containers and remove its network, mounts, cgroups, settings and files."""
    files = NodeFiles(folder)
    # First those who would start things anew.
    kill_recorded(files.logs, ("kubelet", "kube-proxy", "kube-scheduler", "containerd"))
    cgroups = _end_containers(files)
    stop_recorded(files.control_plane)
    _unmount_below(folder)
    _remove_cgroups(cgroups)
    remove_network()
    _remove_fixed(folder)
    with contextlib.suppress(FileNotFoundError):
        _restore(json.loads((folder / _RECORD).read_text()))
    shutil.rmtree(folder, ignore_errors=True)


def _end_containers(files: NodeFiles) -> set[Path]:
    """Kill every container and its shim. Returns the cgroups they were in."""
    shims = list(_shims(files))
    tasks = list(files.tasks.glob("*"))
    pids: list[int] = []
    cgroups: set[Path] = set()
    # All are looked at before any is killed: one that shares a pod's process namespace dies with the pod's first.
    for task in tasks:
        with contextlib.suppress(OSError, ValueError):
            pid = int((task / "init.pid").read_text())
            mine = {path for path in _cgroups_of(pid) if path.name == task.name}
            if mine:
                cgroups |= mine
                pids.append(pid)
    # One that has ended is in none any more, but its neighbours tell where it was.
    cgroups |= {parent / task.name for parent in {cgroup.parent for cgroup in cgroups} for task in tasks}
    for pid in pids:
        _kill(pid)
    sockets = {socket for pid in shims for socket in _sockets_of(pid)}
    for pid in shims:
        _kill(pid)
    for socket in sockets:
        if socket.parent == _SHIM_SOCKETS:
            socket.unlink(missing_ok=True)
    return cgroups


def _shims(files: NodeFiles) -> Iterator[int]:
    address = str(files.runtime_socket).encode()
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"containerd-shim" in arguments[0] and address in arguments:
                yield pid


def _cgroups_of(pid: int) -> Iterator[Path]:
    """The cgroup folders of a process, in every hierarchy that is mounted (cgroups(7))."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        wanted = set(controllers.split(",")) if controllers else set()
        for place, kind, options in _cgroup_mounts():
            fits = kind == "cgroup" and wanted <= options if wanted else kind == "cgroup2"
            if fits and path != "/":
                yield place / path.removeprefix("/")


def _cgroup_mounts() -> Iterator[tuple[Path, str, set[str]]]:
    """Where the hierarchies are mounted, of which version each is, and its options, controllers among them."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            yield Path(place), kind, set(options.split(","))


def _sockets_of(pid: int) -> Iterator[Path]:
    """The paths of the Unix sockets on which a process listens."""
    paths = {}
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if len(fields) == 8:
            paths[fields[6]] = Path(fields[7])
    with contextlib.suppress(OSError):
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(descriptor.path)
                if target.startswith("socket:[") and target[8:-1] in paths:
                    yield paths[target[8:-1]]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            poller = select.poll()
            poller.register(handle, select.POLLIN)
            poller.poll(10_000)
        finally:
            os.close(handle)


def _unmount_below(folder: Path) -> None:
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed(places):
        # The kernel writes spaces and the like as octal; our folders have none.
        if place.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", place], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _remove_cgroups(cgroups: set[Path]) -> None:
    """Remove cgroups and their parents, as far as these are empty then; the kernel takes a moment to empty them."""
    deadline = time.monotonic() + _CGROUP_LIMIT
    for cgroup in sorted(cgroups, key=lambda path: len(path.parts), reverse=True):
        while cgroup.is_dir() and time.monotonic() < deadline:
            try:
                cgroup.rmdir()
            except OSError:
                for pid in (cgroup / "cgroup.procs").read_text().split():
                    _kill(int(pid))
                time.sleep(0.02)
    for place, _, _ in _cgroup_mounts():
        # runc's parent of all of them; it stays when somebody else's are in it.
        with contextlib.suppress(OSError):
            (place / "k8s.io").rmdir()


def _remove_fixed(folder: Path) -> None:
    for link in _LOG_LINKS.glob("*.log"):
        if link.is_symlink() and os.readlink(link).startswith(f"{folder}/"):
            link.unlink()
    for result in _NETWORK_RESULTS.glob(f"{POD_NETWORK}-*"):
        result.unlink()


def _restore(before: Mapping[str, Any]) -> None:
    for name, value in before["settings"].items():
        if (_PROC_SYS / name).read_text().strip() != value:
            (_PROC_SYS / name).write_text(value)
    for path in before["missing"]:
        shutil.rmtree(path, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Wait for the end of standard input, then clear what is left of the folder named on the command line."""
    ignore_signals()
    sys.stdin.buffer.read()
    folder = Path(arguments[0])
    if folder.exists():
        clear(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
