"""replicate-api.md 5 and 9: files, with the official Python client, unmodified."""

from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from integration.hosted_models import NAME, WITH_FILES
from testing.model import Model
from testing.official_client import PYTHON, ask, url_of

pytestmark = [
    pytest.mark.ours("replicate-api.md: the peer does not serve the hosted API"),
    pytest.mark.skipif(not PYTHON, reason="scripts/test makes the environment of the client"),
]


@pytest.fixture(scope="module")
def url(serve: Serve) -> Iterator[str]:
    # The address of this server is private, so its workers cannot download from it.
    variables = {**NAME, "COG_INLINE_FILES_MAX": "100", "COG_URL_GUARD": "strict"}
    with serve(Model(WITH_FILES), variables=variables) as server:
        yield url_of(server)


def test_files(url: str) -> None:
    def run() -> Any:
        import io
        import pathlib
        import tempfile

        import replicate

        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "a.txt")
            path.write_text("content")
            created = replicate.files.create(path, metadata={"n": 1})
        other = replicate.files.create(io.BytesIO(b"x"), filename="b.bin", content_type="a/b")
        found = replicate.files.get(created.id)
        listed = [file.name for file in replicate.files.list()]
        deleted = [replicate.files.delete(file.id) for file in (created, other)]
        return [
            found.dict() == created.dict(),
            [found.name, found.content_type, found.size, found.metadata],
            listed[:2],
            other.content_type,
            deleted,
            [file.id for file in replicate.files.list() if file.id in (created.id, other.id)],
        ]

    assert ask(url, run) == [
        True,
        ["a.txt", "text/plain", 7, {"n": 1}],
        ["b.bin", "a.txt"],
        "a/b",
        [True, True],
        [],
    ]


@pytest.mark.parametrize("strategy", ["base64", None])
def test_files_as_inputs_and_outputs(url: str, strategy: str | None) -> None:
    def run(strategy: str | None) -> Any:
        import pathlib
        import tempfile

        import replicate

        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "a.txt")
            path.write_text("content")
            output = replicate.run(
                "me/model", input={"file": path, "other": path}, file_encoding_strategy=strategy
            )
        prediction = replicate.predictions.list().results[0]
        return [output.read().decode(), prediction.logs]

    assert ask(url, run, strategy=strategy) == ["CONTENTCONTENT", ".txt\n"]


def test_a_large_output_is_a_url_of_the_server(url: str) -> None:
    def run() -> Any:
        import httpx
        import replicate

        url = replicate.run("me/model", input={"file": "data:,x", "repeat": 1000})
        file_id = url.split("/v1/files/")[1].split("/")[0]
        return [httpx.get(url).text == "X" * 1000, replicate.files.get(file_id).name]

    assert ask(url, run) == [True, "out.txt"]
