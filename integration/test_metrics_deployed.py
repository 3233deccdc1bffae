"""The dashboard, the alerts and docs/metrics.md against the names that a running server exports."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from integration.conftest import Serve
from testing import prometheus
from testing.receiver import Receiver
from testing.scraping import Scrape, scrape
from testing.script import returning
from testing.waiting import wait_for

ROOT: Final = Path(__file__).resolve().parents[1]
ALERTS: Final = ROOT / "deploy" / "prometheus" / "alerts.yml"
SCALING: Final = ROOT / "deploy" / "kubernetes" / "scaledobject.yaml"
DASHBOARD: Final = ROOT / "deploy" / "grafana" / "coglet.json"
PAGE: Final = ROOT / "docs" / "metrics.md"

# Grafana replaces these before Prometheus parses the query.
VARIABLES: Final = {"$__rate_interval": "5m", "$instance": ".*"}
# A selector: a metric, and the labels that it must have. Functions and keywords have no such prefix.
SELECTOR: Final = re.compile(r"\b((?:coglet|process)_\w+)(?:\{([^}]*)\})?")
LABEL: Final = re.compile(r'(\w+)\s*(=~|=)\s*"([^"]*)"')
# Prometheus adds it to each series.
ADDED: Final = "instance"

needs_prometheus = pytest.mark.skipif(not prometheus.INSTALLED, reason=prometheus.NOT_INSTALLED)
pytestmark = pytest.mark.ours("operations.md, section 1")


def dashboard_queries() -> list[str]:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for name, value in VARIABLES.items():
        queries = [query.replace(name, value) for query in queries]
    return queries


def alert_queries() -> list[str]:
    groups: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def scaling_queries() -> list[str]:
    triggers: list[dict[str, Any]] = yaml.safe_load(SCALING.read_text())["spec"]["triggers"]
    return [trigger["metadata"]["query"] for trigger in triggers]


QUERIES: Final = [*dashboard_queries(), *alert_queries(), *scaling_queries()]


@pytest.fixture(scope="module")
def exported(serve: Serve) -> Iterator[Scrape]:
    """A scrape of a server that has done a bit of everything."""
    with serve("script") as server, Receiver().listening() as receiver:
        server.predict(returning("1"), webhook=receiver.url)
        server.predict(returning("1 / 0"))
        yield scrape(server.address)


@pytest.mark.parametrize("query", QUERIES)
def test_queries_use_metrics_that_exist(exported: Scrape, query: str) -> None:
    """With labels that exist; values of labels that we list are among them."""
    selectors = SELECTOR.findall(query)
    assert selectors
    for name, labels in selectors:
        assert name in exported.names
        found = [sample.labels for sample in exported.samples if sample.name == name]
        for label, operator, value in LABEL.findall(labels):
            if label == ADDED:
                continue
            assert all(label in each for each in found), f"{name} has no label {label}"
            if label in ("code", "route"):  # only those of requests that there were
                continue
            for wanted in value.split("|") if operator == "=~" else [value]:
                assert wanted in {each[label] for each in found}, f"{name} has no {label} {wanted!r}"


def test_the_dashboard_shows_all_metrics(exported: Scrape) -> None:
    shown = {name for query in dashboard_queries() for name, _ in SELECTOR.findall(query)}
    for name in exported.families:
        if name.startswith("coglet_"):
            assert shown & {name, f"{name}_total", f"{name}_bucket", f"{name}_sum"}, f"no panel shows {name}"


def test_the_page_lists_all_metrics(exported: Scrape) -> None:
    """With their types and labels."""
    rows = re.findall(r"^\| `(coglet_\w+)` \| (\w+) \| ([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    listed = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    found = {}
    for family in exported.families.values():
        if family.name.startswith("coglet_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = (family.type, labels)
    assert found == listed


@needs_prometheus
def test_a_real_prometheus_reads_them(serve: Serve) -> None:
    """With the token; it evaluates all queries and alerts."""
    token = "sesame"
    with serve("script", variables={"COG_API_TOKEN": token}) as server:
        with prometheus.scraping(server.address, ALERTS, token) as scraper:
            for _ in range(3):
                server.address.request(
                    "POST", "/predictions", {"input": returning("1")}, {"Authorization": f"Bearer {token}"}
                )
            succeeded = 'coglet_predictions_total{status="succeeded"}'
            wait_for(lambda: [each["value"][1] for each in scraper.ask(succeeded)] == ["3"], "3 predictions")
            for query in QUERIES:
                scraper.ask(query)
            alerts = scraper.alerts
            assert len(alerts) == len(alert_queries())
            evaluated = wait_for(lambda: all(each["health"] == "ok" for each in scraper.alerts), "evaluation")
            assert evaluated
            assert [each["name"] for each in alerts if each["state"] != "inactive"] == []


@needs_prometheus
def test_promtool_accepts_the_queries(tmp_path: Path) -> None:
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(QUERIES)]
    all_queries = tmp_path / "queries.yml"
    all_queries.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    for file, count in ((ALERTS, len(alert_queries())), (all_queries, len(QUERIES))):
        checked = subprocess.run(
            ["promtool", "check", "rules", file], capture_output=True, text=True, timeout=30, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert f"SUCCESS: {count} rules found" in checked.stdout


# A minute of each series: what happens, and the alerts that fire at the end of 20 minutes.
FIRING: Final[dict[str, tuple[dict[str, str], list[str]]]] = {
    "healthy": ({'coglet_workers{state="ready"}': "1x20", "coglet_queue_capacity": "0x20"}, []),
    "no worker": ({'coglet_workers{state="ready"}': "0x20"}, ["CogletNoWorker"]),
    "given up": ({'coglet_workers{state="defunct"}': "1x20"}, ["CogletWorkerGivenUp"]),
    "crashes": (
        {'coglet_worker_restarts_total{reason="crashed"}': "0+1x20"},
        ["CogletWorkersCrash"],
    ),
    "reloads": ({'coglet_worker_restarts_total{reason="reloaded"}': "0+1x20"}, []),
    "failures": (
        {
            'coglet_predictions_total{status="failed"}': "0+20x20",
            'coglet_predictions_total{status="succeeded"}': "0+80x20",
        },
        ["CogletPredictionsFail"],
    ),
    "full queue": (
        {"coglet_queue_length": "95x20", "coglet_queue_capacity": "100x20"},
        ["CogletQueueFull"],
    ),
    "rejections": (
        {'coglet_http_requests_total{code="429",route="/predictions"}': "0+120x20"},
        ["CogletRejectsForCapacity"],
    ),
    "bugs": (
        {'coglet_http_requests_total{code="500",route="/predictions"}': "0+1x20"},
        ["CogletServerErrors"],
    ),
    "lost webhooks": (
        {'coglet_webhooks_total{event="completed",outcome="failed"}': "0+1x20"},
        ["CogletWebhooksFail"],
    ),
    "waiting webhooks": ({"coglet_webhook_backlog": "200x20"}, ["CogletWebhookBacklog"]),
}


@needs_prometheus
def test_each_alert_fires_for_its_cause_alone(tmp_path: Path) -> None:
    names = {name for _, firing in FIRING.values() for name in firing}
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    assert names == {rule["alert"] for group in groups for rule in group["rules"]}
    tests = [
        {
            "name": case,
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": "20m",
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in firing],
                }
            ],
        }
        for case, (series, firing) in FIRING.items()
    ]
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    checked = subprocess.run(
        ["promtool", "test", "rules", file], capture_output=True, text=True, timeout=30, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
