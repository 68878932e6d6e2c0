"""Log lines: for people on a terminal, as JSON for whatever collects them.

A line says what happened, and in fields of their own which request and which object it belongs to. Only the fields
named here are ever added: nothing that happens to hang on a record, and might be secret, gets out.
"""

import enum
import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any, Final

from fairlead_telemetry import correlation
from fairlead_telemetry.tracing import current_trace_id

FIELDS: Final = "fairlead_fields"
"""Attribute of a log record: more fields for the JSON line, for what a text line has in its message."""


class LogFormat(enum.StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"

    @classmethod
    def for_stream(cls, stream: IO[str]) -> "LogFormat":
        """Text where a person reads along."""
        return cls.TEXT if stream.isatty() else cls.JSON


def with_fields(**fields: Any) -> dict[str, Mapping[str, Any]]:
    """`extra` of a logging call: fields for the JSON line."""
    return {FIELDS: fields}


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record down."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **correlation.current(),
            **getattr(record, FIELDS, {}),
        }
        if (trace := current_trace_id()) is not None:
            line["trace_id"] = trace
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One line per record, with the request it belongs to at the end unless the message has it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Write a record down, without its traceback."""
        line = super().formatMessage(record)
        request = correlation.request_id()
        return line if request is None or request in line else f"{line} [{request}]"


def set_up(form: LogFormat | None, *, level: str, ours: tuple[str, ...], stream: IO[str] = sys.stderr) -> None:
    """Begin to log.

    Args:
        form: of the lines; None: as it suits the stream.
        level: of our own messages; those of others come from warnings on.
        ours: names of our loggers.
        stream: where to.
    """
    handler = logging.StreamHandler(stream)
    chosen = form or LogFormat.for_stream(stream)
    handler.setFormatter(JsonFormatter() if chosen is LogFormat.JSON else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ours:
        logging.getLogger(name).setLevel(level.upper())
