"""Fixtures for the tests of the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from coglet_cli.config import LoadedConfig, load_config
from coglet_cli.errors import ConfigError

Load = Callable[[str], LoadedConfig]
Problems = Callable[[str], list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that loads the text of a cog.yaml, in a folder with a requirements.txt."""
    (tmp_path / "requirements.txt").write_text("numpy\ntensorflow==2.15.0 ; python_version > '3'\n")

    def load_text(text: str) -> LoadedConfig:
        (tmp_path / "cog.yaml").write_text(text, "utf-8")
        return load_config(tmp_path / "cog.yaml", tmp_path)

    return load_text


@pytest.fixture
def problems(load: Load) -> Problems:
    """Return a function that returns the problems of the text of a cog.yaml, which must have some."""

    def find_problems(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text)
        assert caught.value.message == "\n".join(caught.value.problems)
        return caught.value.problems

    return find_problems


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a temporary one; checks of the machine are disabled."""
    monkeypatch.chdir(tmp_path)
    for variable in ("COG_SKIP_DOCKER_CHECK", "COG_SKIP_GPU_CHECK"):
        monkeypatch.setenv(variable, "1")
    return tmp_path
