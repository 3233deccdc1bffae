"""A real Prometheus that scrapes one server, and loads the alerts of deploy/."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from testing.client import Address
from testing.ports import HOST, reserved_port
from testing.waiting import wait_for

INSTALLED: Final = shutil.which("prometheus") is not None
NOT_INSTALLED: Final = "Prometheus is not installed (on Debian: apt-get install prometheus, as root)"


class Prometheus:
    """A running Prometheus."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the series of a query: each with `metric`, its labels, and `value`, a time and a text."""
        answer = self._get("query", query=query)
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """All rules, with their last evaluation."""
        groups = self._get("rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._address.request(
            "GET", f"/api/v1/{path}?{urlencode(parameters)}"
        ).json()
        return answer


@contextmanager
def scraping(server: Address, rules: Path, token: str) -> Iterator[Prometheus]:
    """Scrape the server each 0.5 s, within the block."""
    job = {
        "job_name": "coglet",
        "static_configs": [{"targets": [f"{server.host}:{server.port}"]}],
        "authorization": {"credentials": token},
    }
    settings = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(rules)],
        "scrape_configs": [job],
    }
    with tempfile.TemporaryDirectory() as folder, reserved_port() as port:
        configuration = Path(folder, "prometheus.yml")
        configuration.write_text(json.dumps(settings))  # JSON is YAML
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={HOST}:{port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        prometheus = Prometheus(Address(HOST, port))
        try:
            wait_for(lambda: _is_scraping(prometheus), "scrape of Prometheus")
            yield prometheus
        finally:
            process.terminate()
            process.wait()


def _is_scraping(prometheus: Prometheus) -> bool:
    with suppress(ConnectionError, ValueError):  # refused until it listens; a text until it has started
        return [series["value"][1] for series in prometheus.ask("up")] == ["1"]
    return False
