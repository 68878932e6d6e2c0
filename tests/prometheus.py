"""A real Prometheus that scrapes processes of a test and evaluates rules."""

import contextlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from fairlead_devstack.component import Component
from fairlead_devstack.debian import find_command
from fairlead_devstack.ports import free_port

INTERVAL = "500ms"
"""Between scrapes, and between evaluations of the rules."""


class Prometheus:
    """Asks a running one."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    @property
    def ready(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self._get("/-/ready", raw=True))
        return False

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Evaluate an expression now: values by labels, without `instance` and `job`."""
        found = self._get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")["data"]["result"]
        return {_labels(item["metric"]): float(item["value"][1]) for item in found}

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        alerts = self._get("/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def firing_for(self, alert: str, **labels: str) -> bool:
        """Whether an alert fires, for something in particular if labels say so."""
        wanted = "".join(f',{name}="{value}"' for name, value in labels.items())
        return bool(self.query(f'ALERTS{{alertname="{alert}",alertstate="firing"{wanted}}}'))

    def scrapes(self, job: str) -> int:
        """How often a job has been scraped until now, while Prometheus ran."""
        return int(*self.query(f'count_over_time(up{{job="{job}"}}[1h])').values())

    def up(self) -> dict[str, bool]:
        """Whether each job could be scraped."""
        found = self._get("/api/v1/targets")["data"]["activeTargets"]
        return {target["labels"]["job"]: target["health"] == "up" for target in found}

    def _get(self, path: str, *, raw: bool = False) -> Any:
        with urllib.request.urlopen(self._url + path, timeout=5) as answer:
            content = answer.read()
        return content if raw else json.loads(content)


@contextlib.contextmanager
def prometheus(folder: Path, jobs: Mapping[str, int], rules: Mapping[str, Any]) -> Iterator[Prometheus]:
    """Run a Prometheus.

    Args:
        folder: for its files.
        jobs: names and local ports of what is scraped.
        rules: as in a rules file.
    """
    folder.mkdir()
    (folder / "rules.yaml").write_text(yaml.safe_dump(dict(rules)))
    configuration = {
        "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in jobs.items()
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    port = free_port("127.0.0.1")
    asked = Prometheus(port)
    program = find_command("prometheus")
    assert program is not None
    process = Component(
        "prometheus",
        [
            program,
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            # As if a scrape that failed were old at once: an alert about absence shall not take five minutes.
            "--query.lookback-delta=3s",
        ],
        folder=folder,
        ready=lambda: asked.ready,
        tethered=True,
        ready_timeout=60.0,
    )
    process.start()
    try:
        process.wait_ready()
        yield asked
    finally:
        process.terminate()


def scraped(port: int) -> str:
    """What a process of this machine says of itself, as Prometheus reads it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def labelled(**labels: str) -> tuple[tuple[str, str], ...]:
    """A key of what `Prometheus.query` returns."""
    return _labels(labels)


def _labels(metric: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in metric.items() if name not in ("instance", "job", "__name__")))
