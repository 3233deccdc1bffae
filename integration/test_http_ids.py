"""runtime.md 1.8 and 1.9: ids, and the idempotent PUT."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from integration.conftest import Serve
from testing.holding import hold_async, holding
from testing.model import Model, inputs
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

ONE = returning("1")


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


@pytest.fixture(scope="module")
def wide_server(serve: Serve) -> Iterator[Server]:
    """With four slots."""
    with serve("async_script", variables={"COG_MAX_CONCURRENCY": "4"}) as server:
        yield server


@pytest.mark.parametrize(
    "name", ["a b", "a/b", "ümlaut", "..", "../../elsewhere", "/etc", "a%2Fb", "x" * 200, "'\"\\"]
)
def test_any_text_is_an_id(server: Server, name: str) -> None:
    assert server.predict(ONE, id=name).json()["id"] == name
    if name != "..":  # a client resolves it away
        answer = server.request("PUT", f"/predictions/{quote(name, safe='')}", {"input": ONE})
        assert answer.json()["id"] == name


@pytest.mark.ours("decisions.md: ids are never part of a path (16.10)")
def test_an_id_never_reaches_the_file_system(server: Server) -> None:
    def predict() -> list[str]:
        import os

        return os.listdir(os.environ["TMPDIR"])

    outside = server.scratch / "evil"
    for name in (str(outside), "../evil", "../../evil"):
        body = server.predict(returning("[open(__file__).name] if 0 else 'x' * 7_000_000"), id=name).json()
        assert body["status"] == "succeeded"
        assert not outside.exists()
        assert "evil" not in server.predict(script(predict)).json()["output"]


@pytest.mark.ours("decisions.md: ids have 1 to 255 characters (16.5)")
def test_the_length_of_an_id_is_bounded(server: Server) -> None:
    assert server.predict(ONE, id="x" * 255).json()["status"] == "succeeded"
    for name in ("x" * 256, ""):
        answer = server.predict(ONE, id=name)
        assert answer.status == 422
    assert server.request("PUT", f"/predictions/{'x' * 256}", {"input": ONE}).status == 422
    assert server.health()["status"] == "READY"


def test_put_creates(server: Server) -> None:
    for body in ({"input": ONE}, {"id": "named", "input": ONE}):
        answer = server.request("PUT", "/predictions/named", body)
        assert (answer.status, answer.json()["id"], answer.json()["output"]) == (200, "named", 1)


def test_put_can_be_asynchronous(server: Server) -> None:
    answer = server.request("PUT", "/predictions/later", {"input": ONE}, {"Prefer": "respond-async"})
    assert (answer.status, answer.json()) == (202, {"id": "later", "status": "starting"})
    server.wait_status("READY")


def test_put_attaches_to_what_is_in_flight(server: Server) -> None:
    with holding(server, "mine", context={"a": "b"}) as answer:
        for headers in ({}, {"Prefer": "respond-async"}):
            attached = server.request("PUT", "/predictions/mine", {"input": {"code": "other"}}, headers)
            state = attached.json()
            assert (attached.status, state["status"], state["logs"]) == (202, "processing", "held\n")
            assert "def hold" in state["input"]["code"]
    assert answer.result().json()["output"] == "let go"


def test_the_input_of_an_attached_prediction_is_the_accepted_one(serve: Serve) -> None:
    source = (
        "import pathlib, time\n"
        "class Predictor:\n"
        "    def predict(self, name: str, size: int | None, secret) -> None:\n"
        "        print('held', flush=True)\n"
        "        while not pathlib.Path('go').exists():\n"
        "            time.sleep(0.01)\n"
    )
    properties = {
        "name": {"type": "string"},
        "size": {"type": "integer", "nullable": True},
        "secret": {"type": "string", "x-cog-secret": True},
    }
    with serve(Model(source, inputs(properties, "name", "secret"))) as server:
        answer = server.begin({"name": "x", "secret": "hush"}, id="a")
        server.wait_logged("a", "held")
        state = server.peek("a")
        assert state is not None
        assert (state["input"]["name"], state["input"]["size"]) == ("x", None)
        if server.installation.is_ours:  # 16.24: the peer shows it
            assert state["input"]["secret"] == "**********"
        (server.folder / "go").touch()
        assert answer.result().json()["status"] == "succeeded"


def test_a_mismatching_id_is_refused_even_while_the_path_id_runs(server: Server) -> None:
    with holding(server, "running"):
        assert server.request("PUT", "/predictions/running", {"id": "other"}).status == 422


def test_predictions_and_trainings_share_their_ids(server: Server) -> None:
    with holding(server, "shared"):
        assert server.request("PUT", "/trainings/shared", {}).json()["id"] == "shared"
        assert server.request("POST", "/trainings/shared/cancel").json() == {}


def test_when_it_has_ended_the_same_id_runs_again(server: Server) -> None:
    def predict() -> int:
        memory["runs"] = memory.get("runs", 0) + 1  # type: ignore[name-defined] # noqa: F821
        return int(memory["runs"])  # type: ignore[name-defined] # noqa: F821

    outputs = [
        server.request("PUT", "/predictions/again", {"input": script(predict)}).json()["output"]
        for _ in range(2)
    ]
    assert outputs == [1, 2]


@pytest.mark.ours("decisions.md: POST with an id in flight is 409 (16.19)")
def test_post_with_an_id_in_flight_is_409(wide_server: Server) -> None:
    with holding(wide_server, "twice", hold_async):
        answer = wide_server.predict(ONE, id="twice")
        assert (answer.status, answer.json()["error"]) == (409, "Prediction 'twice' is already running")


@pytest.mark.ours("decisions.md: duplicate ids are atomic; in the peer both of a racing pair may run (16.19)")
def test_of_many_racing_requests_with_one_id_one_runs(wide_server: Server) -> None:
    def put(name: str) -> int:
        body = {"input": script(hold_async, until=name)}
        return wide_server.request("PUT", f"/predictions/{name}", body).status

    with ThreadPoolExecutor(4) as pool:
        for name in (f"race-{number}" for number in range(10)):
            racing = [pool.submit(put, name) for _ in range(4)]
            try:
                # The one that runs is answered at its end.
                wait_for(lambda racing=racing: sum(each.done() for each in racing) == 3, "attached requests")  # type: ignore[misc]
            finally:
                (wide_server.folder / name).touch()
            assert sorted(each.result() for each in racing) == [200, 202, 202, 202]


@pytest.mark.ours("records.md 2: a client that repeats a cancel must not fail; the peer answers 404")
def test_a_cancel_after_the_end(server: Server) -> None:
    assert server.predict(ONE, id="ended").status == 200
    answer = server.cancel("ended")
    assert (answer.status, answer.json()) == (200, {})
