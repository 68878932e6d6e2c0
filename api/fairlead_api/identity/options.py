"""The options of the authentication modes."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from fairlead_api.identity.keystone_login import PASSWORD_VARIABLE, KeystoneOptions
from fairlead_api.identity.reviews import KubernetesOptions

NOAUTH: Final = "noauth"
KEYSTONE: Final = "keystone"
KUBERNETES: Final = "kubernetes"
MODES: Final = (NOAUTH, KEYSTONE, KUBERNETES)

_KEYSTONE: Final = KeystoneOptions()
_KUBERNETES: Final = KubernetesOptions()


def add_options(parser: argparse.ArgumentParser, default: Callable[[str, str | None], str | None]) -> None:
    """Add the options.

    Args:
        parser: where.
        default: given an option's name in capitals and its default, what the environment says.
    """
    # FAIRLEAD_AUTH and FAIRLEAD_AUTH_MODE are one setting, as --auth and --auth-mode are.
    parser.add_argument(
        "--auth",
        "--auth-mode",
        dest="auth_mode",
        choices=MODES,
        default=default("AUTH", default("AUTH_MODE", NOAUTH)),
        help="who vouches for callers; noauth: nobody does and everybody is an administrator (default: noauth)",
    )
    keystone = parser.add_argument_group(
        "auth mode keystone", f"The facade's own password is read from a file or from ${PASSWORD_VARIABLE}."
    )

    def text(group: argparse._ArgumentGroup, option: str, fallback: str | None, help_: str) -> None:
        name = option.lstrip("-").replace("-", "_").upper()
        shown = f" (default: {fallback})" if fallback else ""
        group.add_argument(option, default=default(name, fallback), help=help_ + shown)

    text(keystone, "--keystone-url", None, "Keystone's address, such as https://identity.example.org/v3")
    text(keystone, "--keystone-public-url", None, "the address that callers without a token are told")
    text(keystone, "--keystone-user", _KEYSTONE.user, "the facade's user")
    text(keystone, "--keystone-user-domain", _KEYSTONE.user_domain, "name of its domain")
    text(keystone, "--keystone-project", _KEYSTONE.project, "project to log in to")
    text(keystone, "--keystone-project-domain", _KEYSTONE.project_domain, "name of its domain")
    text(keystone, "--keystone-application-credential", None, "id of an application credential, instead of a user")
    text(keystone, "--keystone-password-file", None, "file with the password, or with the credential's secret")
    text(keystone, "--keystone-ca-file", None, "certificates to trust Keystone by")
    text(keystone, "--keystone-service-roles", ",".join(_KEYSTONE.service_roles), "roles of service tokens")
    _seconds_option(keystone, "--keystone-cache-seconds", _KEYSTONE.cache_seconds, default)
    kubernetes = parser.add_argument_group("auth mode kubernetes")
    text(kubernetes, "--token-audiences", None, "tokens must be for one of these; default: the API server's own")
    _seconds_option(kubernetes, "--review-cache-seconds", _KUBERNETES.cache_seconds, default)


def keystone_options(found: argparse.Namespace) -> KeystoneOptions:
    """Return what the command line says of Keystone."""
    return KeystoneOptions(
        url=(found.keystone_url or "").rstrip("/"),
        public_url=found.keystone_public_url,
        user=found.keystone_user,
        user_domain=found.keystone_user_domain,
        project=found.keystone_project,
        project_domain=found.keystone_project_domain,
        application_credential=found.keystone_application_credential,
        password_file=_path(found.keystone_password_file),
        ca_file=_path(found.keystone_ca_file),
        cache_seconds=found.keystone_cache_seconds,
        service_roles=_words(found.keystone_service_roles),
    )


def kubernetes_options(found: argparse.Namespace) -> KubernetesOptions:
    """Return what the command line says of the API server's reviews."""
    return KubernetesOptions(audiences=_words(found.token_audiences), cache_seconds=found.review_cache_seconds)


def complaint(mode: str, keystone: KeystoneOptions, environment: Mapping[str, str]) -> str | None:
    """Say what a mode lacks; None: nothing."""
    if mode != KEYSTONE:
        return None
    if not keystone.url.startswith(("https://", "http://")):
        return "auth mode keystone needs --keystone-url, such as https://identity.example.org/v3"
    if keystone.password_file is None and not environment.get(PASSWORD_VARIABLE):
        return f"auth mode keystone needs the facade's password: --keystone-password-file or ${PASSWORD_VARIABLE}"
    return None


def _seconds_option(
    group: argparse._ArgumentGroup, option: str, fallback: float, default: Callable[[str, str | None], str | None]
) -> None:
    name = option.lstrip("-").replace("-", "_").upper()
    group.add_argument(
        option,
        type=_seconds,
        default=default(name, f"{fallback:g}"),
        metavar="SECONDS",
        help=f"how long an answer is kept; what is revoked works that much longer (default: {fallback:g})",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; use seconds, 0 to 3600")
    return value


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
