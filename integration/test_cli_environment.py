"""The environment that `--local` commands make for a model: with uv or pip, once, and never incomplete."""

import asyncio
import base64
import hashlib
import io
import os
import signal
import socket
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from integration.cli_process import run_cog, start_cog
from integration.cli_serving import address_of
from testing.waiting import DEADLINE_S

from coglet_cli.progress import Progress
from coglet_cli.python_env.cache import EnvironmentCache
from coglet_cli.python_env.environment import Maker
from coglet_cli.python_env.installer import VenvAndPip
from coglet_cli.python_env.interpreter import choose_interpreter
from coglet_cli.python_env.recipe import Recipe
from coglet_cli.python_env.requirements import read_requirements
from coglet_cli.terminal import Terminal

pytestmark = pytest.mark.ours("the command line is not part of the server")

OWN: Final = "{}.{}".format(*sys.version_info[:2])
MAKING: Final = "Making an environment for the model: Python "
MODEL: Final = """
import shutil, sys
from cog import BaseRunner

class Runner(BaseRunner):
    def run(self) -> str:
        import greeter
        return f"{greeter.GREETING} {sys.prefix} {shutil.which('greet')}"

def train(n: int) -> str:
    import greeter
    return greeter.GREETING * n
"""
GREETER: Final = {
    "greeter.py": b"GREETING = 'hello'\ndef main():\n    print(GREETING)\n",
    "greeter-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n",
    "greeter-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "greeter-1.0.dist-info/entry_points.txt": b"[console_scripts]\ngreet = greeter:main\n",
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels that the models here need, so that no package index is used."""
    folder = tmp_path_factory.mktemp("wheels")
    (folder / "greeter-1.0-py3-none-any.whl").write_bytes(wheel(dict(GREETER)))
    name, contents = installed("msgspec")
    (folder / name).write_bytes(wheel(contents))
    return folder


def installed(package: str) -> tuple[str, dict[str, bytes]]:
    """Return the name and the files of the wheel of an installed package."""
    distribution = metadata.distribution(package)
    contents = {
        str(file): file.read_binary()
        for file in distribution.files or ()
        if not str(file).startswith("..") and file.suffix != ".pyc" and file.name != "RECORD"
    }
    tag = (distribution.read_text("WHEEL") or "").partition("Tag: ")[2].splitlines()[0]
    return f"{package}-{distribution.version}-{tag}.whl", contents


def wheel(contents: dict[str, bytes]) -> bytes:
    info = next(name.split("/")[0] for name in contents if ".dist-info/" in name)
    lines = []
    for name, data in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}")
    contents[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def variables(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = tmp_path_factory.mktemp("cache")
    return {"XDG_CACHE_HOME": str(cache), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


@pytest.fixture
def silent_index() -> Iterator[socket.socket]:
    """Run a package index that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        yield listener


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cog.yaml").write_text(
        f"build:\n  python_version: '{OWN}'\n  python_requirements: requirements.txt\n"
        "run: run.py:Runner\ntrain: run.py:train\n"
    )
    (tmp_path / "requirements.txt").write_text("greeter\n")
    (tmp_path / "run.py").write_text(MODEL)
    return tmp_path


def environments(variables: dict[str, str]) -> list[Path]:
    folder = Path(variables["XDG_CACHE_HOME"]) / "cog" / "environments"
    return [path for path in folder.glob("*") if path.is_dir()]


def test_it_is_made_once_and_has_its_programs_on_path(project: Path, variables: dict[str, str]) -> None:
    first = run_cog(project, "predict", variables=variables)
    assert first.returncode == 0, first.stderr
    (place,) = environments(variables)
    assert first.stdout == f"hello {place}/venv {place}/venv/bin/greet\n"
    assert first.stderr.startswith(MAKING + OWN)
    assert " + greeter==1.0" in first.stderr
    second = run_cog(project, "predict", variables={**variables, "PIP_FIND_LINKS": ""})
    assert second.stdout == first.stdout
    assert second.stderr.startswith("Starting the model")


def test_all_local_commands_use_it(project: Path, variables: dict[str, str]) -> None:
    done = run_cog(project, "exec", "--local", "greet", variables=variables)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert run_cog(project, "exec", "--local", "sh", "-c", "exit 3", variables=variables).returncode == 3
    config = (project / "cog.yaml").read_text()
    (project / "cog.yaml").write_text(config.replace("run: run.py:Runner\n", ""))
    trained = run_cog(project, "train", "--local", "-i", "n=2", variables=variables)
    assert trained.returncode == 0, trained.stderr
    assert (project / "weights").read_text() == "hellohello"
    assert len(environments(variables)) == 1


def test_a_server_gets_one(project: Path, variables: dict[str, str]) -> None:
    with start_cog(project, "serve", "-p", "0", variables=variables) as cog:
        cog.wait_shown(MAKING)
        cog.wait_shown("The model is ready")


def test_a_server_that_reloads_makes_another_one_for_other_requirements(
    project: Path, variables: dict[str, str], silent_index: socket.socket
) -> None:
    """The old version serves while they are installed, and after they could not be."""
    slow = f"http://127.0.0.1:{silent_index.getsockname()[1]}/slow-1.0-py3-none-any.whl"
    variables = {**variables, "UV_HTTP_RETRIES": "0"}
    with start_cog(project, "serve", "-p", "0", "--reload", variables=variables) as cog:
        cog.wait_shown("The model is ready")
        address = address_of(cog)
        (project / "requirements.txt").write_text(f"greeter\nslow @ {slow}\n")
        connection, _ = silent_index.accept()
        assert address.request("POST", "/predictions", {"input": {}}).json()["status"] == "succeeded"
        silent_index.close()
        connection.close()  # the installer exits
        cog.wait_shown("error: the model was not reloaded: failed to install the model's packages")
        assert address.request("POST", "/predictions", {"input": {}}).json()["status"] == "succeeded"
        (project / "requirements.txt").write_text("# the same, in another file\ngreeter >= 1.0\n")
        cog.wait_shown("Reloaded the model in ")
    assert cog.err.count(MAKING) == 3
    assert len(environments(variables)) == 2


def test_the_packages_of_the_server_stay_outside(project: Path, variables: dict[str, str]) -> None:
    code = "import importlib.util as u, coglet_worker; print(u.find_spec('quart'), u.find_spec('click'))"
    done = run_cog(project, "exec", "--local", "python", "-c", code, variables=variables)
    assert done.stdout == "None None\n", done.stderr


def test_a_folder_without_a_build_section_gets_none(project: Path, variables: dict[str, str]) -> None:
    (project / "cog.yaml").write_text("run: run.py:Runner\n")
    result = run_cog(project, "predict", variables=variables)
    assert "No module named 'greeter'" in result.stderr
    assert environments(variables) == []
    here = run_cog(project, "exec", "--local", "python", "-c", "import sys; print(sys.prefix)")
    assert here.stdout == f"{sys.prefix}\n"


def test_an_interpreter_of_the_user_overrides_it(project: Path, variables: dict[str, str]) -> None:
    result = run_cog(project, "predict", "--python", sys.executable, variables=variables)
    assert "No module named 'greeter'" in result.stderr
    assert environments(variables) == []


def test_inputs_are_validated_before_it_is_made(project: Path, variables: dict[str, str]) -> None:
    result = run_cog(project, "predict", "-i", "x=1", variables=variables)
    assert result.stderr.startswith('error: unknown input "x"')
    assert environments(variables) == []


def test_concurrent_runs_make_one(project: Path, variables: dict[str, str]) -> None:
    with (
        start_cog(project, "predict", variables=variables) as one,
        start_cog(project, "predict", variables=variables) as two,
        start_cog(project, "predict", variables=variables) as three,
    ):
        assert [cog.wait_exit() for cog in (one, two, three)] == [0, 0, 0]
    assert (one.err + two.err + three.err).count(MAKING) == 1
    assert one.out == two.out == three.out


def test_a_package_that_does_not_exist(project: Path, variables: dict[str, str]) -> None:
    (project / "requirements.txt").write_text("no-such-package==1\n")
    result = run_cog(project, "predict", "--progress", "quiet", variables=variables)
    assert result.returncode == 1
    _, _, stderr = result.stderr.partition(
        "error: failed to install the model's packages: uv ended with exit"
    )
    assert "no-such-package" in stderr
    assert "\n\nhint: check the requirements in cog.yaml and the package index" in stderr
    assert environments(variables) == []


def test_a_python_that_is_not_installed(project: Path, variables: dict[str, str]) -> None:
    (project / "cog.yaml").write_text("build: {python_version: '3.77'}\nrun: run.py:Runner\n")
    result = run_cog(project, "predict", variables=variables)
    assert result.returncode == 1
    assert result.stderr.startswith("error: build.python_version asks for Python 3.77, but none was found on")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_installation_that_is_interrupted_leaves_nothing(
    project: Path, variables: dict[str, str], silent_index: socket.socket, number: int, code: int
) -> None:
    index = f"http://127.0.0.1:{silent_index.getsockname()[1]}/simple"
    hanging = {"XDG_CACHE_HOME": variables["XDG_CACHE_HOME"], "UV_INDEX_URL": index}
    with start_cog(project, "predict", variables=hanging) as cog:  # fails if a process is left running
        connection, _ = silent_index.accept()
        with connection:
            cog.signal(number)
            assert cog.wait_exit() == code
    assert environments(variables) == []


def test_an_installer_that_outlives_a_killed_cog_keeps_its_lock(
    project: Path, variables: dict[str, str], silent_index: socket.socket
) -> None:
    index = f"http://127.0.0.1:{silent_index.getsockname()[1]}/simple"
    hanging = {"XDG_CACHE_HOME": variables["XDG_CACHE_HOME"], "UV_INDEX_URL": index, "UV_HTTP_RETRIES": "0"}
    with start_cog(project, "predict", variables=hanging) as killed:
        connection, _ = silent_index.accept()
        killed.signal(signal.SIGKILL)
        killed.wait_exit()
        with start_cog(project, "predict", variables=variables) as cog:
            cog.wait_shown("Waiting for another cog process that is making the same environment...")
            silent_index.close()
            connection.close()  # the installer exits
            assert cog.wait_exit() == 0
    assert MAKING in cog.err
    assert cog.out.startswith("hello ")


def test_without_uv_pip_does_the_same(project: Path, variables: dict[str, str]) -> None:
    terminal = Terminal(color=False)
    requirements = read_requirements(project, "requirements.txt", (), "ours")
    maker = Maker(VenvAndPip(), {**os.environ, **variables}, Progress("quiet", terminal), terminal)
    cache = EnvironmentCache(Path(variables["XDG_CACHE_HOME"]) / "cog")
    python = choose_interpreter(OWN, os.environ, None)
    place = asyncio.run(maker.make(cache, Recipe(project, OWN, requirements), python))
    result = run_cog(project, "predict", variables=variables)
    assert result.stdout == f"hello {place}/venv {place}/venv/bin/greet\n", result.stderr
