"""Asking Keystone whose a token is (Identity v3, `GET /v3/auth/tokens`).

Small on purpose: one request per unknown token. keystonemiddleware does the same for WSGI, synchronously.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
import pydantic_core

from fairlead_api.identity.keystone_login import KeystoneOptions, NoPassword, login_body, read_password
from fairlead_api.protocol.faults import Unavailable

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10, sock_connect=3)
_RENEW_BEFORE: Final = timedelta(seconds=60)
_PAUSE_AFTER_REFUSED_LOGIN: Final = 1.0
"""Seconds. Keystone locks accounts out after a number of wrong passwords; a busy facade must not be what does it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """What Keystone says of a valid token.

    Attributes:
        user: id of its user.
        project: id of the project it is for; None: for none.
        roles: names, in small letters.
        expires: when it ends.
    """

    user: str
    project: str | None
    roles: frozenset[str]
    expires: datetime

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Token":
        """Read Keystone's answer.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        token = body["token"]
        return cls(
            user=str(token["user"]["id"]),
            project=str(token["project"]["id"]) if token.get("project") else None,
            roles=frozenset(str(role["name"]).lower() for role in token.get("roles", ())),
            expires=_moment(token["expires_at"]),
        )


class _Refused(Exception):
    """Keystone does not take our own token."""


class KeystoneTokens:
    """Validates tokens with the facade's own login, which it renews when need be."""

    def __init__(self, options: KeystoneOptions) -> None:
        self._options = options
        self._url = f"{options.url.rstrip('/')}/auth/tokens"
        self._session: aiohttp.ClientSession | None = None
        self._own = ""
        self._own_until = datetime.min.replace(tzinfo=UTC)
        self._login = asyncio.Lock()
        self._login_not_before = 0.0

    async def validate(self, token: str, *, allow_expired: bool = False) -> Token | None:
        """Return what a token stands for; None: it is not valid.

        Args:
            token: the token.
            allow_expired: take one that has expired within Keystone's window too, as a service may present it that
                took long to do what its user asked for.

        Raises:
            Unavailable: Keystone cannot be asked.
        """
        for _ in range(2):
            own = await self._own_token()
            try:
                return await self._ask(token, own, allow_expired)
            except _Refused:
                # It was revoked, or Keystone has lost its keys. Log in anew, once.
                self._forget(own)
        raise _unavailable("it refuses the token it has just given the facade")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, token: str, own: str, allow_expired: bool) -> Token | None:
        headers = {"X-Auth-Token": own, "X-Subject-Token": token}
        params = {"nocatalog": "1", **({"allow_expired": "1"} if allow_expired else {})}
        status, _, body = await self._send("GET", headers=headers, params=params)
        match status:
            case 200:
                try:
                    return Token.parse(body)
                except (KeyError, TypeError, ValueError):
                    raise _unavailable("its answer about a token is not understood") from None
            case 404:
                return None
            case 401:
                raise _Refused
            case 403:
                raise _unavailable("the facade's user has no role that lets it validate tokens")
            case _:
                raise _unavailable(f"it answers {status}")

    async def _own_token(self) -> str:
        if self._own and datetime.now(UTC) < self._own_until:
            return self._own
        async with self._login:
            if self._own and datetime.now(UTC) < self._own_until:
                return self._own
            now = asyncio.get_running_loop().time()
            if now < self._login_not_before:
                raise _unavailable("it has just refused the facade's own login")
            try:
                password = read_password(self._options)
            except NoPassword as error:
                raise _unavailable(str(error)) from None
            status, headers, body = await self._send("POST", json=login_body(self._options, password))
            if status != 201:
                self._login_not_before = now + _PAUSE_AFTER_REFUSED_LOGIN
                raise _unavailable(f"it answers {status} to the facade's own login")
            try:
                self._own = headers["X-Subject-Token"]
                self._own_until = _moment(body["token"]["expires_at"]) - _RENEW_BEFORE
            except (KeyError, TypeError, ValueError):
                raise _unavailable("its answer to a login is not understood") from None
            return self._own

    def _forget(self, own: str) -> None:
        if self._own == own:
            self._own = ""

    async def _send(self, method: str, **options: Any) -> tuple[int, Mapping[str, str], Any]:
        if self._session is None:
            context = ssl.create_default_context(cafile=self._options.ca_file)
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=32))
        for attempt in (1, 2):
            try:
                async with self._session.request(
                    method, self._url, timeout=_TIMEOUT, allow_redirects=False, **options
                ) as response:
                    return response.status, response.headers, _decode(await response.read())
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError) as error:
                # A connection kept from before Keystone's restart; both requests may be repeated.
                if attempt == 2:
                    raise _unavailable(str(error) or type(error).__name__) from None
            except (aiohttp.ClientError, TimeoutError) as error:
                raise _unavailable(str(error) or type(error).__name__) from None
        raise AssertionError("the loop above returns or raises")


def _decode(content: bytes) -> Any:
    try:
        return pydantic_core.from_json(content)
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _unavailable(why: str) -> Unavailable:
    _log.warning("Keystone: %s", why)
    return Unavailable("The identity service cannot be reached. Please try again at a later time.")
