"""replicate-api.md 1: the name and the version of the model."""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from coglet_supervisor.pages.hosted.identity import Identity, find_identity

DOCUMENT: dict[str, Any] = {"openapi": "3.0.2", "paths": {}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "My Model!"
    folder.mkdir()
    folder.joinpath("predict.py").write_text('class Predictor:\n    """Draws."""\n')
    return folder


def identity(folder: Path, name: str | None = None, ref: str = "predict.py:Predictor") -> Identity:
    return find_identity(folder, ref, DOCUMENT, name)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("me/model", "me/model"),
        ("model", "local/model"),
        ("registry.test/me/model:v1", "me/model"),
        ("localhost:5000/model@sha256:00", "local/model"),
        ("registry.test/a/b/c", "b/c"),
        ("Me/My_Model", "me/my_model"),
    ],
)
def test_the_given_name(folder: Path, text: str, model: str) -> None:
    folder.joinpath("cog.yaml").write_text("image: other/name\n")
    assert identity(folder, text).model == model


@pytest.mark.parametrize(
    ("line", "model"),
    [
        ("image: r.test/me/model:1", "me/model"),
        ("image: 'me/model' # ours", "me/model"),
        ("build:\n  image: x", "local/my-model"),
    ],
)
def test_the_image_of_cog_yaml_else_the_folder(folder: Path, line: str, model: str) -> None:
    folder.joinpath("cog.yaml").write_text(f"predict: predict.py:Predictor\n{line}\n")
    assert identity(folder).model == model


def test_the_version_is_stable(folder: Path) -> None:
    first = identity(folder)
    assert len(first.version) == 64
    folder.joinpath("weights.bin").write_bytes(b"x")
    folder.joinpath(".venv").mkdir()
    folder.joinpath(".venv", "library.py").write_text("x = 1\n")
    assert identity(folder) == first


def test_the_version_changes_with_the_code(folder: Path) -> None:
    first = identity(folder)
    folder.joinpath("parts").mkdir()
    folder.joinpath("parts", "more.py").write_text("x = 1\n")
    second = identity(folder)
    folder.joinpath("cog.yaml").write_text("build:\n  gpu: true\n")
    third = identity(folder)
    fourth = find_identity(folder, "predict.py:Predictor", {**DOCUMENT, "x": 1}, None)
    assert len({each.version for each in (first, second, third, fourth)}) == 4


def test_the_version_changes_with_the_names_of_the_files(folder: Path) -> None:
    first = identity(folder)
    folder.joinpath("predict.py").rename(folder / "other.py")
    assert identity(folder).version != first.version


@pytest.mark.parametrize(
    ("source", "description"),
    [
        ('"""File."""\nclass Predictor:\n    """Draws."""\n', "Draws."),
        ('"""File."""\nclass Predictor: ...\n', "File."),
        ("class Predictor: ...\n", None),
        ("class Predictor(\n", None),
    ],
)
def test_the_description_is_the_docstring(folder: Path, source: str, description: str | None) -> None:
    folder.joinpath("predict.py").write_text(source)
    assert identity(folder).description == description


def test_how_clients_name_the_version(folder: Path) -> None:
    found = identity(folder, "me/model")
    for text in (found.version, f"me/model:{found.version}", "me/model", f"Me/Model:{found.version}"):
        assert found.has_version(text), text
    for text in ("", "0" * 64, f"you/model:{found.version}", "you/model", "me/model:latest"):
        assert not found.has_version(text), text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_folder_that_may_not_be_searched_is_left_out() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        folder.chmod(0o755)
        folder.joinpath("predict.py").write_text("class Predictor: ...\n")
        before = identity(folder)
        folder.joinpath("lost+found").mkdir(mode=0o700)
        os.seteuid(65534)
        try:
            assert identity(folder).version == before.version
        finally:
            os.seteuid(0)
