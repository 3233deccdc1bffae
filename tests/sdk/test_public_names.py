"""The names of `import cog`, the cost of the import, and the notices of deprecated names."""

import json

import pytest
from tests.sdk.bare_python import BarePython

import cog
import coglet

PUBLIC = {
    "AsyncConcatenateIterator",
    "BaseModel",
    "BasePredictor",
    "BaseRunner",
    "CancelationException",
    "ConcatenateIterator",
    "ExperimentalFeatureWarning",
    "FieldInfo",
    "File",
    "Input",
    "Opaque",
    "Path",
    "Secret",
    "URLFile",
    "URLPath",
    "__version__",
    "concurrent",
    "current_scope",
    "emit_metric",
    "streaming",
}


def test_the_public_names_are_exactly_these() -> None:
    assert set(cog.__all__) == PUBLIC
    assert len(cog.__all__) == len(PUBLIC)
    assert set(dir(cog)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_public_name_can_be_imported(name: str) -> None:
    assert getattr(cog, name) is getattr(cog, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'cog' has no attribute 'Prediktor'$"):
        _ = cog.Prediktor  # type: ignore[attr-defined]


def test_importing_cog_loads_nothing_heavy_and_nothing_foreign(bare_python: BarePython) -> None:
    code = """
import sys
bare = set(sys.modules)
import cog
print(sorted(set(sys.modules) - bare))
"""
    done = bare_python.run("-c", code)
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert not loaded & {
        "asyncio", "dataclasses", "email", "http.client", "inspect", "pathlib", "ssl", "tempfile", "typing",
        "urllib.request",
    }  # fmt: skip
    assert not {name.partition(".")[0] for name in loaded if name.startswith("coglet_")}


def test_all_of_cog_works_without_any_installed_package(bare_python: BarePython) -> None:
    code = """
import sys
from cog import *
import cog.types, cog.input, cog.model, cog.predictor, cog.errors, cog.mode, cog.coder, cog.suppress_output
import cog.exceptions, cog._opaque, cog.server.http, cog._download
import coglet, coglet._sdk, coglet.api
foreign = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"cog", "coglet"}
print(foreign - {"__main__", "__mp_main__"})
"""
    done = bare_python.run("-c", code)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize(
    ("name", "notice"),
    [
        (
            "ExperimentalFeatureWarning",
            "cog: ExperimentalFeatureWarning is deprecated and will be removed in a future release. Remove "
            "`ExperimentalFeatureWarning` from your imports and any associated "
            "`warnings.filterwarnings(...)` calls.",
        ),
        (
            "emit_metric",
            "cog: emit_metric() is deprecated and will be removed in a future release. "
            "Use current_scope().record_metric(name, value) instead.",
        ),
    ],
)
def test_a_deprecated_name_imports_and_says_so_once(bare_python: BarePython, name: str, notice: str) -> None:
    done = bare_python.run("-c", f"from cog import {name}; import cog; cog.{name}; from cog import {name}")
    assert done.returncode == 0
    assert done.stderr == f"{notice}\n"


def test_importing_cog_itself_says_nothing(bare_python: BarePython) -> None:
    done = bare_python.run(
        "-W", "error", "-c", "import cog; from cog import BasePredictor, Input, Path, Secret"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_deprecated_warning_class_can_still_be_filtered() -> None:
    assert issubclass(cog.ExperimentalFeatureWarning, FutureWarning)


def test_cancelation_is_one_class_that_except_exception_lets_through() -> None:
    import cog.exceptions

    assert cog.CancelationException is coglet.CancelationException is cog.exceptions.CancelationException
    assert issubclass(cog.CancelationException, BaseException)
    assert not issubclass(cog.CancelationException, Exception)


def test_the_api_shim_has_the_names_of_cog() -> None:
    import coglet.api

    assert coglet.api.Input is cog.Input
    assert coglet.api.BasePredictor is cog.BasePredictor
    assert set(coglet.api.__all__) == PUBLIC


def test_the_shim_announces_a_deprecated_name_only_when_it_is_taken(bare_python: BarePython) -> None:
    assert bare_python.run("-c", "import coglet.api; coglet.api.Path").stderr == ""
    taken = bare_python.run("-c", "from coglet.api import emit_metric")
    assert "emit_metric() is deprecated" in taken.stderr


def test_modes_and_errors() -> None:
    from cog.errors import CogError, ConfigDoesNotExist, PredictorNotSet
    from cog.mode import Mode

    assert {mode.name: mode.value for mode in Mode} == {"PREDICT": "predict", "TRAIN": "train"}
    assert issubclass(ConfigDoesNotExist, CogError)
    assert issubclass(PredictorNotSet, CogError)


def test_modules_of_the_old_sdk_that_must_not_come_back() -> None:
    for name in ("json", "files", "config", "_adt", "_inspector"):
        with pytest.raises(ModuleNotFoundError):
            __import__(f"cog.{name}")
