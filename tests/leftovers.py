"""What a command left behind in a folder of the test's own: processes that still work there."""

import contextlib
import os
from pathlib import Path


def processes_of(folder: Path) -> list[str]:
    """The command lines of live processes that name the folder, work in it, or were told of it.

    The control plane names its data folder on its command lines, operator and facade have a kubeconfig in it, and tgtd
    has its run folder as working directory (a removed one reads the same, with a mark behind it).
    """
    wanted = str(folder.resolve())
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        process = Path("/proc") / pid
        # One that ends meanwhile is not left behind; one of somebody else's is not ours.
        with contextlib.suppress(OSError):
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if int(pid) != os.getpid() and (wanted.encode() in told or os.readlink(process / "cwd").startswith(wanted)):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found
