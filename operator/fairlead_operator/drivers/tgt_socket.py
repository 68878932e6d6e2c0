"""One exchange with tgtd over its management socket, with the fence checked between connecting and sending.

A connection made before a fence survives the renaming of the socket, so it is made anew for each request, the epoch
is compared *after* it is made, and the request follows at once. Whoever fences writes the epoch first and then waits
for connections that are older (`tgt_fence`), so a request is either refused here or waited for there.

A connection that is closed without a request can stay open in tgtd, which then spins on it: it takes the end of input
for "nothing yet" when an earlier error number says so (`mtask_recv_send_handler`). So each connection carries one.
"""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fairlead_operator.drivers import tgt_protocol as tgt
from fairlead_operator.drivers.base import DriverUnavailable, UnknownOutcome
from fairlead_operator.faultpoints import faultpoint

_log = logging.getLogger(__name__)

ANSWER_LIMIT = 10.0
"""Seconds that one request may take; tgtd answers in well under a millisecond unless it hangs."""

_SUN_PATH = 107
_CREDENTIALS = struct.Struct("=iII")


async def exchange(
    path: Path, request: tgt.Request, *, admit: Callable[[], object], limit: float = ANSWER_LIMIT
) -> str:
    """Send one request and return the text of its answer.

    Args:
        path: the socket.
        request: what to say.
        admit: called when the connection stands and before anything is sent; raises to refuse.
        limit: seconds for the whole exchange.

    Raises:
        TgtError: tgtd refused; nothing happened.
        DriverUnavailable: nobody listens there, or the answer to a request that only reads was lost.
        UnknownOutcome: the request was sent and no answer came.
    """
    sent = False
    try:
        async with asyncio.timeout(limit):
            await faultpoint("tgt.before-connect")
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
                await _connect(connection, path)
                try:
                    admit()
                    await faultpoint("tgt.before-send")
                except BaseException:
                    _say_something(connection)
                    raise
                sent = True
                if not request.reads:
                    _log.debug("changes tgtd: %s", request)
                await asyncio.get_running_loop().sock_sendall(connection, request.encode())
                head = await _receive(connection, tgt.ANSWER_HEAD)
                text = await _receive(connection, tgt.answer_length(head))
    except TimeoutError:
        raise _lost(request, sent, f"tgtd did not answer within {limit:g} s") from None
    except (ConnectionError, EOFError) as error:
        cause = f"tgtd closed the connection ({error}); it has ended, or it runs as another user"
        raise _lost(request, sent, cause) from None
    return tgt.decode_answer(request, head, text)


def peer_pid(path: Path) -> int | None:
    """The process that listens on a socket, or None when nobody does.

    0 means a process that this one cannot see (another pid namespace).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
        try:
            with _short(path) as address:
                connection.connect(address)
        except OSError:
            return None
        _say_something(connection)
        pid, _, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        return int(pid)


async def _connect(connection: socket.socket, path: Path) -> None:
    while True:
        try:
            with _short(path) as address:
                connection.connect(address)
            return
        except BlockingIOError:
            # tgtd's queue of 32 connections is full. For this family the kernel offers no event to wait for.
            await asyncio.sleep(0.002)
        except (FileNotFoundError, ConnectionRefusedError):
            raise DriverUnavailable("tgtd does not run: nobody listens on its management socket") from None
        except PermissionError:
            raise DriverUnavailable(f"no permission to use tgtd's management socket {path}") from None


async def _receive(connection: socket.socket, length: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = bytearray()
    while len(received) < length:
        chunk = await loop.sock_recv(connection, min(length - len(received), 1 << 20))
        if not chunk:
            raise EOFError(f"after {len(received)} of {length} bytes")
        received += chunk
    return bytes(received)


def _say_something(connection: socket.socket) -> None:
    """Send a request that changes nothing and whose answer nobody awaits, so that tgtd closes its end too."""
    with suppress(OSError):
        connection.send(tgt.system_show().encode())


def _lost(request: tgt.Request, sent: bool, cause: str) -> DriverUnavailable | UnknownOutcome:
    if sent and not request.reads:
        return UnknownOutcome(f"'{request}' may or may not have happened: {cause}")
    return DriverUnavailable(f"'{request}' did not happen: {cause}")


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """An address for the socket that fits the 107 bytes of `sun_path`, however deep its folder is."""
    if len(os.fsencode(path)) <= _SUN_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
