"""The running facade as a project's caller; the project is the test's own namespace."""

import pytest

from fairlead_devstack.stack import Stack
from rest import Rest


@pytest.fixture
def rest(stack: Stack, namespace: str) -> Rest:
    """The REST door to the running stack, in a project of its own."""
    return Rest(stack.facade_url, namespace)


@pytest.fixture
def anywhere(stack: Stack) -> Rest:
    """The REST door without a project in the URL."""
    return Rest(stack.facade_url)
