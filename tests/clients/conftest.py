"""The running facade in a catalog, as unmodified clients find it."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from compute import serving
from fairlead_api.volumes.actions import SINCE
from fairlead_devstack.stack import Stack
from rest import Rest

from .catalog import Catalog
from .conformance import observe, report

HERE = Path(__file__).parent
REPORT = HERE.parents[1] / "docs" / "conformance.md"
ACTION_PATHS = {
    "/v3/attachments/{attachment_id}/action": ("os-complete",),
    "/v3/volumes/{volume_id}/action": tuple(SINCE),
}


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


PASSED = pytest.StashKey[set[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests passed."""
    outcome = yield
    if outcome.when == "call" and outcome.passed:
        item.session.stash.setdefault(PASSED, set()).add(item.nodeid)
    return outcome


@pytest.fixture(scope="session", autouse=True)
def conformance_report(request: pytest.FixtureRequest, stack: Stack) -> Iterator[None]:
    """Write the conformance report when every client's tests ran and passed."""
    yield
    session = request.session
    ours = {item.nodeid for item in session.items if item.path.parent == HERE}
    files = {item.path.name for item in session.items if item.path.parent == HERE}
    whole = files == {path.name for path in HERE.glob("test_*.py")}
    if not whole or session.stash.get(PASSED, set()) < ours:
        return
    document = Rest(stack.facade_url).ok("GET", "//openapi.json", status=200)
    log = (stack.folder / "facade.log").read_text().splitlines()
    REPORT.write_text(report(observe(log, document["paths"]), document, ACTION_PATHS))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder without anybody's clouds.yaml."""
    return tmp_path
