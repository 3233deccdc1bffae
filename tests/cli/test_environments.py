"""The environment of a local model: its folder, its key, and the choice of its Python."""

import os
import sys
from pathlib import Path

import pytest

from coglet_cli.cache_folder import cache_folder
from coglet_cli.python_env.cache import EnvironmentCache
from coglet_cli.python_env.installer import Uv, VenvAndPip, python_of
from coglet_cli.python_env.interpreter import Interpreter, NoInterpreter, choose_interpreter
from coglet_cli.python_env.recipe import Recipe
from coglet_cli.python_env.requirements import read_requirements

OWN = "{}.{}".format(*sys.version_info[:2])


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"COG_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"COG_CACHE_DIR": "", "XDG_CACHE_HOME": "/b"}, "/b/cog"),
        ({"XDG_CACHE_HOME": "relative"}, str(Path.home() / ".cache/cog")),
        ({}, str(Path.home() / ".cache/cog")),
    ],
)
def test_the_cache_folder(variables: dict[str, str], place: str) -> None:
    assert cache_folder(variables) == Path(place)


def recipe(folder: Path, text: str, version: str = "3.12") -> Recipe:
    (folder / "requirements.txt").write_text(text)
    return Recipe(folder, version, read_requirements(folder, "requirements.txt", (), "ours"))


def test_the_key_depends_on_the_recipe_alone(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "limits.txt").write_text("six<2\n")
    (tmp_path / "one.whl").write_bytes(b"1")
    keys = [
        recipe(tmp_path, "six\n").key,
        recipe(tmp_path, "six==1\n").key,
        recipe(tmp_path, "six\n", "3.13").key,
        recipe(tmp_path, "six\n-c limits.txt\n").key,
        recipe(tmp_path, "one.whl\n").key,
    ]
    (tmp_path / "one.whl").write_bytes(b"2")
    keys.append(recipe(tmp_path, "one.whl\n").key)
    assert len(set(keys)) == len(keys)
    assert recipe(tmp_path / "other", "# a comment\nsix   # another\n").key == keys[0]


def test_packages_of_the_project_are_installed_from_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "one.whl").touch()
    assert recipe(tmp_path, "one.whl\nsix\n").requirements_text == f"{tmp_path}/one.whl\nsix\n"


def python(folder: Path, name: str, says: str) -> Path:
    """Write a script that behaves like an interpreter of a version."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{says}\n")
    (folder / name).chmod(0o755)
    return folder / name


def test_the_running_python_comes_first() -> None:
    found = choose_interpreter(OWN, {}, None)
    assert found == Interpreter(sys.executable, "{}.{}.{}".format(*sys.version_info[:3]))


def test_a_failing_shim_is_skipped(tmp_path: Path) -> None:
    python(tmp_path / "shims", "python3.77", "exit 127")
    wanted = python(tmp_path / "bin", "python3.77", "echo 3.77.1")
    path = os.pathsep.join([str(tmp_path / "shims"), str(tmp_path / "bin")])
    assert choose_interpreter("3.77", {"PATH": path}, None) == Interpreter(str(wanted), "3.77.1")


def test_pyenv_is_searched_after_path_newest_first(tmp_path: Path) -> None:
    for patch in ("3.77.9", "3.77.10"):
        python(tmp_path / "pyenv/versions" / patch / "bin", "python", f"echo {patch}")
    variables = {"PYENV_ROOT": str(tmp_path / "pyenv"), "PATH": str(tmp_path / "bin")}
    assert choose_interpreter("3.77", variables, None).version == "3.77.10"
    assert choose_interpreter("3.77.9", variables, None).version == "3.77.9"
    assert choose_interpreter("3.77.8", variables, None).version == "3.77.10"
    python(tmp_path / "bin", "python3.77", "echo 3.77.2")
    assert choose_interpreter("3.77", variables, None).version == "3.77.2"


def test_uv_is_asked_last(tmp_path: Path) -> None:
    known = python(tmp_path / "store", "python3.77", "echo 3.77.3")
    uv = python(tmp_path, "uv", f"echo {known}")
    assert choose_interpreter("3.77", {"PYENV_ROOT": str(tmp_path)}, str(uv)).path == str(known)


def test_a_python_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NoInterpreter) as caught:
        choose_interpreter("3.77", {"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)}, None)
    assert caught.value.message == (
        "build.python_version asks for Python 3.77, but none was found on PATH, in pyenv or by uv"
    )
    assert caught.value.hint is not None
    assert "--python" in caught.value.hint


def test_settings_of_pip_apply_to_uv_unless_its_own_are_set() -> None:
    theirs = {"PIP_INDEX_URL": "a", "PIP_EXTRA_INDEX_URL": "b", "PIP_CERT": "c", "PIP_TRUSTED_HOST": "d"}
    wanted = Uv("uv").environment({**theirs, "UV_INDEX": "e", "HOME": "h"})
    assert wanted["UV_INDEX_URL"] == "a"
    assert "UV_EXTRA_INDEX_URL" not in wanted
    assert (wanted["SSL_CERT_FILE"], wanted["UV_INSECURE_HOST"], wanted["HOME"]) == ("c", "d", "h")
    assert "UV_INDEX_URL" not in Uv("uv").environment({"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "b"})


def test_pip_installs_into_the_environment_only() -> None:
    assert VenvAndPip().environment({"PIP_USER": "1", "PIP_INDEX_URL": "a"}) == {"PIP_INDEX_URL": "a"}


def test_an_environment_is_used_if_it_is_complete_and_its_python_exists(tmp_path: Path) -> None:
    cache = EnvironmentCache(tmp_path)
    (tmp_path / "environments").mkdir()
    with cache.making("key") as place:
        (place / "venv/bin").mkdir(parents=True)
        python_of(place / "venv").symlink_to(sys.executable)
        assert cache.find("key") is None
    assert cache.find("key") == place
    python_of(place / "venv").unlink()
    python_of(place / "venv").symlink_to(tmp_path / "gone")
    assert cache.find("key") is None


def test_a_failed_or_interrupted_environment_is_deleted(tmp_path: Path) -> None:
    cache = EnvironmentCache(tmp_path)
    place = tmp_path / "environments" / "key"
    (place / "half").mkdir(parents=True)

    def make() -> None:
        with cache.making("key") as made:
            assert list(made.iterdir()) == []
            (made / "more").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make()
    assert not place.exists()
