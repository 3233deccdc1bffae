"""runtime.md 4.2: how a model is found in its file, and what it is made of."""

from dataclasses import replace
from typing import Any

import pytest
from integration.conftest import Serve
from testing.model import Model, inputs

NO_INPUT = inputs({})
FUNCTION = "def predict() -> str:\n    return 'function'\n"


def model_of(source: str, ref: str = "predict.py:Predictor", components: Any = NO_INPUT) -> Model:
    return Model(source, components, ref)


@pytest.mark.parametrize(
    ("source", "ref", "output"),
    [
        pytest.param(FUNCTION, "predict.py:predict", "function", id="function"),
        pytest.param("async " + FUNCTION, "predict.py:predict", "function", id="async function"),
        pytest.param(
            "async def predict():\n    yield 'a'\n    yield 'b'\n",
            "predict.py:predict",
            ["a", "b"],
            id="async generator function",
        ),
        pytest.param(
            "def predict():\n    yield 'a'\n    yield 'b'\n",
            "predict.py:predict",
            ["a", "b"],
            id="generator function",
        ),
        pytest.param(
            "class Anything:\n    def run(self):\n        return 'run'\n",
            "predict.py:Anything",
            "run",
            id="class with run",
        ),
        pytest.param(
            "class Anything:\n    def predict(self):\n        return 'predict'\n",
            "predict.py:Anything",
            "predict",
            id="class with predict",
        ),
        pytest.param(
            "import cog\nclass Base(cog.BaseRunner):\n    def run(self):\n        return 'inherited'\n"
            "class Predictor(Base):\n    pass\n",
            "predict.py:Predictor",
            "inherited",
            id="inherited run",
        ),
        pytest.param(
            "class Runner:\n    def run(self):\n        return 'Runner'\n",
            "predict.py",
            "Runner",
            id="no name: Runner",
        ),
        pytest.param(
            "class Predictor:\n    def predict(self):\n        return 'Predictor'\n",
            "predict.py",
            "Predictor",
            id="no name: Predictor",
        ),
        pytest.param(
            "class Runner:\n    def run(self):\n        return 'Runner'\n"
            "class Predictor:\n    def predict(self):\n        return 'Predictor'\n",
            "predict.py",
            "Runner",
            id="no name: Runner before Predictor",
        ),
    ],
)
def test_what_a_reference_may_name(serve: Serve, source: str, ref: str, output: Any) -> None:
    with serve(model_of(source, ref)) as server:
        assert server.predict().json()["output"] == output


def test_deprecated_names_are_reported_in_the_setup_logs(serve: Serve) -> None:
    source = (
        "from cog import BasePredictor\n"
        "class Predictor(BasePredictor):\n"
        "    def predict(self) -> int:\n"
        "        return 1\n"
    )
    with serve(model_of(source), variables={"PYTHONWARNINGS": "default"}) as server:
        assert server.predict().json()["output"] == 1
        server.wait_log("predict() is deprecated; use run() instead")
        server.wait_log("BasePredictor is deprecated; use BaseRunner instead")


@pytest.mark.parametrize(
    ("parameters", "expression", "variables", "output"),
    [
        (
            "self, weights",
            "weights",
            {"COG_WEIGHTS": "https://example.com/w.tar"},
            "https://example.com/w.tar",
        ),
        ("self, weights", "weights", {}, None),
        ("self", "'bare'", {"COG_WEIGHTS": "ignored"}, "bare"),
    ],
)
def test_setup_gets_the_weights_when_it_asks(
    serve: Serve, parameters: str, expression: str, variables: dict[str, str], output: str | None
) -> None:
    source = (
        "class Predictor:\n"
        f"    def setup({parameters}):\n"
        f"        self.seen = {expression}\n"
        "    def run(self):\n"
        "        return self.seen\n"
    )
    with serve(model_of(source), variables=variables) as server:
        assert server.predict().json()["output"] == output


def test_setup_may_be_async_for_a_sync_model(serve: Serve) -> None:
    source = (
        "class Predictor:\n"
        "    async def setup(self):\n"
        "        self.ready = True\n"
        "    def run(self):\n"
        "        return self.ready\n"
    )
    with serve(model_of(source)) as server:
        assert server.predict().json()["output"] is True


def test_defaults_of_inputs_are_plain_values(serve: Serve) -> None:
    source = (
        "from cog import Input\n"
        "class Predictor:\n"
        "    def run(self, text: str = Input(default='x'), size: int = Input(description='d'), *,\n"
        "            more: int = Input(default=3)):\n"
        "        return [text, size, more]\n"
    )
    components = inputs({name: {"type": "string", "default": "x"} for name in ("text", "size", "more")})
    with serve(model_of(source, components=components)) as server:
        assert server.predict().json()["output"] == ["x", None, 3]


def test_the_module_has_the_name_of_its_file(serve: Serve) -> None:
    source = "import sys\ndef predict():\n    return [__name__, sys.modules['predict'].predict is predict]\n"
    with serve(model_of(source, "predict.py:predict")) as server:
        assert server.predict().json()["output"] == ["predict", True]


def test_files_beside_the_model_can_be_imported(serve: Serve) -> None:
    source = "import worker, cli\ndef predict():\n    return [worker.NAME, cli.NAME]\n"
    files = {f"{name}.py": f"NAME = {name!r}\n" for name in ("worker", "cli")}
    with serve(replace(model_of(source, "predict.py:predict"), files=files)) as server:
        assert server.predict().json()["output"] == ["worker", "cli"]


@pytest.mark.ours("ours: without a schema file the schema is generated from the source text")
def test_without_a_schema_file_the_source_is_the_schema(serve: Serve) -> None:
    source = (
        "from cog import BaseRunner, Input\n"
        "class Runner(BaseRunner):\n"
        "    def run(self, size: int = Input(ge=1, le=10), name: str = 'x') -> list[str]:\n"
        "        return [name] * size\n"
    )
    with serve(Model(source, None, "predict.py:Runner")) as server:
        assert server.predict({"size": 2}).json()["output"] == ["x", "x"]
        assert (
            server.predict({"size": 11}).json()["detail"][0]["msg"] == "11 is greater than the maximum of 10"
        )
        assert server.predict({}).json()["detail"][0]["type"] == "value_error.missing"
        document = server.request("GET", "/openapi.json").json()
        assert document["components"]["schemas"]["Output"]["type"] == "array"
