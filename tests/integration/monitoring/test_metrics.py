"""What both processes tell a real Prometheus while volumes are attached and detached."""

import subprocess
from typing import Any

from cluster import Cluster
from fairlead_devstack.debian import find_command
from prometheus import labelled, scraped
from rest import Rest
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node"


def test_prometheus_scrapes_both_and_sees_a_whole_life(watched: Any, rest: Rest, cluster: Cluster) -> None:
    backend = watched.own.name
    volume = rest.volume(volume_type=backend)
    attachment = rest.attach(volume, NODE)
    exported = f'fairlead_attachments{{backend="{backend}",phase="Exported"}}'
    wait_for(
        lambda: watched.prometheus.query(exported) == {labelled(backend=backend, phase="Exported"): 1}, what="one is"
    )
    rest.detach(attachment["id"])
    assert watched.prometheus.up() == {"operator": True, "facade": True, "spare": False}

    def stages() -> bool:
        counted = watched.prometheus.query(f'fairlead_attachment_stage_duration_seconds_count{{backend="{backend}"}}')
        assert {dict(labels)["stage"] for labels, count in counted.items() if count} == {"admitted", "exported", "gone"}
        seconds = watched.prometheus.query(f'fairlead_attachment_stage_duration_seconds_sum{{backend="{backend}"}}')
        assert all(0 < value < 20 for value in seconds.values())
        return True

    wait_for(stages, what="each stage of its life is timed")
    query = watched.prometheus.query

    def told() -> bool:
        """The facade is looked at at other times than the operator."""
        assert query(f'fairlead_leader{{lease="fairlead-backend-{backend}"}}') == {
            labelled(lease=f"fairlead-backend-{backend}"): 1
        }
        assert query(
            f'fairlead_driver_call_duration_seconds_count{{backend="{backend}",operation="create_export"}} > 0'
        )
        assert query(
            'fairlead_kube_requests_total{job="operator",resource="attachments/status",verb="patch",code="200"} > 0'
        )
        deleted = '{endpoint="/v3/attachments/{attachment_id}",method="DELETE"}'
        assert query(f"fairlead_rest_request_duration_seconds_count{deleted} > 0")
        assert query('fairlead_rest_operator_wait_duration_seconds_count{outcome="done"} > 1')
        assert query("time() - fairlead_cache_last_heard_timestamp_seconds < 120")
        return True

    wait_for(told, what="what both did is told")
    assert all(lag < 5 for lag in query("fairlead_watch_lag_seconds").values())


def test_promtool_finds_nothing_against_the_names(watched: Any) -> None:
    program = find_command("promtool")
    assert program is not None
    for port in watched.metrics.values():
        ours = "\n".join(line for line in scraped(port).splitlines() if "fairlead_" in line) + "\n"
        done = subprocess.run(
            [program, "check", "metrics"], input=ours, capture_output=True, text=True, check=False, timeout=30
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_objects_and_callers_make_no_new_series(watched: Any, rest: Rest, cluster: Cluster, namespace: str) -> None:
    """After each kind of thing has happened once, more of them add nothing, however they are called."""

    def live() -> None:
        volume = rest.volume(volume_type=watched.own.name)
        attachment = rest.attach(volume, NODE)
        rest.detach(attachment["id"])
        rest.send("GET", "/volumes/no-such-volume")
        rest.send("GET", "/nowhere/at-all")

    live()
    live()
    before = [_series(scraped(port)) for port in watched.metrics.values()]
    for _ in range(3):
        live()
        rest.send("GET", f"/nowhere/{namespace}")
    after = [_series(scraped(port)) for port in watched.metrics.values()]
    new = [found - known for found, known in zip(after, before, strict=True)]
    assert not any(namespace in series for found in after for series in found)
    # A refusal now and then (409) is news of another kind.
    assert [series for found in new for series in found if "fairlead_kube" not in series] == []


def _series(text: str) -> set[str]:
    lines = (line for line in text.splitlines() if line.startswith("fairlead_") and "_bucket" not in line)
    return {line.rpartition(" ")[0] for line in lines}
