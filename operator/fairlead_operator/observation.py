"""What there is to see of the operator whenever somebody looks: gauges, computed at each scrape.

Each object is shown by the one process that is in charge of it, so that sums over all processes are right. Looking
costs the same however many objects there are: what needs counting is counted as it changes.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fairlead_crds.conditions import ADMITTED, READY, ConditionStatus
from fairlead_crds.kinds import Attachment, AttachmentPhase
from fairlead_crds.names import LABEL_BACKEND
from fairlead_kube.store import Change
from fairlead_operator.runtime import Runtime

UNPLACED = ""
"""As a Backend's name: of none, so the controller's."""


class Observation(Collector):
    """Looks at a `Runtime`. Only from the event loop that owns it."""

    def __init__(self, runtime: Runtime, *, patience: float) -> None:
        self._runtime = runtime
        self._patience = timedelta(seconds=patience)
        self._phases: Counter[tuple[str, str]] = Counter()
        self._waiting: dict[str, tuple[str, datetime]] = {}
        self._leaving: dict[str, tuple[str, datetime]] = {}
        runtime.view.attachments.listen(self._on_attachment)

    def _on_attachment(self, change: Change[Attachment]) -> None:
        if change.before is not None:
            place = (_backend_of(change.before), change.before.status.phase)
            self._phases[place] -= 1
            if not self._phases[place]:
                del self._phases[place]
            self._waiting.pop(change.before.metadata.uid, None)
            self._leaving.pop(change.before.metadata.uid, None)
        if change.after is not None:
            self._phases[_backend_of(change.after), change.after.status.phase] += 1
            if (since := _waits_since(change.after)) is not None:
                self._waiting[change.after.metadata.uid] = (_backend_of(change.after), since)
            if (asked := change.after.metadata.deletion_timestamp) is not None:
                self._leaving[change.after.metadata.uid] = (_backend_of(change.after), asked)

    def describe(self) -> list[Metric]:
        """Name nothing in advance: the registry need not look while it is being built."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Look."""
        yield from self._leaders()
        yield from self._attachments()
        yield from self._queues()
        yield from self._backends()
        yield from self._watches()

    def _leaders(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("fairlead_leader", "Whether this process holds the Lease.", labels=["lease"])
        for lease, election in self._runtime.elections.items():
            family.add_metric([lease], float(election.leading))
        yield family

    def _attachments(self) -> Iterator[Metric]:
        now = datetime.now(UTC)
        served = self._served()
        phases = GaugeMetricFamily("fairlead_attachments", "Attachments by phase.", labels=["backend", "phase"])
        overdue = GaugeMetricFamily(
            "fairlead_attachments_overdue", "Attachments that wait for their volume longer than the patience set.",
            labels=["backend"],
        )  # fmt: skip
        detaching = GaugeMetricFamily(
            "fairlead_oldest_detach_age_seconds",
            "For how long the Attachment that was deleted first, of those still here, has been detaching.",
            labels=["backend"],
        )
        late = Counter(backend for backend, since in self._waiting.values() if now - since > self._patience)
        for backend in served:
            for phase in AttachmentPhase:
                phases.add_metric([backend, phase.value], float(self._phases[backend, phase]))
            overdue.add_metric([backend], float(late[backend]))
            asked = [at for name, at in self._leaving.values() if name == backend]
            detaching.add_metric([backend], (now - min(asked, default=now)).total_seconds())
        yield from (phases, overdue, detaching)

    def _served(self) -> list[str]:
        served = [name for name, worker in self._runtime.workers.items() if worker.service is not None]
        return [*served, UNPLACED] if self._runtime.controls else served

    def _queues(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("fairlead_queue_keys", "Objects queued or being looked at.", labels=["backend"])
        oldest = GaugeMetricFamily(
            "fairlead_queue_oldest_key_age_seconds", "How long the longest-waiting object has waited for its pass.",
            labels=["backend"],
        )  # fmt: skip
        for name, worker in self._runtime.workers.items():
            if worker.service is not None:
                depth.add_metric([name], float(len(worker.service.queue)))
                oldest.add_metric([name], worker.service.queue.oldest)
        yield depth
        yield oldest

    def _backends(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily("fairlead_backend_ready", "Whether the Backend can be used.", labels=["backend"])
        total = GaugeMetricFamily("fairlead_backend_capacity_bytes", "Size of its storage.", labels=["backend"])
        free = GaugeMetricFamily("fairlead_backend_free_bytes", "What is left of it.", labels=["backend"])
        unknown = GaugeMetricFamily(
            "fairlead_unknown_exports", "Exports that are not Fairlead's, as the last sweep saw them.",
            labels=["backend"],
        )  # fmt: skip
        lost = GaugeMetricFamily(
            "fairlead_volumes_lost", "Volumes whose data were missing or cut short at the last sweep.",
            labels=["backend"],
        )  # fmt: skip
        for name, worker in self._runtime.workers.items():
            backend = self._runtime.view.backends.get(name)
            if (service := worker.service) is None or backend is None:
                continue
            conditions = backend.status.conditions
            holds = any(c.type == READY and c.status is ConditionStatus.TRUE for c in conditions)
            ready.add_metric([name], float(holds and service.unready is None))
            if (capacity := backend.status.capacity) is not None:
                total.add_metric([name], float(capacity.total))
                free.add_metric([name], float(capacity.free))
            unknown.add_metric([name], float(worker.foreign_exports))
            lost.add_metric([name], float(len(service.lost)))
        yield from (ready, total, free, unknown, lost)

    def _watches(self) -> Iterator[Metric]:
        last = GaugeMetricFamily(
            "fairlead_watch_last_event_timestamp_seconds",
            "When the watch began or last told of a change.",
            labels=["resource"],
        )
        lag = GaugeMetricFamily(
            "fairlead_watch_lag_seconds", "For how long the watch has not told of a change that is known to be.",
            labels=["resource"],
        )  # fmt: skip
        for kind, at in self._runtime.view.watch.last_events.items():
            last.add_metric([kind], at)
        for kind, seconds in self._runtime.view.watch.lags.items():
            lag.add_metric([kind], seconds)
        objects = GaugeMetricFamily("fairlead_cache_objects", "Objects known of a resource.", labels=["resource"])
        for kind, count in self._runtime.view.counts.items():
            objects.add_metric([kind], float(count))
        yield from (last, lag, objects)


def _backend_of(item: Attachment) -> str:
    return item.status.backend_name or item.metadata.labels.get(LABEL_BACKEND) or UNPLACED


def _waits_since(item: Attachment) -> datetime | None:
    """Since when it waits for its volume, by the same clock as the Event that says so."""
    if item.status.phase is not AttachmentPhase.PENDING or item.deleting:
        return None
    for found in item.status.conditions:
        if found.type == ADMITTED and found.status is ConditionStatus.FALSE:
            return found.last_transition_time
    return item.metadata.creation_timestamp
