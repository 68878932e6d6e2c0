"""Real initiators for tests: a login that is tried, patterns written and read, and a node that stays logged in.

All run as processes of Debian's `libiscsi-bin` and `qemu-utils` with `qemu-block-extra`. Passwords reach them through
the environment or a descriptor, never on a command line. Misbehaving initiators are in `iscsi_wire`.
"""

import asyncio
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

_LIMIT = 30.0
_STATUS = re.compile(r"\((\d+)\)\s*$")


@dataclass(frozen=True, kw_only=True)
class Access:
    """All that a node needs to use an export. Without a username it logs in without a password."""

    portal: str
    target: str
    initiator: str
    lun: int = 1
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, info: Mapping[str, Any], initiator: str, username: str | None = None, password: str | None = None
    ) -> "Access":
        """From the driver's connection data (`target_portal`, ...) and the node's own name."""
        return cls(
            portal=info["target_portal"],
            target=info["target_iqn"],
            lun=info["target_lun"],
            initiator=initiator,
            username=username,
            password=password,
        )


@dataclass(frozen=True, kw_only=True)
class LoginAnswer:
    """How a login went. `status` is the target's answer when it refused: 513 password, 515 initiator or no target."""

    accepted: bool
    status: int | None
    text: str


def login(access: Access) -> LoginAnswer:
    """Log in, ask the LUN who it is, log out."""
    environment = {"PATH": os.environ["PATH"]}
    if access.username is not None:
        environment |= {"LIBISCSI_CHAP_USERNAME": access.username, "LIBISCSI_CHAP_PASSWORD": access.password or ""}
    command = ["iscsi-inq", "-i", access.initiator, f"iscsi://{access.portal}/{access.target}/{access.lun}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT, check=False)
    found = _STATUS.search(done.stderr)
    return LoginAnswer(accepted=done.returncode == 0, status=int(found[1]) if found else None, text=done.stderr.strip())


def write_pattern(access: Access, *, offset: int = 0, length: int = 4096, pattern: int) -> bool:
    """Log in, write `length` bytes of `pattern`, log out. True when the target confirmed them."""
    return _once(access, f"write -P {pattern} {offset} {length}", "wrote")


def read_pattern(access: Access, *, offset: int = 0, length: int = 4096, pattern: int) -> bool:
    """Log in, read, log out. True when all that was read is `pattern`."""
    return _once(access, f"read -P {pattern} {offset} {length}", "read", "-r")


def disk_size(access: Access) -> int:
    """Bytes that the LUN says it has."""
    answer = _io(access, ["-r", "-c", "length"]).stdout
    found = re.search(r"([\d.]+) ([KMGT])?i?B", answer)
    assert found is not None, answer
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2] or " "))


class Initiator:
    """A node that stays logged in and reconnects by itself, as a node does; a context manager.

    Args:
        access: where it logs in.
        patience: seconds after which one of its requests counts as lost. Between its tries to reconnect libiscsi waits
            one second more each time, so after an outage of ten seconds it may come back after fifteen.
    """

    def __init__(self, access: Access, *, patience: float = _LIMIT) -> None:
        self._patience = patience
        # libiscsi by itself would try an address that has just died for two minutes. This many tries take 15 s, as
        # long as open-iscsi gives a login (node.conn[0].timeo.login_timeout).
        environment = {**os.environ, "LIBISCSI_TCP_SYNCNT": "3"}
        with _command(access) as (command, descriptors):
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=descriptors,
                text=True,
                bufsize=1,
            )

    def __enter__(self) -> "Initiator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, *, offset: int = 0, length: int = 4096, pattern: int) -> bool:
        """Write, waiting as long as the node itself would for its target to come back. True when confirmed."""
        return self._ask(f"write -P {pattern} {offset} {length}", "wrote")

    def read(self, *, offset: int = 0, length: int = 4096, pattern: int) -> bool:
        """Read. True when all of it is `pattern`."""
        return self._ask(f"read -P {pattern} {offset} {length}", "read")

    async def awrite(self, *, offset: int = 0, length: int = 4096, pattern: int) -> bool:
        """Do as `write` does, letting the event loop run meanwhile."""
        return await asyncio.to_thread(self.write, offset=offset, length=length, pattern=pattern)

    def begin_write(self, *, offset: int = 0, length: int = 4096, pattern: int) -> None:
        """Begin a write and wait for nothing."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"write -P {pattern} {offset} {length}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End the node at once, without a logout."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _ask(self, command: str, success: str) -> bool:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        # A node whose target is gone tries for ever; a test that waits for it by mistake shall end.
        watchdog = threading.Timer(self._patience, self._process.kill)
        watchdog.start()
        try:
            while line := self._process.stdout.readline():
                answer = line.removeprefix("qemu-io> ")
                if answer.startswith(success):
                    return True
                if "failed" in answer or "error" in answer.lower():
                    return False
            return False
        finally:
            watchdog.cancel()


def _once(access: Access, command: str, success: str, *options: str) -> bool:
    done = _io(access, [*options, "-c", command])
    return done.returncode == 0 and done.stdout.startswith(success)


def _io(access: Access, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    with _command(access) as (command, descriptors):
        return subprocess.run(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            pass_fds=descriptors,
            check=False,
        )


@contextmanager
def _command(access: Access) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """qemu-io's command line for an export, and the descriptors that it must inherit."""
    image = (
        f"driver=iscsi,transport=tcp,portal={access.portal},target={access.target},lun={access.lun},"
        f"initiator-name={access.initiator}"
    )
    if access.username is None:
        yield ["qemu-io", "--image-opts", image], ()
        return
    # A file that exists in memory only and that only the children of this process can open.
    descriptor = os.memfd_create("password")
    try:
        os.write(descriptor, (access.password or "").encode())
        secret = f"secret,id=password,file=/proc/self/fd/{descriptor}"
        image += f",user={access.username},password-secret=password"
        yield ["qemu-io", "--object", secret, "--image-opts", image], (descriptor,)
    finally:
        os.close(descriptor)
