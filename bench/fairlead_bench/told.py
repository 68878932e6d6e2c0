"""What a process tells of itself, as Prometheus would read it."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


def samples(port: int, name: str) -> list[Sample]:
    """Return the samples of that name.

    Args:
        port: on loopback, where the process tells its metrics.
        name: of the samples; that of a counter ends with `_total`.

    Raises:
        OSError: it does not answer.
    """
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return [sample for family in families for sample in family.samples if sample.name == name]
