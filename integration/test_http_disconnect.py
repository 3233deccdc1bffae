"""runtime.md 1.10: what happens to a prediction when its client leaves."""

import json
import socket
from collections.abc import Callable, Iterator

import pytest
from integration.conftest import Serve
from testing.holding import hold, hold_async
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def note_the_cancel() -> None:
    import pathlib
    import time

    from cog import CancelationException

    print("held", flush=True)
    try:
        while True:
            time.sleep(0.01)
    except CancelationException:
        pathlib.Path("canceled").touch()
        raise


def send(server: Server, sock: socket.socket, prediction_id: str, act: Callable[..., object]) -> None:
    server.wait_status(
        "READY"
    )  # the slot of the previous test may be freed shortly after its record is deleted
    body = json.dumps({"id": prediction_id, "input": script(act)}).encode()
    head = b"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    sock.sendall(b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body))
    server.wait_logged(prediction_id, "held")


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(socket.socket.close, id="close"),
        pytest.param(lambda sock: sock.shutdown(socket.SHUT_WR), id="half-close"),
    ],
)
def test_a_client_that_leaves_cancels_its_prediction(
    server: Server, leave: Callable[[socket.socket], None]
) -> None:
    note = server.folder / "canceled"
    note.unlink(missing_ok=True)
    with server.address.socket() as sock:
        send(server, sock, "left", note_the_cancel)
        leave(sock)
        wait_for(note.exists, "cancel in the model")
    wait_for(lambda: not server.peek("left"), "end of the prediction")
    assert server.predict(returning("1")).json()["output"] == 1


def test_the_slot_is_taken_until_the_model_has_stopped(server: Server) -> None:
    def predict() -> None:
        import pathlib
        import time

        from cog import CancelationException

        print("held", flush=True)
        try:
            while True:
                time.sleep(0.01)
        except CancelationException:
            pathlib.Path("cleaning").touch()
            while not pathlib.Path("cleaned").exists():
                time.sleep(0.01)

    with server.address.socket() as sock:
        send(server, sock, "slow-end", predict)
    wait_for((server.folder / "cleaning").exists, "clean-up in the model")
    assert server.predict(returning("1")).status == 409
    (server.folder / "cleaned").touch()
    wait_for(lambda: not server.peek("slow-end"), "end of the prediction")
    assert server.predict(returning("1")).status == 200


def test_an_asynchronous_prediction_does_not_need_its_client(server: Server) -> None:
    body = script(hold, until="let-the-async-one-go")
    with server.address.connect() as connection:
        headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
        connection.request("POST", "/predictions", json.dumps({"id": "stays", "input": body}), headers)
        assert connection.getresponse().status == 202
    server.wait_logged("stays", "held")
    assert server.peek("stays")
    (server.folder / "let-the-async-one-go").touch()
    wait_for(lambda: not server.peek("stays"), "end of the prediction")


def test_a_client_that_attached_may_leave(server: Server) -> None:
    answer = server.begin(script(hold, until="let-the-attached-one-go"), id="watched")
    server.wait_logged("watched", "held")  # attaches repeatedly
    (server.folder / "let-the-attached-one-go").touch()
    assert answer.result().json()["output"] == "let go"


def test_a_client_of_an_async_model_that_leaves_cancels_its_prediction_alone(serve: Serve) -> None:
    with serve("async_script", variables={"COG_MAX_CONCURRENCY": "2"}) as server:
        stays = server.begin(script(hold_async, until="go"), id="stays")
        server.wait_logged("stays", "held")
        with server.address.socket() as sock:
            send(server, sock, "leaves", hold_forever)
        wait_for(lambda: not server.peek("leaves"), "end of the prediction")
        assert server.peek("stays")
        (server.folder / "go").touch()
        assert stays.result().json()["output"] == "let go"


async def hold_forever() -> None:
    import asyncio

    print("held", flush=True)
    await asyncio.sleep(3600)
