"""A Backend for each module that hurts its operators."""

from collections.abc import Iterator

import pytest

from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.scratch import ScratchFolder
from own_backend import OwnBackend


@pytest.fixture(scope="module")
def own_backend(control_plane: ControlPlane) -> Iterator[OwnBackend]:
    """A Backend that no other test's operator serves."""
    with ScratchFolder("own-backend") as scratch:
        own = OwnBackend(control_plane, scratch.path)
        try:
            yield own
        finally:
            own.remove()
