"""runtime.md 6.4: files as outputs, without an upload URL."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.model import Model, inputs
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

IMPORTS = ("cog", "io", "os", "pathlib", "tempfile")


FILE = {"type": "string", "format": "uri"}
RETURNS_TEXT = """
from typing import Iterator, List
from cog import BaseModel, Path

class Out(BaseModel):
    file: Path

def text(name: str) -> str:
    with open(name, "w") as file:
        file.write("content")
    return name

def predict() -> {annotation}:
    {statement}
"""


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def output(server: Server, act: Callable[..., Any], **arguments: Any) -> Any:
    body = server.predict(script(act, **arguments)).json()
    assert body["status"] == "succeeded", body
    return body["output"]


def write_and_return(name: str, text: str) -> object:
    import cog

    path = cog.Path(name)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.png", "image/png"),
        ("A.PNG", "image/png"),
        ("a.gif", "image/gif"),
        ("a.webp", "image/webp"),
        ("a.svg", "image/svg+xml"),
        ("a.mp4", "video/mp4"),
        ("a.json", "application/json"),
        ("a.txt", "text/plain"),
        ("a.gz", "application/gzip"),
        ("a.unheard-of", "application/octet-stream"),
        ("without", "application/octet-stream"),
    ],
)
def test_a_file_becomes_a_data_url_of_its_type(server: Server, name: str, media_type: str) -> None:
    assert output(server, write_and_return, name=name, text="hi?>") == data_url(media_type, b"hi?>")


def test_an_empty_file(server: Server) -> None:
    assert output(server, write_and_return, name="empty.txt", text="") == "data:text/plain;base64,"


def test_a_pathlib_path_is_a_file_too(server: Server) -> None:
    def predict() -> object:
        import pathlib

        path = pathlib.Path("plain.txt").absolute()
        path.write_text("hi")
        return path

    assert output(server, predict) == data_url("text/plain", b"hi")


def test_an_open_file_is_read_from_its_start(server: Server) -> None:
    def predict() -> object:
        file = open("handle.txt", "w+b")
        file.write(b"written just now")
        return file

    assert output(server, predict) == data_url("text/plain", b"written just now")


def test_a_buffer_without_a_name(server: Server) -> None:
    answer = server.predict(returning("io.BytesIO(b'hi')", *IMPORTS)).json()
    assert answer["output"] == data_url("application/octet-stream", b"hi")


@pytest.mark.ours(
    "runtime.md 6.3: the peer refuses text handles at the top level, its own training guide uses one"
)
def test_a_text_buffer(server: Server) -> None:
    answer = server.predict(returning("io.StringIO('hé')", *IMPORTS)).json()
    assert answer["output"].endswith(f";base64,{base64.b64encode('hé'.encode()).decode()}")


def test_a_list_of_files_keeps_its_order(server: Server) -> None:
    def predict() -> list[object]:
        import cog

        paths = [cog.Path(f"{number}.txt") for number in range(5)]
        for path in paths:
            path.write_text(path.name)
        return [*paths]

    assert output(server, predict) == [data_url("text/plain", f"{n}.txt".encode()) for n in range(5)]


def test_a_list_of_one_file_stays_a_list(server: Server) -> None:
    def predict() -> list[object]:
        import cog

        path = cog.Path("only.txt")
        path.write_text("x")
        return [path]

    assert output(server, predict) == [data_url("text/plain", b"x")]


def test_files_inside_other_values(server: Server) -> None:
    def predict() -> object:
        import io

        import cog

        path = cog.Path("inner.png")
        path.write_text("p")
        return {"image": path, "list": [{"deep": path}], "buffer": io.BytesIO(b"b"), "text": "plain"}

    image = data_url("image/png", b"p")
    assert output(server, predict) == {
        "image": image,
        "list": [{"deep": image}],
        "buffer": data_url("application/octet-stream", b"b"),
        "text": "plain",
    }


def test_files_of_an_iterator(server: Server) -> None:
    def predict() -> Iterator[object]:
        import cog

        for number in range(3):
            path = cog.Path(f"item-{number}.txt")
            path.write_text(str(number))
            yield path
            yield f"after {number}"

    expected = [item for n in range(3) for item in (data_url("text/plain", str(n).encode()), f"after {n}")]
    assert output(server, predict) == expected


# what the peer reads too late (16.1)

SECURED = "decisions.md: file outputs are secured when yielded or returned; the peer reads them later (16.1)"


@pytest.mark.ours(SECURED)
def test_a_file_that_is_written_again_after_each_yield(server: Server) -> None:
    def predict() -> Iterator[object]:
        import cog

        path = cog.Path("frame.txt")
        for number in range(20):
            path.write_text(f"v{number}")
            yield path

    assert output(server, predict) == [data_url("text/plain", f"v{n}".encode()) for n in range(20)]


@pytest.mark.ours(SECURED)
def test_files_that_the_model_deletes_after_the_yield(server: Server) -> None:
    def predict() -> Iterator[object]:
        import tempfile

        import cog

        for number in range(5):
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
                file.write(f"t{number}")
                file.flush()
                yield cog.Path(file.name)

    assert output(server, predict) == [data_url("text/plain", f"t{n}".encode()) for n in range(5)]


@pytest.mark.ours(
    "runtime.md 16.1: a relative path means the model's folder, whatever its working directory is"
)
def test_a_relative_path_after_a_change_of_folder(server: Server) -> None:
    def predict() -> object:
        import os

        import cog

        before = os.getcwd()
        os.makedirs("elsewhere", exist_ok=True)
        os.chdir("elsewhere")
        try:
            path = cog.Path("relative.txt")
            path.write_text("hi")
            yield path
        finally:
            os.chdir(before)

    assert output(server, predict) == [data_url("text/plain", b"hi")]


@pytest.mark.ours("decisions.md: a missing file fails the prediction; in the peer it succeeds without output")
@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("cog.Path('absent.txt')", "absent.txt"),
        ("['text', cog.Path('absent.txt')]", "absent.txt"),
        ("{'a': cog.Path('absent.txt')}", "absent.txt"),
        ("cog.Path('/dev')", "/dev"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_prediction(server: Server, expression: str, named: str) -> None:
    body = server.predict(returning(expression, *IMPORTS)).json()
    assert (body["status"], named in body["error"]) == ("failed", True)


@pytest.mark.ours("runtime.md 16.20: nothing stays behind; the peer leaves folders, spilled and copied files")
def test_no_file_of_a_prediction_is_left(server: Server) -> None:
    def names() -> set[str]:
        return {str(path.relative_to(server.temporary)) for path in server.temporary.rglob("*")}

    before = names()
    server.predict(returning("[io.BytesIO(b'hi'), 'x' * 7_000_000]", *IMPORTS))
    server.predict(returning("{'a': io.BytesIO(b'hi'), 'b': 'x' * 7_000_000}", *IMPORTS))
    server.predict(returning("1 / 0", *IMPORTS), id="failed")
    wait_for(lambda: names() == before, f"only {before}")  # a folder is removed off the event loop


def test_a_file_of_64_mebibytes(server: Server) -> None:
    def predict() -> object:
        import cog

        path = cog.Path("large.bin")
        with path.open("wb") as file:
            for _ in range(64):
                file.write(b"x" * (1 << 20))
        return path

    head, _, encoded = output(server, predict).partition(",")
    assert head == "data:application/octet-stream;base64"
    assert len(base64.b64decode(encoded)) == 64 << 20


@pytest.mark.parametrize(
    ("annotation", "statement", "schema", "output"),
    [
        ("Path", "return text('a.txt')", FILE, "a.txt"),
        ("List[Path]", "return [text('a.txt')]", {"type": "array", "items": FILE}, ["a.txt"]),
        ("Iterator[Path]", "yield text('a.txt')", {"type": "array", "items": FILE}, ["a.txt"]),
        ("Out", "return Out(text('a.txt'))", {"properties": {"file": FILE}}, {"file": "a.txt"}),
    ],
)
def test_text_where_a_file_is_declared_stays_text(
    serve: Serve, annotation: str, statement: str, schema: dict[str, Any], output: Any
) -> None:
    source = RETURNS_TEXT.format(annotation=annotation, statement=statement)
    components = {**inputs({}), "Output": {"title": "Output", **schema}}
    with serve(Model(source, components, ref="predict.py:predict")) as server:
        assert server.predict().json()["output"] == output
