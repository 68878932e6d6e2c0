"""Traces: one request followed from the REST call through the resource to the driver's effect.

The way from facade to operator leads through the API server, so the context travels as annotations of the object, in
the very write that the request makes anyway. Off unless an OTLP endpoint is named; then the SDK, an extra of the
distribution, must be installed.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from fairlead_crds import names
from fairlead_telemetry import correlation

_INSTALL: Final = "traces need the OpenTelemetry SDK: install fairlead[tracing]"
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""W3C Trace Context, version 00."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")

_tracer = trace.get_tracer("fairlead")


class TracingUnavailable(Exception):
    """An endpoint was named but the SDK is not installed; the message says what to install."""


@contextlib.contextmanager
def exporting(service: str, version: str, endpoint: str | None) -> Iterator[None]:
    """Send spans to an OTLP/HTTP endpoint while in the context; without one, do nothing.

    Args:
        service: name of this process.
        version: of it.
        endpoint: such as http://collector:4318; the path /v1/traces is added.

    Raises:
        TracingUnavailable: the SDK is missing.
    """
    if endpoint is None:
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingUnavailable(_INSTALL) from error
    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": version}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    # In a thread of its own: a collector that is slow or gone costs spans, never a request.
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


@contextlib.contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: SpanContext | None = None,
    link: SpanContext | None = None,
    **attributes: str | int,
) -> Iterator[trace.Span]:
    """A span around some work. An exception that leaves it makes it an error; who called decides what it means.

    Args:
        name: of the kind of work, the same for each.
        kind: its role.
        parent: in another process; None: the span under way here, if any.
        link: another span that led to this work without being its cause.
        attributes: what it is about; dots in names are written as double underscores.
    """
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent is not None else None
    with _tracer.start_as_current_span(
        name,
        context=context,
        kind=kind,
        links=[Link(link)] if link is not None else None,
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as error:
            # The class alone: a message may quote what a collector should not have.
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def current_trace_id() -> str | None:
    """The trace under way, when spans are made at all."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


def annotations() -> dict[str, str]:
    """What an object should carry so that whoever works on it next knows the request: annotations."""
    carried: dict[str, str] = {}
    if (request := correlation.request_id()) is not None:
        carried[names.ANNOTATION_REQUEST_ID] = request
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        carried[names.ANNOTATION_TRACEPARENT] = (
            f"00-{trace.format_trace_id(context.trace_id)}-{trace.format_span_id(context.span_id)}"
            f"-{context.trace_flags:02x}"
        )
    return carried


def carried_request(metadata: Mapping[str, str]) -> str | None:
    """The request id in an object's annotations, if it looks like one."""
    found = metadata.get(names.ANNOTATION_REQUEST_ID)
    return found if found is not None and _REQUEST_ID.fullmatch(found) else None


def carried_span(metadata: Mapping[str, str]) -> SpanContext | None:
    """The span in an object's annotations."""
    return parse_traceparent(metadata.get(names.ANNOTATION_TRACEPARENT, ""))


def parse_traceparent(text: str) -> SpanContext | None:
    """Read a span of another process, as W3C Trace Context writes it; None: it is none."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    context = SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16))
    )
    return context if context.is_valid else None


def set_attributes(current: trace.Span, **attributes: Any) -> None:
    """Add what was learnt meanwhile; dots in names are written as double underscores."""
    for key, value in attributes.items():
        if value is not None:
            current.set_attribute(key.replace("__", "."), value)
