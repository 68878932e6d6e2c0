"""What an endpoint of the API may take."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from fastapi import APIRouter, Request, Response

from fairlead_api.protocol.route import ApiRoute


async def _takes_a_query(item_id: str, request: Request, limit: int = 10) -> Response:
    return Response(f"{item_id} {limit} {request.method}")


async def _leaves_out_the_path(request: Request) -> Response:
    return Response(request.method)


@pytest.mark.parametrize("endpoint", [_takes_a_query, _leaves_out_the_path])
def test_an_endpoint_that_the_route_would_not_call_right_is_refused(
    endpoint: Callable[..., Coroutine[Any, Any, Response]],
) -> None:
    router = APIRouter(route_class=ApiRoute)
    with pytest.raises(TypeError, match="/items/"):
        router.add_api_route("/items/{item_id}", endpoint, response_model=None)
