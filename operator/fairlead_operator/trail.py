"""Follows a request into the pass that it caused: its id in the log lines, its trace around the spans."""

import contextlib
import logging
from collections.abc import Iterator

from opentelemetry.trace import SpanKind

from fairlead_crds.kinds import Attachment, Backend, Volume
from fairlead_operator.metrics import PASSES
from fairlead_operator.queue import Again
from fairlead_operator.view import Key
from fairlead_telemetry.correlation import bound
from fairlead_telemetry.tracing import carried_request, carried_span, span

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def a_pass(key: Key, item: Attachment | Volume | Backend | None, backend: str) -> Iterator[None]:
    """Make one pass in the name of the request that last wrote the object, and count it.

    Args:
        key: of the object.
        item: as last seen; None: it is gone.
        backend: in charge.
    """
    annotations = item.metadata.annotations if item is not None else {}
    caused_by = carried_span(annotations)
    # The annotation stays; what is done after the request was answered (a repair, a sweep) is no part of its trace.
    news = item is not None and item.status.observed_generation < item.metadata.generation
    outcome = "failed"
    with (
        bound(request_id=carried_request(annotations), object=str(key), backend=backend),
        span(
            f"reconcile {key.kind}",
            kind=SpanKind.CONSUMER,
            parent=caused_by if news else None,
            link=None if news else caused_by,
            fairlead__object=str(key),
            fairlead__backend=backend,
        ),
    ):
        try:
            yield
            outcome = "done"
        except Again:
            outcome = "again"
            raise
        finally:
            PASSES.labels(backend, key.kind, outcome).inc()
