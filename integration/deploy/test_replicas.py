"""docs/deploying.md, "Several replicas": what another replica does not know, and who asks the right one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from integration.conftest import Serve
from testing.client import JSON, Address
from testing.proxies import PROXIES, Proxy, in_front_of
from testing.script import returning
from testing.server import Server

pytestmark = pytest.mark.ours("docs/deploying.md")

ASYNC: Final = {**JSON, "Prefer": "respond-async"}
# In each file, the line that has the server, and what stands before or after it to ask the same one again.
SERVER_LINE: Final = {"nginx": "server @SERVER@;", "caddy": "{$COGLET_SERVER:127.0.0.1:5000} {"}
STICKY: Final = {"nginx": "ip_hash;", "caddy": "lb_policy ip_hash"}
ROUND_ROBIN: Final = {"nginx": "", "caddy": "lb_policy round_robin"}


@pytest.fixture(scope="module")
def replicas(serve: Serve) -> Iterator[tuple[Server, Server]]:
    with serve("script") as first, serve("script") as second:
        yield first, second


def test_another_replica_does_not_know_a_prediction(replicas: tuple[Server, Server]) -> None:
    first, second = replicas
    assert first.request("PUT", "/predictions/a", {"input": returning("1")}, ASYNC).status == 202
    assert first.request("GET", "/predictions/a").status == 200
    assert second.request("GET", "/predictions/a").status == 404
    assert second.request("POST", "/predictions/a/cancel").status == 404
    answer = second.request("PUT", "/predictions/a", {"input": returning("2")}, JSON)
    assert (answer.status, answer.json()["output"]) == (200, 2)


def balancer(kind: str, second: Address, policy: str) -> Proxy:
    """The proxy of deploy/ with one more server and a policy."""
    line = SERVER_LINE[kind]
    other = f"{second.host}:{second.port}"
    assert line in PROXIES[kind].configuration
    if kind == "nginx":
        changed = f"{policy} {line} server {other};"
    else:
        changed = f"{line.removesuffix('{')} {other} {{\n{policy}"
    return replace(PROXIES[kind], configuration=PROXIES[kind].configuration.replace(line, changed))


@pytest.mark.parametrize("kind", SERVER_LINE)
@pytest.mark.parametrize(
    ("policies", "expected"), [(STICKY, {200}), (ROUND_ROBIN, {200, 404})], ids=["sticky", "in turn"]
)
def test_a_balancer_leads_to_the_replica_that_was_asked_first(
    replicas: tuple[Server, Server], tmp_path: Path, kind: str, policies: dict[str, str], expected: set[int]
) -> None:
    if not PROXIES[kind].is_installed:
        pytest.skip(f"{kind} is not installed")
    first, second = replicas
    proxy = balancer(kind, second.address, policies[kind])
    with in_front_of(first.address, proxy, tmp_path) as front:
        answer = front.address.request("POST", "/predictions", {"input": returning("1")}, ASYNC)
        assert answer.status == 202
        path = f"/predictions/{answer.json()['id']}"
        assert {front.address.request("GET", path).status for _ in range(8)} == expected
