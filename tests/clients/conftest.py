"""The running facade in a catalog, as unmodified clients find it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead_devstack.stack import Stack
from rest import Rest

from .catalog import Catalog, serving


@pytest.fixture
def rest(stack: Stack, namespace: str) -> Rest:
    """The facade without a client, to look at what a client did."""
    return Rest(stack.facade_url, namespace)


@pytest.fixture(params=["with-project", "without-project"])
def catalog(request: pytest.FixtureRequest, rest: Rest) -> Iterator[Catalog]:
    """Identity and compute, with the facade's endpoint in the catalog, the project in its URL or not."""
    endpoint = rest.endpoint if request.param == "with-project" else f"{rest.url}/v3"
    assert rest.project is not None
    with serving(Catalog(endpoint, rest.project)) as served:
        yield served


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder without anybody's clouds.yaml."""
    return tmp_path
