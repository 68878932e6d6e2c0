"""Mode `noauth`: nothing is checked, everybody is an administrator. For development, on loopback.

Tokens mean what they mean in Cinder's noauth pipeline (`user:project`, or one word for both), with two liberties that
unchanged clients need: no token is an administrator too, and the project in the URL wins over the token's, since
keystoneauth's `none` plugin sends the same literal token whatever project is meant.
"""

from dataclasses import dataclass
from typing import Final

from fairlead_api.identity.authenticator import Asked, Credentials
from fairlead_api.identity.caller import ANONYMOUS, Caller

_PLACEHOLDER: Final = "notused"
"""What keystoneauth's `none` and `noauth` plugins send as a token."""


def identify(token: str | None, project_segment: str | None, default_project: str) -> Caller:
    """Return the caller that a token and a URL stand for."""
    if not token or token == _PLACEHOLDER:
        user, project = ANONYMOUS, ""
    else:
        user, colon, project = token.partition(":")
        project = project if colon else user
    # In this mode nobody can prove to be Nova, so everybody counts as it: there is nothing to protect.
    return Caller(user, project_segment or project or default_project, admin=True, service=True)


@dataclass(frozen=True, slots=True)
class _Anybody:
    token: str | None
    default_project: str

    async def caller(self, asked: Asked) -> Caller:
        """Everybody may do everything."""
        return identify(self.token, asked.project_segment, self.default_project)


class NoAuth:
    """Takes everybody's word."""

    challenge: Final = "None"

    def __init__(self, default_project: str) -> None:
        self._default_project = default_project

    async def identify(self, credentials: Credentials) -> _Anybody:
        """Nobody is refused."""
        return _Anybody(credentials.token, self._default_project)

    async def close(self) -> None:
        """Nothing is held."""
