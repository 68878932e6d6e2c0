"""A driver whose calls are measured, counted and traced: every driver is used through this one."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from opentelemetry.trace import SpanKind

from fairlead_operator.drivers.base import (
    BackendVolume,
    Capabilities,
    ConnectionInfo,
    Driver,
    DriverError,
    DriverUnavailable,
    Export,
    ExportRequest,
    Fenced,
    IncompleteConnector,
    Listing,
    OutOfSpace,
    Parameters,
    Session,
    Stats,
    UnknownOutcome,
)
from fairlead_operator.metrics import DRIVER_ERRORS, DRIVER_SECONDS
from fairlead_telemetry.tracing import span

_KNOWN: Final = (DriverUnavailable, UnknownOutcome, IncompleteConnector, OutOfSpace, Fenced, DriverError, TimeoutError)


class MeasuredDriver(Driver):
    """Passes every call on to another driver."""

    parameters_model = Parameters
    capabilities = Capabilities(protocol="")  # of the driver inside, set on each instance

    def __init__(self, inner: Driver, *, backend: str) -> None:
        self._backend = backend
        self._inner = inner
        # The contract has class attributes here; ours are those of whatever is inside.
        self.parameters_model = inner.parameters_model  # type: ignore[misc]
        self.capabilities = inner.capabilities  # type: ignore[misc]

    @contextlib.contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            with span(f"driver {operation}", kind=SpanKind.CLIENT, fairlead__backend=self._backend):
                yield
        except asyncio.CancelledError:
            DRIVER_ERRORS.labels(self._backend, operation, "Abandoned").inc()
            raise
        except Exception as error:
            # Another package's driver may raise anything; a class of its own would be a label without end.
            name = next((kind.__name__ for kind in _KNOWN if isinstance(error, kind)), "Other")
            DRIVER_ERRORS.labels(self._backend, operation, name).inc()
            raise
        finally:
            DRIVER_SECONDS.labels(self._backend, operation).observe(time.perf_counter() - started)

    async def start(self) -> None:
        """See `Driver`."""
        with self._call("start"):
            await self._inner.start()

    async def stop(self) -> None:
        """See `Driver`."""
        with self._call("stop"):
            await self._inner.stop()

    async def fence(self, epoch: str) -> None:
        """See `Driver`."""
        with self._call("fence"):
            await self._inner.fence(epoch)

    async def check(self) -> None:
        """See `Driver`."""
        with self._call("check"):
            await self._inner.check()

    @property
    def generation(self) -> str:
        """See `Driver`."""
        return self._inner.generation

    async def stats(self) -> Stats:
        """See `Driver`."""
        with self._call("stats"):
            return await self._inner.stats()

    async def create_volume(self, volume: BackendVolume) -> None:
        """See `Driver`."""
        with self._call("create_volume"):
            await self._inner.create_volume(volume)

    async def extend_volume(self, volume: BackendVolume) -> None:
        """See `Driver`."""
        with self._call("extend_volume"):
            await self._inner.extend_volume(volume)

    async def volume_size(self, handle: str) -> int | None:
        """See `Driver`."""
        with self._call("volume_size"):
            return await self._inner.volume_size(handle)

    async def volume_sizes(self, handles: Sequence[str]) -> Mapping[str, int | None]:
        """See `Driver`."""
        with self._call("volume_sizes"):
            return await self._inner.volume_sizes(handles)

    async def delete_volume(self, handle: str) -> None:
        """See `Driver`."""
        with self._call("delete_volume"):
            await self._inner.delete_volume(handle)

    def validate_connector(self, connector: Mapping[str, Any]) -> str:
        """See `Driver`. Not measured: it asks nobody."""
        return self._inner.validate_connector(connector)

    async def create_export(self, request: ExportRequest) -> ConnectionInfo:
        """See `Driver`."""
        with self._call("create_export"):
            return await self._inner.create_export(request)

    async def get_export(self, handle: str) -> Export | None:
        """See `Driver`."""
        with self._call("get_export"):
            return await self._inner.get_export(handle)

    async def remove_export(self, handle: str) -> Sequence[Session]:
        """See `Driver`."""
        with self._call("remove_export"):
            return await self._inner.remove_export(handle)

    async def list_exports(self) -> Listing:
        """See `Driver`."""
        with self._call("list_exports"):
            return await self._inner.list_exports()
