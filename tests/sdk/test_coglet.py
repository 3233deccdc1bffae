"""The module `coglet`: build information, the frozen `server` object, and the start of the supervisor."""

import re
import sys
from pathlib import Path

import pytest
from tests.sdk.bare_python import BarePython

import coglet

ROOT = Path(__file__).resolve().parents[2]


def test_all_lists_what_the_runtime_of_the_peer_lists() -> None:
    assert set(coglet.__all__) == {"__version__", "__build__", "server", "CancelationException"}


def test_the_version_is_the_one_of_the_distribution() -> None:
    written = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert written is not None
    assert coglet.__version__ == written[1]


def test_the_build_information_is_complete_and_frozen() -> None:
    build = coglet.__build__
    assert build.version == coglet.__version__
    assert build.dirty is False
    assert all(isinstance(text, str) for text in (build.git_sha, build.build_time, build.rustc_version))
    assert repr(build).startswith(f"BuildInfo(version='{coglet.__version__}', git_sha=")
    with pytest.raises(AttributeError):
        build.version = "2"  # type: ignore[misc]


def test_the_server_object_is_frozen() -> None:
    assert repr(coglet.server) == "coglet.server"
    for name in ("active", "serve", "anything"):
        with pytest.raises(AttributeError):
            setattr(coglet.server, name, None)


def test_the_sdk_part_of_the_runtime_needs_no_import_of_its_own(bare_python: BarePython) -> None:
    code = "import coglet; print(hasattr(coglet, '_sdk'), coglet._sdk.current_scope())"
    assert bare_python.run("-c", code).stdout == "True Scope(MetricRecorder(inactive))\n"


def test_importing_the_submodules_changes_nothing(bare_python: BarePython) -> None:
    code = (
        "import coglet, coglet.server, coglet._sdk\n"
        "import coglet.server as again\n"
        "print(coglet.server, again is coglet.server, coglet._sdk.current_scope())"
    )
    assert bare_python.run("-c", code).stdout == "coglet.server True Scope(MetricRecorder(inactive))\n"


def test_a_process_is_active_once_the_worker_has_marked_it(bare_python: BarePython) -> None:
    code = (
        "import coglet, coglet._runtime as runtime\n"
        "print(coglet.active(), coglet.server.active)\n"
        "runtime.mark_active()\n"
        "print(coglet.active(), coglet.server.active)"
    )
    assert bare_python.run("-c", code).stdout == "False False\nTrue True\n"


def test_serve_without_the_server_extra_says_what_to_install(bare_python: BarePython) -> None:
    done = bare_python.run("-c", "import coglet; coglet.server.serve('predict.py:Runner')")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: coglet_supervisor is not installed in this Python; "
        "the server needs: pip install 'pycoglet[server]'"
    )


def test_serve_becomes_the_server_of_the_image(bare_python: BarePython) -> None:
    server = bare_python.folder / "server-python"
    server.write_text('#!/bin/sh\necho "$@"\n')
    server.chmod(0o755)
    code = (
        f"import os; os.environ['COG_SUPERVISOR_PYTHON'] = {str(server)!r}\n"
        "import coglet; coglet.server.serve('x.py:P', port=80, is_train=True, upload_url='http://u')"
    )
    assert bare_python.run("-c", code).stdout == (
        "-P -m coglet_supervisor --host 0.0.0.0 --port 80 --x-mode train "
        "--await-explicit-shutdown=false --upload-url http://u x.py:P\n"
    )


def test_serve_names_the_dependency_that_is_missing(supervisor: BarePython) -> None:
    (supervisor.folder / "coglet_supervisor" / "main.py").write_text("import quart_of_another_name")
    done = supervisor.run("-c", "import coglet; coglet.server.serve('predict.py:Runner')")
    assert "ImportError: quart_of_another_name is not installed" in done.stderr


def test_serve_hands_its_arguments_to_the_supervisor(supervisor: BarePython) -> None:
    code = (
        "import coglet\n"
        "print(coglet.server.serve('x.py:P', port=0, upload_url='http://u', output_temp_dir_base='/x'))"
    )
    done = supervisor.run("-c", code)
    assert done.stdout == (
        "x.py:P [('await_explicit_shutdown', False), ('host', '0.0.0.0'), ('is_train', False), ('port', 0), "
        "('upload_url', 'http://u')]\nNone\n"
    )


def test_serve_without_a_reference_is_allowed(supervisor: BarePython) -> None:
    assert supervisor.run("-c", "import coglet; coglet.server.serve()").stdout.startswith("None [")


def test_a_server_that_fails_ends_the_process_with_its_code(supervisor: BarePython) -> None:
    assert supervisor.run("-c", "import coglet; coglet.server.serve('x.py')", EXIT_CODE="3").returncode == 3


def test_run_worker_runs_the_worker(bare_python: BarePython) -> None:
    bare_python.add_package("coglet_worker", __main__="def main(): print('working')")
    assert bare_python.run("-c", "import coglet; coglet.server._run_worker()").stdout == "working\n"


def test_the_sdk_part_of_the_runtime_has_the_names_third_parties_use() -> None:
    import coglet._sdk as sdk

    assert {"current_scope", "Scope", "MetricRecorder", "_SlotLogWriter", "_TeeWriter"} <= set(vars(sdk))
    for internal in (sdk.Scope, sdk.MetricRecorder, sdk._SlotLogWriter):
        with pytest.raises(TypeError, match="cannot create"):
            internal()
    assert sys.modules["coglet._sdk"] is sdk
