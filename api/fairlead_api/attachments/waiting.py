"""Waiting for the operator, on the watch that fills the mirror."""

import asyncio
import time
from collections.abc import Callable

from fairlead_api.attachments.state import Verdict
from fairlead_api.metrics import WAITED, WAITING
from fairlead_crds.kinds import Attachment
from fairlead_kube.store import Store
from fairlead_telemetry.tracing import span

Judge = Callable[[Attachment | None], Verdict | None]
"""Given an attachment's newest version (None: it is gone), how the operator has answered; None: not yet."""


async def wait_for_operator(
    store: Store[Attachment], written: Attachment, judge: Judge, limit: float
) -> tuple[Attachment | None, Verdict | None]:
    """Wait for a verdict; without one within `limit` seconds, None."""
    meta = written.metadata
    started = time.perf_counter()
    with span("wait for operator"), WAITING.track_inprogress():
        try:
            async with asyncio.timeout(limit):
                item = await store.wait(meta.name, meta.namespace, lambda item: judge(item) is not None)
        except TimeoutError:
            item = store.get(meta.name, meta.namespace)
        verdict = judge(item)
        WAITED.labels(verdict.name.lower() if verdict is not None else "timeout").observe(time.perf_counter() - started)
    return item, verdict
