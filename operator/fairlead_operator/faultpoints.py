"""Named places at which a test can stop, kill or fail this process.

Off unless `FAIRLEAD_FAULT_DIR` names a folder. Then `faultpoint("x")` looks there for a file `x` and does what its
text says, once (the file is renamed to `x.reached` first, which tells the test that the point was reached):

* `kill`: SIGKILL to this process, as a crash at exactly this step;
* `stop`: SIGSTOP to this process, as a scheduler that forgets it;
* `pause`: wait until a file `x.go` appears;
* `error`: raise `InjectedFault`;
* `errors`: raise it every time, until the file is taken away.
"""

import asyncio
import os
import signal
from pathlib import Path

_FOLDER = os.environ.get("FAIRLEAD_FAULT_DIR")


class InjectedFault(Exception):
    """Raised by a fault point that a test set to `error`."""


async def faultpoint(name: str) -> None:
    """Do what a test asked for at this place; nothing in production."""
    if _FOLDER is None:
        return
    order = Path(_FOLDER) / name
    try:
        action = order.read_text().strip()
        if action == "errors":
            raise InjectedFault(name)
        order.rename(order.with_name(f"{name}.reached"))
    except FileNotFoundError:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "error":
        raise InjectedFault(name)
    elif action == "pause":
        go = order.with_name(f"{name}.go")
        while not go.exists():  # noqa: ASYNC110 - the other side is another process
            await asyncio.sleep(0.005)
        go.unlink()
