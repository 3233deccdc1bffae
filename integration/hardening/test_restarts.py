"""hardening.md A6 and D5: how a dead worker is replaced, and how this is reported."""

import pytest
from integration.conftest import Serve
from testing.script import returning

pytestmark = pytest.mark.ours("hardening.md, the second list")

# One more than the setups that may fail in a row.
CRASHES = 10


def test_no_number_of_crashing_requests_ends_the_server(serve: Serve) -> None:
    with serve("script") as server:
        for _ in range(CRASHES):
            assert server.predict(returning("os._exit(1)", "os")).json()["status"] == "failed"
            server.wait_status("READY")
        health = server.health()
        assert (health["status"], health["restarts"]) == ("READY", CRASHES)
        assert server.predict(returning("'alive'")).json()["output"] == "alive"
        server.wait_log(f"number {CRASHES}")
