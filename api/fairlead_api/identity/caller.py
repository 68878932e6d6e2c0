"""The caller of a request and what it may do."""

from dataclasses import dataclass
from typing import Final

from fairlead_api.protocol.faults import Forbidden


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        user: id of the user.
        project: id of the project the request is about.
        admin: sees and changes what belongs to any project.
        member: may change what belongs to the project; without it, only read.
        service: speaks for another service (Nova), which may detach what an instance uses.
        reads_credentials: may read the credentials of connections.
        strict_guard: only `service` permits detaching what is in use, whether or not a session is live.
    """

    user: str
    project: str
    admin: bool = False
    member: bool = True
    service: bool = False
    reads_credentials: bool = True
    strict_guard: bool = False

    def require(self, rule: str, project: str | None = None) -> None:
        """Check a policy rule whose default is "admin, or member of the owning project".

        Args:
            rule: name of the rule, for the answer.
            project: the owner; None: the caller's own project.

        Raises:
            Forbidden: the rule does not allow it.
        """
        if not self.admin and not (self.member and project in (None, self.project)):
            raise refused(rule)

    def require_admin(self, rule: str) -> None:
        """Check a policy rule whose default is "admin only".

        Raises:
            Forbidden: the caller is none.
        """
        if not self.admin:
            raise refused(rule)


def refused(rule: str, why: str = "") -> Forbidden:
    """The refusal of a policy rule, in the Block Storage API's words."""
    return Forbidden(f"Policy doesn't allow {rule} to be performed.{' ' if why else ''}{why}")


ANONYMOUS: Final = "admin"
"""User id of a caller that names none."""
