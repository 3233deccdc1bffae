"""Scrapes a server as Prometheus does, with Prometheus' own parsers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import parser
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.samples import Sample

from testing.client import Address

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True)
class Scrape:
    """All metrics of a server at one moment. `text` is what it has sent."""

    text: str
    families: Mapping[str, Metric]

    @property
    def samples(self) -> Iterator[Sample]:
        """All samples of all families."""
        return (sample for family in self.families.values() for sample in family.samples)

    @property
    def names(self) -> set[str]:
        """The names of all samples, as queries use them."""
        return {sample.name for sample in self.samples}

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the samples of that name, by the values of their labels, in the order of the names."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for sample in self.samples
            if sample.name == name
        }

    def value(self, name: str, *labels: str) -> float:
        """Return the one sample with that name and these values of labels."""
        return self.values(name)[labels]


def scrape(address: Address, *, openmetrics: bool = False, token: str | None = None) -> Scrape:
    """Return what `GET /metrics` reports, in the text format or in OpenMetrics."""
    headers = {"Accept": OPENMETRICS} if openmetrics else {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    answer = address.request("GET", "/metrics", headers=headers)
    assert answer.status == 200, answer
    content_type = answer.headers["content-type"]
    assert content_type.startswith(OPENMETRICS if openmetrics else "text/plain; version=0.0.4"), content_type
    parse = (
        openmetrics_parser.text_string_to_metric_families
        if openmetrics
        else parser.text_string_to_metric_families
    )
    families = list(parse(answer.text))
    by_name = {family.name: family for family in families}
    assert len(by_name) == len(families), "a family is there twice"
    return Scrape(answer.text, by_name)
