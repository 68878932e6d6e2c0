"""The facade's own login at Keystone, with which it asks about other people's tokens."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PASSWORD_VARIABLE: Final = "FAIRLEAD_KEYSTONE_PASSWORD"  # noqa: S105
"""Environment variable with the password, or with the application credential's secret. There is no option for it: a
command line is for everybody on the machine to read."""


@dataclass(frozen=True, kw_only=True)
class KeystoneOptions:
    """How Keystone is asked. No secret is in here, so it can be shown and logged.

    Attributes:
        url: Keystone's v3 address, such as `https://identity.example.org/v3`.
        public_url: the address that callers without a token are told; None: `url`.
        user: name of the facade's user.
        user_domain: name of its domain.
        project: name of the project it logs in to; its role there must allow validating tokens (`service`, `admin`).
        project_domain: name of the project's domain.
        application_credential: id of an application credential, instead of user and project.
        password_file: file with the password or the credential's secret, read anew at each login; None: the
            environment has it.
        ca_file: certificates to trust; None: the system's.
        cache_seconds: how long an answer about a token is kept at most. A revoked token works that much longer.
        service_roles: roles that make a service token one.
    """

    url: str = ""
    public_url: str | None = None
    user: str = "fairlead"
    user_domain: str = "Default"
    project: str = "service"
    project_domain: str = "Default"
    application_credential: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cache_seconds: float = 60.0
    service_roles: tuple[str, ...] = ("service",)

    @property
    def challenge(self) -> str:
        """What a caller without a token is told."""
        return f'Keystone uri="{self.public_url or self.url}"'


class NoPassword(Exception):
    """The facade's own password is missing; the message says where it was looked for."""


def read_password(options: KeystoneOptions, environment: Mapping[str, str] = os.environ) -> str:
    """Return the password, or the application credential's secret.

    Raises:
        NoPassword: there is none.
    """
    if options.password_file is not None:
        try:
            password = options.password_file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise NoPassword(f"password file {options.password_file}: {reason}") from None
        if not password:
            raise NoPassword(f"password file {options.password_file} is empty")
        return password
    password = environment.get(PASSWORD_VARIABLE, "")
    if not password:
        raise NoPassword(f"neither --keystone-password-file nor ${PASSWORD_VARIABLE} is given")
    return password


def login_body(options: KeystoneOptions, password: str) -> dict[str, Any]:
    """The body of `POST /v3/auth/tokens`."""
    if options.application_credential is not None:
        credential = {"id": options.application_credential, "secret": password}
        return {"auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}}
    user = {"name": options.user, "domain": {"name": options.user_domain}, "password": password}
    scope = {"project": {"name": options.project, "domain": {"name": options.project_domain}}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
