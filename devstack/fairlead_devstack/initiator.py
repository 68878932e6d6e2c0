"""Nodes, played by real userspace initiators: a login that is tried, and one that is held and does I/O.

The programs are `iscsi-inq` of libiscsi and `qemu-io` with its iSCSI plug-in. Passwords reach them through the
environment or a descriptor, never on a command line.
"""

import contextlib
import os
import re
import select
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_LIMIT = 30.0
_STATUS = re.compile(r"\((\d+)\)\s*$")
_ESTABLISHED = "01"

WRONG_PASSWORD = 513
"""Login status 0x0201, authentication failure (RFC 7143, section 11.13.5)."""

NOT_ADMITTED = 515
"""Login status 0x0203, not found: what tgtd answers to an initiator that the target does not admit."""


class InitiatorFailed(Exception):
    """A node could not do what it was to do; the message has what its initiator said."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """All that a node needs to use an export. Without a username it tries to log in without a password."""

    portal: str
    target: str
    lun: int
    initiator: str
    username: str | None
    password: str | None = field(repr=False)

    @classmethod
    def of(cls, info: Mapping[str, Any], *, initiator: str, username: str | None, password: str | None) -> Self:
        """Take where the export is from a `connection_info`'s data."""
        return cls(
            portal=info["target_portal"],
            target=info["target_iqn"],
            lun=info["target_lun"],
            initiator=initiator,
            username=username,
            password=password,
        )

    def as_initiator(self, name: str) -> Self:
        """The same secrets in another node's hands."""
        return replace(self, initiator=name)

    def with_password(self, password: str) -> Self:
        """The same node with another password."""
        return replace(self, password=password)

    def without_credentials(self) -> Self:
        """The same node that does not authenticate at all."""
        return replace(self, username=None, password=None)


@dataclass(frozen=True)
class LoginAnswer:
    """How a login went.

    Attributes:
        accepted: whether the node was let in and could talk to the disk.
        status: the target's status code when it refused. None when it did not even answer: a tgtd that has no target
            left closes each connection at once.
        text: what the initiator said.
    """

    accepted: bool
    status: int | None
    text: str

    @property
    def refused(self) -> bool:
        """Whether it was the login that failed, and nothing else."""
        return not self.accepted and self.text.startswith("Login Failed")

    @property
    def outcome(self) -> str:
        """How it went, in few words."""
        if self.accepted or not self.refused:
            return "accepted" if self.accepted else self.text
        return self.text.rpartition("Status: ")[2] if self.status else "the portal closes the connection"


def try_login(access: Access) -> LoginAnswer:
    """Log in, ask the disk who it is, log out."""
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    if access.username is not None:
        environment |= {"LIBISCSI_CHAP_USERNAME": access.username, "LIBISCSI_CHAP_PASSWORD": access.password or ""}
    command = ["iscsi-inq", "-i", access.initiator, f"iscsi://{access.portal}/{access.target}/{access.lun}"]
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InitiatorFailed(f"{access.initiator}: no answer to the login within {_LIMIT:.0f} s") from error
    said = " ".join(done.stderr.split())
    found = _STATUS.search(said)
    return LoginAnswer(accepted=done.returncode == 0, status=int(found[1]) if found else None, text=said)


class LoggedIn:
    """A node that stays logged in, as one does that has the disk mounted; a context manager.

    Its initiator reconnects by itself, over and over, when the target closes the connection. So a node that was
    detached does not fail: it waits for ever.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._said = b""
        image = (
            f"driver=iscsi,transport=tcp,portal={access.portal},target={access.target},lun={access.lun},"
            f"initiator-name={access.initiator}"
        )
        command = ["qemu-io"]
        descriptors: tuple[int, ...] = ()
        with contextlib.ExitStack() as opened:
            if access.username is not None:
                # A file that exists in memory only, and that only this process's children can open.
                secret = os.memfd_create("chap-password")
                opened.callback(os.close, secret)
                os.write(secret, (access.password or "").encode())
                descriptors = (secret,)
                command += ["--object", f"secret,id=chap,file=/proc/self/fd/{secret}"]
                image += f",user={access.username},password-secret=chap"
            self._process = subprocess.Popen(
                [*command, "--image-opts", image],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=descriptors,
                # The terminal's Ctrl-C is for the command that plays this node.
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, *, mebibytes: int, pattern: int) -> None:
        """Write a pattern from the disk's start on.

        Raises:
            InitiatorFailed: the target did not confirm it.
        """
        self._ask(f"write -P {pattern} 0 {mebibytes}M", "wrote")

    def read(self, *, mebibytes: int, pattern: int) -> None:
        """Read from the disk's start on and compare.

        Raises:
            InitiatorFailed: it cannot be read, or is not the pattern.
        """
        self._ask(f"read -P {pattern} 0 {mebibytes}M", "read")

    def begin_write(self, *, pattern: int) -> None:
        """Begin to write a few blocks and wait for nothing."""
        self._send(f"write -P {pattern} 0 4k")

    def has_confirmed(self) -> bool:
        """Whether the target has confirmed what was begun."""
        assert self._process.stdout is not None
        while select.select([self._process.stdout], [], [], 0)[0]:
            more = os.read(self._process.stdout.fileno(), 65536)
            if not more:
                break
            self._said += more
        return b"wrote" in self._said

    def connection(self) -> str | None:
        """The node's own end of its TCP connection to the portal, as `address:port`; None when there is none.

        A connection that was closed and made again has another port.
        """
        mine = set()
        for descriptor in Path(f"/proc/{self._process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                mine.add(os.readlink(descriptor))
        remote = _as_in_proc(self._access.portal)
        for line in Path(f"/proc/{self._process.pid}/net/tcp").read_text().splitlines()[1:]:
            row = line.split()
            if row[2] == remote and row[3] == _ESTABLISHED and f"socket:[{row[9]}]" in mine:
                return _from_proc(row[1])
        return None

    def close(self) -> None:
        """End the node at once, without a logout; safe to repeat."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _send(self, command: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{command}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise InitiatorFailed(f"{self._access.initiator}: {self._rest() or 'its initiator ended'}") from None

    def _ask(self, command: str, success: str) -> None:
        self._send(command)
        deadline = time.monotonic() + _LIMIT
        heard: list[str] = []
        while True:
            line = self._line(deadline)
            if line is None:
                said = " ".join(heard) or "no answer"
                raise InitiatorFailed(f"{self._access.initiator}: {command!r}: {said}")
            heard.append(line)
            if line.startswith(success):
                return
            if "failed" in line or "error" in line.lower():
                raise InitiatorFailed(f"{self._access.initiator}: {command!r}: {line}")

    def _line(self, deadline: float) -> str | None:
        """The next line without its prompt; None when the time is over or the process has ended."""
        assert self._process.stdout is not None
        while b"\n" not in self._said:
            if not select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            more = os.read(self._process.stdout.fileno(), 65536)
            if not more:
                return None
            self._said += more
        line, _, self._said = self._said.partition(b"\n")
        return line.decode(errors="replace").removeprefix("qemu-io> ")

    def _rest(self) -> str:
        assert self._process.stdout is not None
        return (self._said + self._process.stdout.read()).decode(errors="replace").strip()


def _as_in_proc(endpoint: str) -> str:
    """An IPv4 endpoint as /proc/net/tcp writes it: bytes of the address in reverse, all in hexadecimal."""
    address, _, port = endpoint.rpartition(":")
    return f"{bytes(reversed([int(part) for part in address.split('.')])).hex().upper()}:{int(port):04X}"


def _from_proc(endpoint: str) -> str:
    address, _, port = endpoint.partition(":")
    return f"{'.'.join(str(byte) for byte in reversed(bytes.fromhex(address)))}:{int(port, 16)}"
