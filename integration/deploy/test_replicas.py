"""docs/deploying.md, 'Several replicas': what another replica does not know."""

import pytest
from integration.conftest import Serve
from testing.client import JSON
from testing.script import returning

pytestmark = pytest.mark.ours("docs/deploying.md")


def test_another_replica_does_not_know_a_prediction(serve: Serve) -> None:
    with serve("script") as first, serve("script") as second:
        headers = {**JSON, "Prefer": "respond-async"}
        assert first.request("PUT", "/predictions/a", {"input": returning("1")}, headers).status == 202
        assert first.request("GET", "/predictions/a").status == 200
        assert second.request("GET", "/predictions/a").status == 404
        assert second.request("POST", "/predictions/a/cancel").status == 404
        answer = second.request("PUT", "/predictions/a", {"input": returning("2")}, JSON)
        assert (answer.status, answer.json()["output"]) == (200, 2)
