"""The operator's instruments: what is counted as it happens. What is only looked at is in `observation`.

No label ever holds the name of a volume, an attachment or a node: there would be no end of them.
"""

from typing import Final

from prometheus_client import Counter, Histogram

STAGE_SECONDS: Final = Histogram(
    "fairlead_attachment_stage_duration_seconds",
    "Time for a stage of an Attachment's life: admitted (since it was seen, waiting for the volume included), exported "
    "(since it was admitted and its node known), gone (since its deletion was seen).",
    ["backend", "stage"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
PASSES: Final = Counter(
    "fairlead_passes_total",
    "Passes over an object, by how they ended: done, again (to be looked at later), failed (an error of our own).",
    ["backend", "kind", "outcome"],
)
DRIVER_SECONDS: Final = Histogram(
    "fairlead_driver_call_duration_seconds",
    "Time for a call of a driver, whatever came of it.",
    ["backend", "operation"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 20),
)
DRIVER_ERRORS: Final = Counter(
    "fairlead_driver_errors_total",
    "Calls of a driver that failed, by class of error; Abandoned: given up waiting for.",
    ["backend", "operation", "error"],
)
WATCH_EVENTS: Final = Counter("fairlead_watch_events_total", "Changes that the watch told of.", ["resource"])
SWEEPS: Final = Counter(
    "fairlead_sweeps_total",
    "Comparisons of all exports with all Attachments, by outcome: done or failed.",
    ["backend", "outcome"],
)
ORPHANS: Final = Counter(
    "fairlead_orphan_exports_removed_total", "Exports removed because no Attachment owned them.", ["backend"]
)
