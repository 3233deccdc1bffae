"""Which changes in a model's folder are changes of its source."""

import asyncio
from pathlib import Path

import pytest

from coglet_cli.project.changes import SourceChanges, SourceFiles
from coglet_cli.project.folder import Project


@pytest.fixture
def source(tmp_path: Path) -> SourceFiles:
    return SourceFiles(Project(tmp_path, tmp_path / "conf" / "gpu.yaml"))


def write(folder: Path, name: str, text: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "predict.py",
        "lib/deep/model.py",
        "conf/gpu.yaml",
        "requirements.txt",
        "requirements/base-constraints.txt",
        "requirements.in",
    ],
)
def test_source(source: SourceFiles, tmp_path: Path, name: str) -> None:
    assert source.changed_among([write(tmp_path, name)]) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "__pycache__/predict.cpython-312.pyc",
        "__pycache__/predict.py",
        ".git/hooks/hook.py",
        ".cog/openapi_schema.json",
        ".predict.py.swp",
        ".#predict.py",
        "predict.py~",
        "4913",
        "output.png",
        "notes.txt",
        "other.yaml",
        "node_modules/gyp/main.py",
        "env/lib/python3.12/site-packages/torch/nn.py",
    ],
)
def test_other_files(source: SourceFiles, tmp_path: Path, name: str) -> None:
    assert source.changed_among([write(tmp_path, name)]) == []


def test_a_virtual_environment_of_any_name(source: SourceFiles, tmp_path: Path) -> None:
    write(tmp_path, "own/pyvenv.cfg")
    assert source.changed_among([write(tmp_path, "own/bin/activate_this.py")]) == []


def test_saving_the_same_content_changes_nothing(source: SourceFiles, tmp_path: Path) -> None:
    path = write(tmp_path, "predict.py", "1")
    assert source.changed_among([path, path]) == ["predict.py"]
    write(tmp_path, "predict.py", "1")
    assert source.changed_among([path]) == []
    write(tmp_path, "predict.py", "2")
    assert source.changed_among([path]) == ["predict.py"]


def test_an_editor_that_renames(source: SourceFiles, tmp_path: Path) -> None:
    path = write(tmp_path, "predict.py", "1")
    source.changed_among([path])
    backup = path.rename(tmp_path / "predict.py~")
    assert source.changed_among([path, backup]) == ["predict.py"]
    write(tmp_path, ".predict.py.new", "2").rename(path)
    assert source.changed_among([path]) == ["predict.py"]


def test_a_folder_that_is_moved_here(source: SourceFiles, tmp_path: Path) -> None:
    for name in ("lib/deep/model.py", "lib/data.txt", "lib/.git/hook.py", "lib/node_modules/gyp.py"):
        write(tmp_path, name)
    assert source.changed_among([tmp_path / "lib"]) == ["lib/deep/model.py"]
    assert source.changed_among([tmp_path / "lib"]) == []


async def test_changes_are_collected_until_they_are_taken() -> None:
    changes = SourceChanges()
    changes.add([])
    assert not changes.is_pending
    changes.add(["a.py"])
    changes.add(["b.py", "a.py"])
    assert await changes.take() == "a.py and 1 more"
    assert not changes.is_pending


async def test_a_change_interrupts_work() -> None:
    changes, ended = SourceChanges(), []

    async def work() -> None:
        try:
            changes.add(["a.py"])
            await asyncio.Event().wait()
        finally:
            ended.append("work")

    await changes.interrupt(work())
    assert ended == ["work"]
    assert await changes.take() == "a.py"
