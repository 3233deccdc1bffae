"""runtime.md 6.5 and 16.16: output files that go to an upload server."""

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from integration.conftest import Serve
from testing.installation import Installation
from testing.receiver import Received, Receiver, Reply, redirect
from testing.script import script
from testing.server import Server
from testing.waiting import wait_for

LARGE_BYTES: Final = 256 * 1024 * 1024
MAX_RISE_BYTES: Final = 16 * 1024 * 1024


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def shared_server(serve: Serve, receiver: Receiver) -> Iterator[Server]:
    with serve("script", flags=["--upload-url", f"{receiver.url}/up"]) as server:
        yield server


@pytest.fixture
def server(shared_server: Server, receiver: Receiver) -> Server:
    """With a receiver that accepts every upload and has received none yet."""
    receiver.received.clear()
    receiver.answer = lambda _: Reply()
    return shared_server


def file_named(name: str) -> Any:
    import cog

    path = cog.Path(name)
    path.write_text("hi?>")
    return path


def predict(server: Server, act: Any, **arguments: Any) -> dict[str, Any]:
    answer = server.predict(script(act, **arguments))
    assert answer.status == 200
    body: dict[str, Any] = answer.json()
    return body


def output(server: Server, act: Any, **arguments: Any) -> Any:
    body = predict(server, act, **arguments)
    assert body["status"] == "succeeded", body
    return body["output"]


def test_the_request(server: Server, receiver: Receiver) -> None:
    assert output(server, file_named, name="a.png") == f"{receiver.url}/up/a.png"
    (request,) = receiver.received
    assert (request.method, request.path, request.body) == ("PUT", "/up/a.png", b"hi?>")
    assert request.headers["content-type"] == "image/png"
    assert request.headers["content-length"] == "4"
    assert "authorization" not in request.headers


def test_a_file_object(server: Server, receiver: Receiver) -> None:
    def predict() -> Any:
        import io

        return io.BytesIO(b"hi?>")

    url = output(server, predict)
    (request,) = receiver.received
    assert url == receiver.url + request.path
    assert request.body == b"hi?>"


def test_the_location_is_the_output(server: Server, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(201, {"Location": "https://cdn.example/1.png?sig=secret#f"})
    assert output(server, file_named, name="a.png") == "https://cdn.example/1.png#f"


def test_a_redirect_repeats_the_upload(server: Server, receiver: Receiver) -> None:
    moved = redirect("/new/a.png?sig=secret", 307)
    receiver.answer = lambda request: moved if request.path == "/up/a.png" else Reply()
    assert output(server, file_named, name="a.png") == f"{receiver.url}/new/a.png"
    assert [(request.method, request.body) for request in receiver.received] == [("PUT", b"hi?>")] * 2


def test_see_other_is_looked_at(server: Server, receiver: Receiver) -> None:
    receiver.answer = lambda request: redirect("/seen", 303) if request.method == "PUT" else Reply()
    assert output(server, file_named, name="a.png") == f"{receiver.url}/seen"


@pytest.mark.ours("hardening.md A1")
@pytest.mark.parametrize("location", ["http://127.0.0.1:99999/", "ftp://127.0.0.1/", "http://a..b/"])
def test_see_other_that_cannot_be_looked_at_fails_one_prediction(
    server: Server, receiver: Receiver, location: str
) -> None:
    receiver.answer = lambda _: redirect(location, 303)
    body = predict(server, file_named, name="a.png")
    assert body["error"].startswith("Failed to upload output: redirected, but the URL ")
    receiver.answer = lambda _: Reply()
    assert output(server, file_named, name="a.png") == f"{receiver.url}/up/a.png"


@pytest.mark.ours("runtime.md 16.16: a relative Location is resolved")
def test_a_relative_location(server: Server, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(201, {"Location": "/files/7"})
    assert output(server, file_named, name="a.png") == f"{receiver.url}/files/7"


@pytest.mark.ours("runtime.md 16.16: percent-encoding")
def test_any_name(server: Server, receiver: Receiver) -> None:
    assert output(server, file_named, name="a b?c#d%.png") == f"{receiver.url}/up/a%20b%3Fc%23d%25.png"
    assert receiver.received[0].path == "/up/a%20b%3Fc%23d%25.png"


def test_a_list_of_one_stays_a_list(server: Server, receiver: Receiver) -> None:
    def predict() -> Any:
        import cog

        path = cog.Path("one.txt")
        path.write_text("1")
        return [path]

    assert output(server, predict) == [f"{receiver.url}/up/one.txt"]


@pytest.mark.ours("runtime.md 16.16: order of yield, unique names, nested files")
def test_order_names_and_nesting(server: Server, receiver: Receiver) -> None:
    first_may_end = threading.Event()

    def answer(request: Received) -> Reply:
        if request.body == b"0":
            first_may_end.wait(10)
        return Reply()

    def predict() -> Any:
        import cog

        path = cog.Path("same.txt")
        for number in range(3):
            path.write_text(str(number))
            yield path
        yield "text"
        path.write_text("3")
        yield {"nested": [path]}

    receiver.answer = answer
    pending = server.begin(script(predict))
    receiver.wait_count(1)
    first_may_end.set()
    base = f"{receiver.url}/up"
    assert pending.result().json()["output"] == [
        f"{base}/same.txt",
        f"{base}/same-1.txt",
        f"{base}/same-2.txt",
        "text",
        {"nested": [f"{base}/same-3.txt"]},
    ]
    assert [request.body for request in receiver.received] == [b"0", b"1", b"2", b"3"]


def test_names_begin_anew_with_each_prediction(server: Server, receiver: Receiver) -> None:
    urls = [output(server, file_named, name="again.txt") for _ in range(2)]
    assert urls == [f"{receiver.url}/up/again.txt"] * 2


@pytest.mark.parametrize(("status", "reason"), [(404, "404 Not Found"), (500, "500 Internal Server Error")])
def test_a_failure_fails_the_prediction(server: Server, receiver: Receiver, status: int, reason: str) -> None:
    receiver.answer = lambda _: Reply(status)
    body = predict(server, file_named, name="a.png")
    assert body["status"] == "failed"
    assert body["error"] == f"Failed to upload output: upload returned status {reason}"


@pytest.mark.ours("a failed upload ends what the model still does")
def test_a_failure_stops_the_model_and_frees_its_slot(server: Server, receiver: Receiver) -> None:
    def predict() -> Any:
        import time

        import cog

        path = cog.Path("a.png")
        path.write_text("hi?>")
        yield path
        while True:
            time.sleep(0.01)

    receiver.answer = lambda _: Reply(404)
    answer = server.predict(script(predict)).json()
    assert (answer["status"], answer["error"]) == (
        "failed",
        "Failed to upload output: upload returned status 404 Not Found",
    )
    receiver.answer = lambda _: Reply()
    assert output(server, file_named, name="next.png") == f"{receiver.url}/up/next.png"


@pytest.mark.ours("runtime.md 16.16: bounded retries")
def test_a_failure_that_passes_fails_nothing(server: Server, receiver: Receiver) -> None:
    answers = iter([Reply(503), Reply(503)])
    receiver.answer = lambda _: next(answers, Reply())
    assert output(server, file_named, name="a.png") == f"{receiver.url}/up/a.png"


def test_the_terminal_webhook_is_sent_after_the_upload(server: Server, receiver: Receiver) -> None:
    server.predict(
        script(file_named, name="a.png"), webhook=f"{receiver.url}/hook", webhook_events_filter=["completed"]
    )
    receiver.wait_count(2)
    assert [request.path for request in receiver.received] == ["/up/a.png", "/hook"]
    assert receiver.received[1].json()["output"] == f"{receiver.url}/up/a.png"


def test_a_cancel_does_not_wait_for_an_upload(server: Server, receiver: Receiver) -> None:
    go_on = threading.Event()
    receiver.answer = lambda _: Reply() if go_on.wait(10) else Reply(500)
    pending = server.begin(script(file_named, name="a.png"), id="uploading")
    receiver.wait_count(1)
    server.cancel("uploading")
    assert pending.result().json()["status"] == "canceled"
    go_on.set()
    receiver.answer = lambda _: Reply()
    assert output(server, file_named, name="next.png") == f"{receiver.url}/up/next.png"


@pytest.mark.ours("runtime.md 4.6: folders are removed when the prediction has ended")
def test_no_copy_of_a_file_is_left(server: Server, receiver: Receiver) -> None:
    output(server, file_named, name="a.png")
    receiver.answer = lambda _: Reply(404)
    predict(server, file_named, name="a.png")
    wait_for(lambda: not copies(server), "removal of the copies")


def copies(server: Server) -> list[Path]:
    return [path for path in server.temporary.rglob("*") if path.suffix == ".png"]


@pytest.mark.ours("runtime.md 16.16: files are streamed")
def test_a_large_file_is_never_in_memory(server: Server, receiver: Receiver) -> None:
    def predict(size: int) -> Any:
        import cog

        path = cog.Path("large.bin")
        with path.open("wb") as file:
            for _ in range(size // 2**20):
                file.write(b"\x01" * 2**20)
        return path

    output(server, file_named, name="warm-up.png")
    process = Path(f"/proc/{server.process.pid}")
    process.joinpath("clear_refs").write_text("5")  # resets the peak, see proc(5)
    before = peak_bytes(process)
    assert output(server, predict, size=LARGE_BYTES) == f"{receiver.url}/up/large.bin"
    upload = receiver.received[-1]
    assert upload.size == LARGE_BYTES
    assert upload.sha256 == hashlib.sha256(b"\x01" * LARGE_BYTES).hexdigest()
    assert peak_bytes(process) - before < MAX_RISE_BYTES


def peak_bytes(process: Path) -> int:
    lines = process.joinpath("status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


@pytest.mark.ours("runtime.md 16.16: a query string in the base URL")
def test_the_query_of_the_base_url(serve: Serve, receiver: Receiver) -> None:
    receiver.received.clear()
    receiver.answer = lambda _: Reply()
    with serve("script", flags=["--upload-url", f"{receiver.url}/up/?sig=secret"]) as server:
        assert output(server, file_named, name="a.png") == f"{receiver.url}/up/a.png"
    assert receiver.received[0].path == "/up/a.png?sig=secret"


@pytest.mark.ours("an unusable upload URL is reported at the start")
def test_a_base_url_that_cannot_work(installation: Installation) -> None:
    ended = subprocess.run(
        [installation.python, "-m", "cog.server.http", "--upload-url", "s3://bucket"],
        env=installation.variables({"COG_PREDICT_TYPE_STUB": "predict.py:Predictor", "PORT": "0"}),
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 1
    assert b"the URL does not begin with http:// or https://; correct --upload-url" in ended.stderr
