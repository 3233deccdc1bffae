"""hardening.md A2: over HTTP an input file is a URL; clients cannot read the server's own files."""

import base64
from collections.abc import Iterator
from typing import Any, Final

import pytest
from integration.conftest import Serve
from testing.model import Model, inputs
from testing.server import Server

pytestmark = pytest.mark.ours("hardening.md A2: the peer opens what a client names")

ADVICE: Final = "a file is sent as an http:, https: or data: URL"
LOCAL: Final = ("/etc/passwd", "../../etc/passwd", "/proc/self/environ", "predict.py", "file:///etc/passwd")
DATA_URL: Final = "DATA:text/plain;base64," + base64.b64encode(b"sent").decode()
SOURCE: Final = """
from typing import Optional
from cog import BaseRunner, File, Input, Path

def content(file):
    return file.read().decode() if hasattr(file, "read") else open(file).read()

class Runner(BaseRunner):
    def run(
        self,
        image: Path = Input(default="sample.txt"),
        maybe: Optional[Path] = None,
        images: list[Path] = Input(default=[]),
        file: Optional[File] = None,
        choice: Path = Input(choices=["sample.txt", "predict.py"], default="sample.txt"),
    ) -> str:
        given = [image, maybe, *images, file, choice]
        return " ".join(content(file) for file in given if file is not None)

    def train(self, image: Path, images: list[Path] = Input(default=[])) -> str:
        return content(image)
"""


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(Model(SOURCE, ref="predict.py:Runner")) as server:  # its schema is made from the source
        (server.folder / "sample.txt").write_text("own")
        yield server


@pytest.mark.parametrize("local", [*LOCAL, "http:/etc/passwd", " data:,a"])
@pytest.mark.parametrize(
    "route", ["POST /predictions", "PUT /predictions/p", "POST /trainings", "PUT /trainings/t"]
)
def test_a_local_file_is_refused(server: Server, route: str, local: str) -> None:
    method, _, path = route.partition(" ")
    answer = server.request(method, path, {"input": {"image": local}})
    message = f'"{local}" is not the URL of a file; {ADVICE}'
    assert answer.status == 422
    assert answer.json() == {
        "detail": [{"loc": ["body", "input", "image"], "msg": message, "type": "value_error"}]
    }


def test_wherever_a_file_may_stand(server: Server) -> None:
    given = {"images": [DATA_URL, "/etc/passwd"], "maybe": "/etc/passwd", "file": "/etc/passwd"}
    answer = server.predict({**given, "choice": "/etc/passwd"})
    assert answer.status == 422
    assert [entry["loc"][-1] for entry in answer.json()["detail"]] == ["choice", "file", "images/1", "maybe"]


def test_content_is_sent_and_the_authors_own_files_go_on_working(server: Server) -> None:
    assert server.predict({}).json()["output"] == "own own"
    assert server.predict({"image": "sample.txt"}).json()["output"] == "own own"
    given = {"image": DATA_URL, "maybe": DATA_URL, "images": [DATA_URL], "file": DATA_URL}
    assert server.predict(given).json()["output"] == "sent sent sent sent own"
    assert server.predict({"choice": "predict.py"}).json()["output"] == f"own {SOURCE}"


def test_the_annotation_counts_when_the_schema_does_not_say_that_it_is_a_file(serve: Serve) -> None:
    text: dict[str, Any] = {"type": "string"}
    components = inputs({"image": text, "file": text, "images": {"type": "array", "items": text}})
    with serve(Model(SOURCE, components, ref="predict.py:Runner")) as server:
        for local in LOCAL:
            for given in ({"image": local}, {"file": local}, {"images": [DATA_URL, local]}):
                answer = server.predict({"image": DATA_URL, **given}).json()
                assert (answer["status"], answer.get("output")) == ("failed", None)
                assert f"{next(iter(given))}: '{local}' is not a URL; {ADVICE}" in answer["error"]
