"""records.md 4: `COG_RECORDS=off`, with which a prediction is known while it is in flight."""

import pytest
from integration.conftest import Serve
from testing.script import script
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("records.md 4: off")

MESSAGE = "prediction 'p' is not known: the server keeps no records (COG_RECORDS=off)"


def wait_long() -> None:
    """The prediction ends when it is canceled."""
    import time

    time.sleep(60)


def test_only_those_in_flight_are_known(serve: Serve) -> None:
    with serve("script", variables={"COG_RECORDS": "off"}) as server:
        assert server.start(script(wait_long), id="p").status == 202
        assert server.request("GET", "/predictions/p").json()["status"] in {"starting", "processing"}
        assert server.request("POST", "/predictions/p/cancel").status == 200
        wait_for(lambda: server.request("GET", "/predictions/p").status == 404, "the end of the prediction")
        assert server.request("GET", "/predictions/p").json() == {"detail": MESSAGE}
        assert server.request("GET", "/predictions").json()["results"] == []
        assert server.request("DELETE", "/predictions/p").status == 404
        hosted = server.request("GET", "/v1/predictions/p")
        assert (hosted.status, hosted.json()["title"]) == (404, "Not found")
