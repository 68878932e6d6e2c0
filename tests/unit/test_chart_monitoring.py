"""The chart's monitoring: every process is scraped, and the alerts are those of the rules file."""

import json
import re
from typing import Any

import yaml

from chart import CHART, containers, named, of_kind, pods, render

RULES = CHART / "files" / "monitoring" / "rules.yaml"
ALL: dict[str, Any] = {
    "monitoring": {
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True},
    }
}


def test_nothing_of_the_prometheus_operator_is_there_unless_asked_for() -> None:
    assert {item["apiVersion"].split("/")[0] for item in render()}.isdisjoint({"monitoring.coreos.com"})


def test_every_process_tells_metrics_on_the_port_that_is_scraped() -> None:
    objects = render(ALL)
    service = named(objects, "Service", "fairlead-metrics")
    (port,) = service["spec"]["ports"]
    monitor = named(objects, "ServiceMonitor", "fairlead")
    assert monitor["spec"]["endpoints"][0]["port"] == port["name"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    makers = {
        maker for maker, pod in pods(objects) for c in containers(pod) if "--metrics-port=9090" in c.get("args", [])
    }
    assert makers == {"fairlead-api", "fairlead-controller", "fairlead-backend-local"}
    for item in [*of_kind(objects, "Deployment"), *of_kind(objects, "StatefulSet")]:
        assert service["spec"]["selector"].items() <= item["spec"]["template"]["metadata"]["labels"].items()


def test_the_rule_object_holds_the_rules_file_word_for_word() -> None:
    rule = named(render(ALL), "PrometheusRule", "fairlead")
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    assert rule["metadata"]["labels"]["release"] == "prometheus"


def test_the_dashboard_is_json_and_shows_only_metrics_that_the_alerts_documentation_lists() -> None:
    board = json.loads(named(render(ALL), "ConfigMap", "fairlead-dashboard")["data"]["fairlead.json"])
    told = (CHART.parents[1] / "docs" / "operations" / "monitoring.md").read_text()
    expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    assert len(expressions) > 15
    for name in {name for e in expressions for name in re.findall(r"fairlead_\w+", e)}:
        assert re.sub(r"_(bucket|count|sum)$", "", name) in told


def test_each_alert_says_what_to_do_in_the_documentation() -> None:
    told = (CHART.parents[1] / "docs" / "operations" / "monitoring.md").read_text()
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            assert f"### {rule['alert']}\n" in told
            assert rule["annotations"]["summary"]
