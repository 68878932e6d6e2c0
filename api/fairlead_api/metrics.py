"""The facade's instruments.

Labels hold the templates of paths, never paths, and the methods of HTTP that there are: a caller must not be able to
make new ones.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client import Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fairlead_api.cache.mirror import Mirror

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ENDPOINT: Final = "none"
"""As an endpoint: what was answered before, or for lack of, one."""

_SECONDS: Final = Histogram(
    "fairlead_rest_request_duration_seconds",
    "Time to answer a request, waiting for the operator included. Status 0: the client had gone.",
    ["method", "endpoint", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
IN_FLIGHT: Final = Gauge("fairlead_rest_requests_in_flight", "Requests being served.")
WAITING: Final = Gauge("fairlead_rest_operator_waits", "Requests that wait for the operator.")
WAITED: Final = Histogram(
    "fairlead_rest_operator_wait_duration_seconds",
    "Time that a request waited for the operator, by what it learnt; timeout: nothing.",
    ["outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

# There from the start: an increase can only be seen from a value that was there before.
WAITED.labels("timeout")


def count_request(method: str, endpoint: str, status: int, seconds: float) -> None:
    """Count a request that was answered."""
    _SECONDS.labels(method if method in _METHODS else "other", endpoint, status).observe(seconds)


class CacheFreshness(Collector):
    """Looks at the mirror whenever somebody looks at the metrics."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def describe(self) -> list[Metric]:
        """Name nothing in advance: the registry need not look while it is being built."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Look."""
        heard = GaugeMetricFamily(
            "fairlead_cache_last_heard_timestamp_seconds",
            "When the API server last said anything about a resource, a bookmark at least; 0: never.",
            labels=["resource"],
        )
        objects = GaugeMetricFamily("fairlead_cache_objects", "Objects known of a resource.", labels=["resource"])
        for resource, at in self._mirror.last_heard.items():
            heard.add_metric([resource], at)
        for resource, count in self._mirror.counts.items():
            objects.add_metric([resource], float(count))
        yield heard
        yield objects
