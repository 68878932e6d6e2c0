"""What belongs to no Backend is told so, whatever the API server answers meanwhile."""

import asyncio
import logging
from typing import Any

import pytest

from fairlead_crds.conditions import ADMITTED, Reason, find
from fairlead_kube.client import KubeClient
from fairlead_kube.errors import Conflict, KubeError, NotFound, Unavailable
from fairlead_operator.lease import Tenure
from fairlead_operator.lister import Lister
from fairlead_operator.settings import Settings
from fairlead_operator.unplaced import UnplacedController
from fairlead_operator.view import View
from fairlead_operator.writes import Writer
from unit.model.api_server import ApiServer
from unit.model.virtual_time import run

PLACE = "/apis/fairlead.dev/v1alpha1/namespaces/n/attachments"
OLD = Conflict(409, "Conflict", "the object has been modified")
AWAY = Unavailable(0, "Unavailable", "connection refused")


class RefusingClient(KubeClient):
    """The real client, on a simulated API server that refuses some requests first."""

    streams_lists = False

    def __init__(self, server: ApiServer, refusals: dict[tuple[str, str], list[KubeError]]) -> None:
        self._server = server
        self._refusals = refusals

    async def request(self, method: str, path: str, **options: Any) -> Any:
        if refusals := self._refusals.get((method, path.rsplit("/", 1)[-1])):
            raise refusals.pop(0)
        given = {key: options.get(key) for key in ("params", "body", "content_type")}
        return self._server.request("operator", method, path, now="2030-01-01T00:00:00Z", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("first", [OLD, NotFound(404, "NotFound", "gone")], ids=["conflict", "not found"])
def test_a_refresh_that_fails_is_one_warning_and_is_tried_again(
    first: KubeError, caplog: pytest.LogCaptureFixture
) -> None:
    """Matrix: what the write was refused with. The API server goes away between that and the read after it."""
    server = ApiServer(lambda write: None)
    body = {"metadata": {"name": "lost"}, "spec": {"volumeName": "nowhere"}}
    server.request("kubectl", "POST", PLACE, params={}, body=body, content_type="merge", now="2030-01-01T00:00:00Z")
    client = RefusingClient(server, {("PATCH", "status"): [first], ("GET", "lost"): [AWAY]})

    async def serve_until_told() -> None:
        view = View()
        view.take(server.find("attachments", "lost"))
        controller = UnplacedController(client, view, Lister(client, view), Writer(client, view), Settings())
        serving = asyncio.create_task(controller.run(Tenure("controller", "1")))
        await view.attachments.wait("lost", "n", lambda a: a is not None and bool(a.status.conditions))
        serving.cancel()

    with caplog.at_level(logging.WARNING):
        run(serve_until_told())

    admitted = find(server.find("attachments", "lost").status.conditions, ADMITTED)
    assert admitted is not None
    assert admitted.reason == Reason.VOLUME_NOT_FOUND
    told = [(record.levelname, record.exc_info) for record in caplog.records]
    assert told == [("WARNING", None)]
    assert "Attachment n/lost" in caplog.text
    assert "connection refused" in caplog.text
