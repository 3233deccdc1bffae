"""The health check of images, beside servers in each state."""

import subprocess
from pathlib import Path

import pytest
from integration.conftest import Serve
from testing.certificates import Authority
from testing.client import Address
from testing.holding import holding
from testing.installation import Installation
from testing.model import Model
from testing.ports import reserved_port
from testing.server import Server
from testing.waiting import DEADLINE_S, wait_for

pytestmark = pytest.mark.ours("the peer's images have no health check of their own")

FAILS = Model(
    "class Runner:\n"
    "    def setup(self) -> None:\n"
    "        1 / 0\n"
    "    def run(self) -> str:\n"
    "        return ''\n"
)


def probe(installation: Installation, address: Address, **variables: str) -> tuple[int, str]:
    """Return the exit code, and what was printed."""
    done = subprocess.run(
        [installation.python, "-m", "coglet_supervisor.probe"],
        env=installation.variables({"PORT": str(address.port), **variables}),
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
        text=True,
    )
    return done.returncode, done.stderr


def test_a_ready_and_a_busy_server_are_healthy(serve: Serve) -> None:
    with serve("script") as server:
        assert probe(server.installation, server.address) == (0, "")
        with holding(server, "held"):
            assert server.request("GET", "/readyz").status == 503
            assert probe(server.installation, server.address) == (0, "")


def test_a_model_that_did_not_start(serve: Serve) -> None:
    with serve(FAILS, until="SETUP_FAILED") as server:
        assert probe(server.installation, server.address) == (1, "the server is SETUP_FAILED\n")


def test_no_server(installation: Installation) -> None:
    with reserved_port() as port:
        code, shown = probe(installation, Address("127.0.0.1", port))
    assert code == 1
    assert "the server does not respond: [Errno 111]" in shown


@pytest.mark.parametrize("is_mutual", [False, True])
def test_https(serve: Serve, tmp_path: Path, is_mutual: bool) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("server")
    variables = {"COG_TLS_CERTFILE": certificate.flags[1], "COG_TLS_KEYFILE": certificate.flags[3]}
    if is_mutual:
        variables["COG_TLS_CA_CERTS"] = str(authority.file)

    def is_healthy(server: Server) -> bool:
        return probe(server.installation, server.address, **variables) == (0, "")

    with serve("script", variables=variables, until=None) as server:
        wait_for(lambda: is_healthy(server), "health")
