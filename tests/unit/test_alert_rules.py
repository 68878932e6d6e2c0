"""Each alert fires on what it is about and not on its everyday opposite, as promtool says."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart import CHART
from fairlead_devstack.debian import find_command

RULES = CHART / "files" / "monitoring" / "rules.yaml"

CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    # Series of an hour, a value a minute, that fire it; and such that do not.
    "FairleadBackendWithoutLeader": (
        {'fairlead_leader{lease="b",instance="1"}': "0x60", 'fairlead_leader{lease="b",instance="2"}': "0x60"},
        {'fairlead_leader{lease="b",instance="1"}': "0x60", 'fairlead_leader{lease="b",instance="2"}': "1x60"},
    ),
    "FairleadOperatorAbsent": ({"up": "1x60"}, {'fairlead_leader{lease="b"}': "0x60"}),
    "FairleadFacadeAbsent": ({"up": "1x60"}, {"fairlead_rest_requests_in_flight": "0x60"}),
    "FairleadBackendNotReady": (
        {'fairlead_backend_ready{backend="b"}': "0x60"},
        {'fairlead_backend_ready{backend="b"}': "1x60"},
    ),
    "FairleadVolumesLost": (
        {'fairlead_volumes_lost{backend="b"}': "1x60"},
        {'fairlead_volumes_lost{backend="b"}': "0x60"},
    ),
    "FairleadBackendAlmostFull": (
        {'fairlead_backend_free_bytes{backend="b"}': "9x60", 'fairlead_backend_capacity_bytes{backend="b"}': "100x60"},
        {'fairlead_backend_free_bytes{backend="b"}': "11x60", 'fairlead_backend_capacity_bytes{backend="b"}': "100x60"},
    ),
    "FairleadDriverErrors": (
        {'fairlead_driver_errors_total{backend="b",operation="check",error="DriverUnavailable"}': "0+12x60"},
        # What a user does wrong is no failure, and one failure in a while is none to wake up for.
        {
            'fairlead_driver_errors_total{backend="b",operation="export",error="IncompleteConnector"}': "0+12x60",
            'fairlead_driver_errors_total{backend="b",operation="check",error="DriverError"}': "0+1x60",
        },
    ),
    "FairleadAttachmentsOverdue": (
        {'fairlead_attachments_overdue{backend="b"}': "2x60"},
        {'fairlead_attachments_overdue{backend="b"}': "0x60"},
    ),
    "FairleadDetachStuck": (
        {'fairlead_oldest_detach_age_seconds{backend="b"}': "0+60x60"},
        {'fairlead_oldest_detach_age_seconds{backend="b"}': "300x60"},
    ),
    "FairleadSlowAttach": (
        {
            'fairlead_attachment_stage_duration_seconds_bucket{backend="b",stage="exported",le="5"}': "0+1x60",
            'fairlead_attachment_stage_duration_seconds_bucket{backend="b",stage="exported",le="10"}': "0+10x60",
            'fairlead_attachment_stage_duration_seconds_bucket{backend="b",stage="exported",le="+Inf"}': "0+10x60",
        },
        {
            'fairlead_attachment_stage_duration_seconds_bucket{backend="b",stage="exported",le="0.1"}': "0+10x60",
            'fairlead_attachment_stage_duration_seconds_bucket{backend="b",stage="exported",le="+Inf"}': "0+10x60",
            'fairlead_attachment_stage_duration_seconds_bucket{backend="b",stage="admitted",le="300"}': "0+10x60",
            'fairlead_attachment_stage_duration_seconds_bucket{backend="b",stage="admitted",le="+Inf"}': "0+10x60",
        },
    ),
    "FairleadQueueStuck": (
        {'fairlead_queue_oldest_key_age_seconds{backend="b"}': "0+60x60"},
        {'fairlead_queue_oldest_key_age_seconds{backend="b"}': "1x60"},
    ),
    "FairleadUnknownExports": (
        {'fairlead_unknown_exports{backend="b"}': "1x60"},
        {'fairlead_unknown_exports{backend="b"}': "0x60"},
    ),
    "FairleadOrphansRemoved": (
        {'fairlead_orphan_exports_removed_total{backend="b"}': "0x50 1x10"},
        {'fairlead_orphan_exports_removed_total{backend="b"}': "3x60"},
    ),
    "FairleadWatchBehind": (
        {'fairlead_watch_lag_seconds{resource="attachments"}': "0+60x60"},
        {'fairlead_watch_lag_seconds{resource="attachments"}': "0x60"},
    ),
    "FairleadCacheStale": (
        {'fairlead_cache_last_heard_timestamp_seconds{resource="volumes"}': "0x60"},
        {'fairlead_cache_last_heard_timestamp_seconds{resource="volumes"}': "0+60x60"},
    ),
    "FairleadApiErrors": (
        {
            'fairlead_rest_request_duration_seconds_count{status="200"}': "0+90x60",
            'fairlead_rest_request_duration_seconds_count{status="503"}': "0+10x60",
        },
        {
            'fairlead_rest_request_duration_seconds_count{status="200"}': "0+90x60",
            'fairlead_rest_request_duration_seconds_count{status="404"}': "0+10x60",
        },
    ),
    "FairleadOperatorSilent": (
        {'fairlead_rest_operator_wait_duration_seconds_count{outcome="timeout"}': "0+1x60"},
        {'fairlead_rest_operator_wait_duration_seconds_count{outcome="done"}': "0+9x60"},
    ),
    "FairleadForbidden": (
        {'fairlead_kube_requests_total{verb="patch",resource="volumes",code="403"}': "0+1x60"},
        {'fairlead_kube_requests_total{verb="patch",resource="volumes",code="409"}': "0+1x60"},
    ),
}  # fmt: skip


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = find_command("promtool")
    assert program is not None, "promtool is missing; `make test` installs it (Debian package prometheus)"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_every_alert_has_a_case() -> None:
    assert {rule["alert"] for rule in rules()} == set(CASES)


def test_promtool_takes_the_rules() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_on_its_fault_and_on_nothing_else(alert: str, tmp_path: Path) -> None:
    """After an hour of each. The texts are filled in: nothing in them is left without a value."""
    fault, everyday = CASES[alert]
    (rule,) = [rule for rule in rules() if rule["alert"] == alert]
    fires, silent = tmp_path / "fires.yaml", tmp_path / "silent.yaml"
    fires.write_text(_expecting_none(alert, fault))
    silent.write_text(_expecting_none(alert, everyday))
    # promtool compares whole alerts; that it fires is what it complains about when none is expected.
    done = promtool("test", "rules", str(fires))
    assert done.returncode != 0
    assert rule["labels"]["severity"] in done.stdout + done.stderr
    assert "<no value>" not in done.stdout + done.stderr
    done = promtool("test", "rules", str(silent))
    assert done.returncode == 0, done.stdout + done.stderr


def _expecting_none(alert: str, series: dict[str, str]) -> str:
    return yaml.safe_dump(
        {
            "rule_files": [str(RULES)],
            "evaluation_interval": "1m",
            "tests": [
                {
                    "interval": "1m",
                    "input_series": [{"series": name, "values": values} for name, values in series.items()],
                    "alert_rule_test": [{"eval_time": "58m", "alertname": alert, "exp_alerts": []}],
                }
            ],
        }
    )
