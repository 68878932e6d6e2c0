"""What the suite needs of real nodes: protocols for a driver's tests to implement."""

import contextlib
from typing import Protocol

from fairlead_operator.drivers.base import ConnectionInfo, Credentials


class NodeSession(Protocol):
    """A node that is logged in and comes back by itself when its target does."""

    async def write(self, pattern: int) -> bool:
        """Write the first 4 KiB; True when confirmed."""
        ...

    async def begin_write(self, pattern: int) -> None:
        """Begin the same and wait for nothing."""
        ...


class NodeProbe(Protocol):
    """Real nodes: each call logs in, does one thing and logs out. Without credentials it tries without any."""

    async def can_login(self, info: ConnectionInfo, credentials: Credentials | None, initiator: str) -> bool:
        """True when the target let it in."""
        ...

    async def write(self, info: ConnectionInfo, credentials: Credentials, initiator: str, pattern: int) -> bool:
        """Write the first 4 KiB; True when confirmed."""
        ...

    async def reads(self, info: ConnectionInfo, credentials: Credentials, initiator: str, pattern: int) -> bool:
        """True when the first 4 KiB are that pattern."""
        ...

    def session(
        self, info: ConnectionInfo, credentials: Credentials, initiator: str
    ) -> contextlib.AbstractAsyncContextManager[NodeSession]:
        """A node that stays."""
        ...
