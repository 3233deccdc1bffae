"""runtime.md 5: how inputs are converted before the model receives them."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.model import Model, inputs
from testing.receiver import Received, Receiver, Reply
from testing.server import Server
from testing.waiting import wait_for

SOURCE = """
import os, pathlib
from typing import Any, Optional
from cog import BasePredictor, File, Path, Secret

def shown(value: Any) -> Any:
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, pathlib.Path):
        return [type(value).__name__, value.name, value.read_text() if value.exists() else None]
    if isinstance(value, Secret):
        return [str(value), value.get_secret_value()]
    if hasattr(value, "read"):
        return [value.read().decode()]
    return value

class Predictor(BasePredictor):
    def predict(
        self,
        path: Path = None,
        optional_path: Optional[Path] = None,
        paths: list[Path] = None,
        file: File = None,
        secret: Secret = None,
        text: str = None,
        texts: list[str] = None,
        annotated: "Path" = None,
    ) -> Any:
        given = [path, optional_path, paths, file, secret, text, texts, annotated]
        print("held", flush=True)
        return [shown(value) for value in given if value is not None]
"""
TEXT: dict[str, Any] = {"type": "string"}
COMPONENTS = inputs(
    {
        **dict.fromkeys(("path", "optional_path", "file", "secret", "text", "annotated"), TEXT),
        **{name: {"type": "array", "items": TEXT} for name in ("paths", "texts")},
    }
)
DATA_URL = "data:text/plain;base64," + base64.b64encode(b"from data").decode()


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(Model(SOURCE, COMPONENTS)) as server:
        yield server


@pytest.fixture
def files() -> Iterator[Receiver]:
    """A web server that returns the requested path as content."""

    def page(request: Received) -> Reply:
        if request.path.startswith("/absent"):
            return Reply(404)
        if request.path == "/moved":
            return Reply(302, {"Location": "/target.txt"})
        return Reply(200, body=request.path.encode())

    with Receiver().listening() as receiver:
        receiver.answer = page
        yield receiver


def output(server: Server, **given: Any) -> Any:
    body = server.predict(given).json()
    assert body["status"] == "succeeded", body
    return body["output"]


def test_a_url_becomes_a_file_with_its_name(server: Server, files: Receiver) -> None:
    ((kind, name, text),) = output(server, path=f"{files.url}/folder/picture.png?size=1")
    assert (kind, text) == ("Path", "/folder/picture.png?size=1")
    assert name.endswith("picture.png")


@pytest.mark.parametrize("name", ["path", "optional_path", "annotated"])
def test_every_way_to_write_the_type(server: Server, files: Receiver, name: str) -> None:
    ((kind, _, text),) = output(server, **{name: f"{files.url}/a.txt"})
    assert (kind, text) == ("Path", "/a.txt")


def test_a_data_url_becomes_a_file_of_its_type(server: Server) -> None:
    ((_, name, text),) = output(server, path=DATA_URL)
    assert name.endswith(".txt")
    assert text == "from data"
    ((_, _, text),) = output(server, path="data:,plain%20text")
    assert text == "plain text"


def test_lists_of_urls_are_fetched_in_order(server: Server, files: Receiver) -> None:
    (fetched,) = output(server, paths=[f"{files.url}/{number}.txt" for number in range(20)])
    assert [text for _, _, text in fetched] == [f"/{number}.txt" for number in range(20)]


def test_redirects_are_followed(server: Server, files: Receiver) -> None:
    ((_, _, text),) = output(server, path=f"{files.url}/moved")
    assert text == "/target.txt"


def test_a_file_can_be_read(server: Server, files: Receiver) -> None:
    assert output(server, file=f"{files.url}/a.txt") == [["/a.txt"]]
    assert output(server, file=DATA_URL) == [["from data"]]


def test_a_secret_is_masked_and_can_be_revealed(server: Server) -> None:
    assert output(server, secret="hush") == [["**********", "hush"]]


def test_text_is_never_fetched(server: Server, files: Receiver) -> None:
    url = f"{files.url}/a.txt"
    assert output(server, text=url, texts=[url, DATA_URL]) == [url, [url, DATA_URL]]
    assert files.received == []


def test_the_user_agent_can_be_set(serve: Serve, files: Receiver) -> None:
    with serve(Model(SOURCE, COMPONENTS), variables={"COG_USER_AGENT": "my-agent/1"}) as server:
        output(server, path=f"{files.url}/a.txt")
    assert files.received[0].headers["user-agent"] == "my-agent/1"


def test_an_error_response_to_a_download_fails_the_prediction(server: Server, files: Receiver) -> None:
    body = server.predict({"path": f"{files.url}/absent.txt"}).json()
    assert body["status"] == "failed"
    assert body["error"].startswith("Input validation error: ")
    assert "404" in body["error"]


@pytest.mark.ours("runtime.md 5.6: downloads are removed whatever the end; the peer leaks some")
def test_no_download_is_left(server: Server, files: Receiver) -> None:
    before = sorted(server.temporary.rglob("*"))
    output(server, paths=[f"{files.url}/a.txt", f"{files.url}/b.txt"])
    for _ in range(10):
        server.predict({"paths": [f"{files.url}/a.txt", f"{files.url}/absent"]})
    # The failure of one is reported before the other download has stopped and its file is deleted.
    wait_for(lambda: sorted(server.temporary.rglob("*")) == before, "end of all files")


@pytest.mark.ours("runtime.md 8.4: a cancel aborts a download; the peer waits for its end")
def test_a_cancel_aborts_a_download(server: Server, files: Receiver) -> None:
    def stall(request: Received) -> Reply:
        wait_for(lambda: released, "end of the test")
        return Reply()

    released: list[bool] = []
    files.answer = stall
    answer = server.begin({"path": f"{files.url}/slow.bin"}, id="downloads")
    wait_for(lambda: files.received, "request for the file")
    assert server.cancel("downloads").status == 200
    assert answer.result().json()["status"] == "canceled"
    released.append(True)
    assert output(server, text="next") == ["next"]
