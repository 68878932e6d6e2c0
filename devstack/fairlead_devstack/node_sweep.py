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
from collections.abc import Iterator
from pathlib import Path

from fairlead_devstack.component import kill_recorded
from fairlead_devstack.control_plane import stop_recorded
from fairlead_devstack.interruption import ignore_signals
from fairlead_devstack.node_files import NodeFiles
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
_RECORD = "sysctls.json"
_LOG_LINKS = Path("/var/log/containers")
_SHIM_SOCKETS = Path("/run/containerd/s")


def record_sysctls(folder: Path) -> None:
    """Write down the kernel's settings that a node changes."""
    known = {name: (_PROC_SYS / name).read_text().strip() for name in _SYSCTLS if (_PROC_SYS / name).exists()}
    (folder / _RECORD).write_text(json.dumps(known))


def clear(folder: Path) -> None:
    """End the node's processes and containers and remove its network, mounts, cgroups, settings and files."""
    files = NodeFiles(folder)
    # First those who would start things anew.
    kill_recorded(files.logs, ("kubelet", "kube-proxy", "kube-scheduler", "containerd"))
    cgroups = _end_containers(files)
    stop_recorded(files.control_plane)
    _unmount_below(folder)
    for cgroup in sorted(cgroups, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):
            cgroup.rmdir()
    remove_network()
    _restore_sysctls(folder)
    for link in _LOG_LINKS.glob("*.log"):
        if link.is_symlink() and os.readlink(link).startswith(f"{folder}/"):
            link.unlink()
    for left in (_LOG_LINKS, _SHIM_SOCKETS, _SHIM_SOCKETS.parent):
        # Gone when nobody else uses them.
        with contextlib.suppress(OSError):
            left.rmdir()
    shutil.rmtree(folder, ignore_errors=True)


def _end_containers(files: NodeFiles) -> set[Path]:
    """Kill every container and its shim. Returns the cgroups they were in."""
    cgroups: set[Path] = set()
    shims = list(_shims(files))
    for task in files.tasks.glob("*"):
        with contextlib.suppress(OSError, ValueError):
            pid = int((task / "init.pid").read_text())
            mine = [path for path in _cgroups_of(pid) if task.name in path.parts]
            if mine:
                cgroups.update(mine)
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
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for _, place, kind, options, *_ in mounts:
            wanted = set(controllers.split(",")) if controllers else set()
            fits = kind == "cgroup" and wanted <= set(options.split(",")) if wanted else kind == "cgroup2"
            if fits and path != "/":
                yield Path(place + path)


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


def _restore_sysctls(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        for name, value in json.loads((folder / _RECORD).read_text()).items():
            if (_PROC_SYS / name).read_text().strip() != value:
                (_PROC_SYS / name).write_text(value)


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
