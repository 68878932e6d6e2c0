"""Run a command that cannot outlive the process that started it.

``python tether.py PARENT COMMAND...`` asks the kernel for SIGKILL when its parent dies, then becomes COMMAND, under
the same pid. A program of its own rather than ``preexec_fn``, because Python between fork and exec is unsafe once
there are threads, and test runs have many. This file imports nothing of ours: it runs isolated, in 20 ms.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent and execute the command.

    Args:
        arguments: The parent's pid, then the command and its arguments.
    """
    parent, command = int(arguments[0]), arguments[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died before prctl; then nobody would ever send the signal.
    if os.getppid() != parent:
        sys.exit(f"the process {parent}, which wanted {command[0]}, is gone")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
