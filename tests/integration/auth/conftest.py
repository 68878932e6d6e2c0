"""A real Keystone, and a facade that asks it."""

from collections.abc import Iterator

import pytest

from accounts import People, TokenRest
from facades import RunningFacade, facade, write_private
from fairlead_devstack.keystone import Keystone, User
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.stack import Stack

CACHE_SECONDS = 2


@pytest.fixture(scope="session")
def keystone() -> Iterator[Keystone]:
    """Keystone with alice (member of demo), rita (reader of demo), oscar (member of other), admin and nova."""
    with ScratchFolder("keystone") as scratch, Keystone(scratch.path / "run") as running:
        yield running


@pytest.fixture(scope="session")
def keystone_door(stack: Stack, keystone: Keystone) -> Iterator[RunningFacade]:
    """A facade in auth mode keystone, named in the catalog."""
    password = write_private(stack.folder / "keystone-password", User("fairlead", "", "").password + "\n")
    options = (
        *("--auth", "keystone", "--keystone-url", keystone.url, "--keystone-password-file", str(password)),
        *("--keystone-cache-seconds", str(CACHE_SECONDS)),
    )
    with facade(stack, "facade-keystone", *options) as running:
        keystone.set_endpoint(running.url)
        yield running


@pytest.fixture
def people(keystone: Keystone, keystone_door: RunningFacade) -> People:
    """Callers by name, each with a fresh token."""
    homes = {"alice": "demo", "rita": "demo", "oscar": "other", "admin": "demo", "nova": "service"}

    def person(name: str) -> TokenRest:
        return TokenRest(keystone_door.url, None, keystone.token(name, homes[name]))

    return person
