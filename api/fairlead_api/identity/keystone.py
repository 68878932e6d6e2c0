"""Mode `keystone`: tokens of OpenStack's identity service, and its roles.

`admin` may everything in every project, `member` may what changes things in the token's project, anybody else
(`reader`, too) only reads there. Only a service token makes a caller a service: no role of the user's does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from fairlead_api.identity.authenticator import Asked, Credentials, Unauthenticated
from fairlead_api.identity.caller import Caller
from fairlead_api.identity.keystone_login import KeystoneOptions
from fairlead_api.identity.keystone_tokens import KeystoneTokens, Token
from fairlead_api.identity.token_cache import Kept, TokenCache, fingerprint
from fairlead_api.protocol.faults import BadRequest, Forbidden

_ADMIN: Final = "admin"
_MEMBERS: Final = frozenset({"member", "manager"})
_CACHE_SIZE: Final = 8192
_REFUSAL_SECONDS: Final = 5.0
"""How long a refusal is kept. Short: Keystone's replicas may learn of a new token at different times."""


@dataclass(frozen=True, slots=True)
class KeystoneIdentity:
    """A user's valid token, and whether a service vouches for the request."""

    token: Token
    service: bool

    async def caller(self, asked: Asked) -> Caller:
        """Hold the URL against the token, and say what its roles allow.

        Raises:
            BadRequest: the URL names another project than the token.
            Forbidden: the token is for no project.
        """
        project = self.token.project
        if asked.project_segment is not None and asked.project_segment != project:
            raise BadRequest("Malformed request url")
        if project is None:
            raise Forbidden("The token is not scoped to a project. Log in to one.")
        roles = self.token.roles
        return Caller(
            self.token.user,
            project,
            admin=_ADMIN in roles,
            member=bool(_MEMBERS & roles),
            service=self.service,
        )


class KeystoneAuth:
    """Validates tokens at Keystone."""

    def __init__(self, options: KeystoneOptions) -> None:
        self._options = options
        self._tokens = KeystoneTokens(options)
        self._service_roles = frozenset(role.lower() for role in options.service_roles)
        self._cache: TokenCache[Token | None] = TokenCache(_CACHE_SIZE)

    @property
    def challenge(self) -> str:
        """Where to get a token."""
        return self._options.challenge

    async def identify(self, credentials: Credentials) -> KeystoneIdentity:
        """Validate the user's token, and the service's if there is one.

        Raises:
            Unauthenticated: one of them is not valid, or there is none of a user.
            Unavailable: Keystone cannot be asked.
        """
        if credentials.token is None:
            raise Unauthenticated
        service = False
        if credentials.service_token is not None:
            vouching = await self._valid(credentials.service_token)
            service = bool(vouching.roles & self._service_roles)
        return KeystoneIdentity(await self._valid(credentials.token, allow_expired=service), service)

    async def close(self) -> None:
        """Close the connections to Keystone."""
        await self._tokens.close()

    async def _valid(self, token: str, *, allow_expired: bool = False) -> Token:
        async def look() -> Kept[Token | None]:
            found = await self._tokens.validate(token, allow_expired=allow_expired)
            return Kept(found, _REFUSAL_SECONDS if found is None else self._life(found, allow_expired))

        found = await self._cache.get((fingerprint(token), allow_expired), look)
        if found is None or not (allow_expired or datetime.now(UTC) < found.expires):
            raise Unauthenticated
        return found

    def _life(self, token: Token, allow_expired: bool) -> float:
        longest = self._options.cache_seconds
        left = (token.expires - datetime.now(UTC)).total_seconds()
        return longest if allow_expired else min(longest, left)
