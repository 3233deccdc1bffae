"""The dashboard, the alerts and docs/metrics.md against the names that a running server exports."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from integration.conftest import Serve
from testing.receiver import Receiver
from testing.scraping import Scrape, scrape
from testing.script import returning

ROOT: Final = Path(__file__).resolve().parents[1]
ALERTS: Final = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD: Final = ROOT / "deploy" / "grafana" / "coglet.json"
PAGE: Final = ROOT / "docs" / "metrics.md"

# Grafana replaces these before Prometheus parses the query.
VARIABLES: Final = {"$__rate_interval": "5m", "$instance": ".*"}
# A selector: a metric, and the labels that it must have. Functions and keywords have no such prefix.
SELECTOR: Final = re.compile(r"\b((?:coglet|process)_\w+)(?:\{([^}]*)\})?")
LABEL: Final = re.compile(r'(\w+)\s*(=~|=)\s*"([^"]*)"')
# Prometheus adds it to each series.
ADDED: Final = "instance"

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


QUERIES: Final = [*dashboard_queries(), *alert_queries()]


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
            assert any(each.startswith(name) for each in shown), f"no panel shows {name}"


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


def promtool() -> str:
    """Return the path of promtool; in CI it must be there."""
    found = shutil.which("promtool")
    if found is None:
        assert os.environ.get("CI") != "true", "CI must have Debian's package prometheus"
        pytest.skip("promtool is not installed (on Debian: apt-get install prometheus, as root)")
    return found


def test_promtool_accepts_the_queries(tmp_path: Path) -> None:
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(QUERIES)]
    all_queries = tmp_path / "queries.yml"
    all_queries.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    for file, count in ((ALERTS, len(alert_queries())), (all_queries, len(QUERIES))):
        checked = subprocess.run(
            [promtool(), "check", "rules", file], capture_output=True, text=True, timeout=30, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert f"SUCCESS: {count} rules found" in checked.stdout
