"""How a predictor is found, checked and instantiated, and which deprecations it is warned about."""

import pickle  # noqa: TID251 - models are pickled by libraries they use
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sdk.bare_python import BarePython

import cog
from cog.predictor import (
    extract_setup_weights,
    has_setup_weights,
    load_predictor_from_ref,
    prediction_method,
    training_method,
)

Model = Callable[[str], str]
HEAD = "from cog import BasePredictor, BaseRunner, Input\n"

RUN = "    def run(self): return 'run'\n"
PREDICT = "    def predict(self): return 'predict'\n"
TRAIN = "    def train(self): return 'train'\n"


def load_quietly(ref: str, *, train: bool = False) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_predictor_from_ref(ref, train=train)


def warnings_of(ref: str) -> list[tuple[type[Warning], str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_predictor_from_ref(ref)
    return [(warning.category, str(warning.message)) for warning in caught]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (f"class Runner:\n{RUN}", "Runner"),
        (f"class Predictor:\n{RUN}", "Predictor"),
        (f"class Runner:\n{RUN}class Predictor:\n{RUN}", "Runner"),
        (f"class Runner: pass\nclass Predictor:\n{RUN}", "Predictor"),
        (f"Runner = 5\nclass Predictor:\n{RUN}", "Predictor"),
        ("def Runner(): pass", "function"),
    ],
)
def test_without_a_name_runner_comes_before_predictor(model: Model, source: str, kind: str) -> None:
    assert type(load_quietly(model(source))).__name__ == kind


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("x = 1", AttributeError, "module 'predict_under_test' has no Runner or Predictor"),
        ("class Runner: pass", ValueError, "run or predict method not found: Runner"),
        ("Runner = 5", TypeError, "Runner exists but is not a class or callable"),
        (
            f"class Runner:\n{RUN}{PREDICT}",
            ValueError,
            "Runner must define either run() or predict(), not both",
        ),
        (f"class Runner:\n{TRAIN}", ValueError, "run or predict method not found: Runner"),
        ("class Runner(BaseRunner): pass", ValueError, "run or predict method not found: Runner"),
        ("class Runner:\n    run = 5", ValueError, "run or predict method not found: Runner"),
    ],
)
def test_what_is_not_a_predictor(model: Model, source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        load_quietly(model(HEAD + source))
    assert str(caught.value) == message


def test_a_name_is_taken_as_it_is(model: Model) -> None:
    file = model(f"class Mine:\n{RUN}\ndef function(): return 'called'\nthing = [1]")
    assert type(load_quietly(f"{file}:Mine")).__name__ == "Mine"
    assert prediction_method(load_quietly(f"{file}:function"))() == "called"
    assert load_quietly(f"{file}:thing") == [1]
    with pytest.raises(AttributeError, match="has no attribute 'Yours'"):
        load_quietly(f"{file}:Yours")


@pytest.mark.parametrize("train", [False, True])
def test_a_named_class_is_checked_too(model: Model, train: bool) -> None:
    with pytest.raises(ValueError, match=r"^run or predict method not found: Empty$"):
        load_quietly(f"{model('class Empty: pass')}:Empty", train=train)


def test_a_file_that_is_not_a_module(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match=r"^Cannot load module from model\.txt$"):
        load_predictor_from_ref("model.txt:Runner")
    with pytest.raises(FileNotFoundError, match=r"absent\.py"):
        load_predictor_from_ref(str(tmp_path / "absent.py"))


def test_the_module_can_be_found_while_it_runs_and_afterwards(model: Model) -> None:
    file = model(f"import sys\nfound = sys.modules[__name__].__file__\nclass Runner:\n{RUN}")
    runner = load_quietly(file)
    assert sys.modules["predict_under_test"].found.endswith(file)
    assert type(pickle.loads(pickle.dumps(runner))) is type(runner)


def test_a_module_that_fails_leaves_nothing_behind(model: Model) -> None:
    with pytest.raises(ZeroDivisionError):
        load_predictor_from_ref(model("1 / 0"))
    assert "predict_under_test" not in sys.modules


@pytest.mark.parametrize(
    ("bases", "found"), [("Mixin, BaseRunner", True), ("BaseRunner, Mixin", False), ("Left, Right", True)]
)
def test_a_mixin_counts_when_it_comes_before_our_base(model: Model, bases: str, found: bool) -> None:
    file = model(
        f"{HEAD}class Mixin:\n{RUN}class Left(BaseRunner): pass\nclass Right(BaseRunner):\n{RUN}"
        f"class Runner({bases}): pass"
    )
    if found:
        assert prediction_method(load_quietly(file))() == "run"
    else:
        with pytest.raises(ValueError, match="run or predict method not found"):
            load_quietly(file)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"class Runner(BaseRunner):\n{RUN}", []),
        (
            f"class Runner(BaseRunner):\n{PREDICT}",
            [(DeprecationWarning, "Runner.predict() is deprecated; use run() instead")],
        ),
        (
            f"class Predictor(BasePredictor):\n{PREDICT}",
            [
                (DeprecationWarning, "Predictor is deprecated; use Runner instead"),
                (DeprecationWarning, "Predictor.predict() is deprecated; use run() instead"),
                (DeprecationWarning, "BasePredictor is deprecated; use BaseRunner instead"),
            ],
        ),
        (
            f"class Runner:\n{RUN}class Predictor:\n{RUN}",
            [
                (
                    UserWarning,
                    "Both Runner and Predictor are defined; using Runner. "
                    "Specify a class name explicitly if this is not intended.",
                )
            ],
        ),
    ],
)
def test_warnings(model: Model, source: str, expected: list[tuple[type[Warning], str]]) -> None:
    assert warnings_of(model(HEAD + source)) == expected


def test_a_predictor_that_is_a_thing_is_warned_about_like_any(model: Model) -> None:
    assert warnings_of(model("Predictor = [1]")) == [
        (DeprecationWarning, "Predictor is deprecated; use Runner instead")
    ]


def test_the_filter_of_python_decides_whether_deprecations_are_shown(
    bare_python: BarePython, model: Model
) -> None:
    file = model(f"{HEAD}class Predictor(BasePredictor):\n{PREDICT}")
    (bare_python.folder / "worker.py").write_text(
        f"from cog.predictor import load_predictor_from_ref\nload_predictor_from_ref({file!r})"
    )
    assert bare_python.run("-c", "import worker").stderr == ""
    of_the_model = "default::DeprecationWarning:predict_under_test"
    for arguments in (["-W", "default"], ["-W", of_the_model], ["-W", "error"]):
        done = bare_python.run(*arguments, "-c", "import worker")
        assert (
            f"{file}:3: DeprecationWarning: Predictor.predict() is deprecated; use run() instead"
            in done.stderr
        )


def test_defaults_declared_with_input_are_what_a_direct_call_gets(model: Model) -> None:
    file = model(
        f"{HEAD}class Runner:\n"
        "    def run(self, a, b=Input(default=2), *, c=Input('three'), d=Input(description='d'), e=5):\n"
        "        return a, b, c, d, e\n"
        "    def train(self, n=Input(default=7)): return n\n"
    )
    runner = load_quietly(file)
    assert prediction_method(runner)(1) == (1, 2, "three", None, 5)
    train = training_method(runner)
    assert train is not None
    assert train() == 7


def test_defaults_are_replaced_in_functions_and_through_decorators(model: Model) -> None:
    file = model(
        f"{HEAD}import functools\n"
        "def twice(f):\n"
        "    @functools.wraps(f)\n"
        "    def wrapper(*args, **kwargs): return f(*args, **kwargs) * 2\n"
        "    return wrapper\n"
        "@twice\n"
        "def predict(text=Input(default='ab')): return text\n"
    )
    assert prediction_method(load_quietly(f"{file}:predict"))() == "abab"


def test_a_class_that_only_trains_is_fine_in_train_mode(model: Model) -> None:
    trainer = load_quietly(model(f"class Runner:\n{TRAIN}"), train=True)
    train = training_method(trainer)
    assert train is not None
    assert train() == "train"


def test_training_with_a_function_and_without_any(model: Model) -> None:
    file = model(f"def train(): return 'trained'\nclass Runner:\n{RUN}")
    train = training_method(load_quietly(f"{file}:train", train=True))
    assert train is not None
    assert train() == "trained"
    assert training_method(load_quietly(file, train=True)) is None


def test_the_method_of_a_predictor_that_is_not_a_class() -> None:
    class Both:
        def run(self) -> None: ...

        def predict(self) -> None: ...

    with pytest.raises(ValueError, match=r"^predictor must define either run\(\) or predict\(\), not both$"):
        prediction_method(Both())
    with pytest.raises(ValueError, match=r"^run\(\) or predict\(\) method not found on predictor$"):
        prediction_method([1])


def test_run_forwards_to_predict_when_that_is_all_there_is() -> None:
    class Old(cog.BasePredictor):
        def predict(self, x: int) -> int:
            return x + 1

    assert Old().run(x=1) == 2


def test_run_does_not_forward_when_the_model_has_its_own() -> None:
    class Both(cog.BaseRunner):
        def run(self) -> object:
            return super().run()

        def predict(self) -> None: ...

    with pytest.raises(NotImplementedError):
        Both().run()


def test_the_base_class_leaves_room_for_the_hooks_of_a_mixin() -> None:
    seen: list[object] = []

    class Mixin:
        def __init_subclass__(cls, tag: str) -> None:
            seen.append(tag)

    class Model(cog.BaseRunner, Mixin, tag="t"): ...

    assert issubclass(Model, Mixin)
    assert seen == ["t"]


def test_predict_calls_run_and_says_it_is_deprecated() -> None:
    class New(cog.BaseRunner):
        def run(self, x: int) -> int:
            return x + 1

    with pytest.warns(DeprecationWarning, match=r"^New\.predict\(\) is deprecated; use run\(\) instead$"):
        assert New().predict(1) == 2


def test_a_model_without_run_says_so_when_called() -> None:
    with pytest.raises(NotImplementedError, match=r"^run has not been implemented by parent class\.$"):
        cog.BaseRunner().run()


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        ("    def setup(self, weights): pass\n", True),
        ("    def setup(self, weights=None): pass\n", True),
        ("    async def setup(self, *, weights): pass\n", True),
        ("    def setup(self): pass\n", False),
        ("", False),
    ],
)
def test_whether_setup_takes_weights(model: Model, setup: str, expected: bool) -> None:
    assert has_setup_weights(load_quietly(model(f"class Runner:\n{setup}{RUN}"))) is expected


def test_a_function_has_no_setup() -> None:
    assert has_setup_weights(lambda: None) is False
    assert extract_setup_weights(lambda: None) is None


def test_weights_come_from_the_environment_as_text(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = load_quietly(model(f"class Runner:\n{RUN}"))
    Path("weights").mkdir()
    monkeypatch.setenv("COG_WEIGHTS", "https://example.com/weights.tar")
    weights = extract_setup_weights(runner)
    assert weights == "https://example.com/weights.tar"
    assert type(weights) is str


@pytest.mark.parametrize("variable", ["", None])
def test_weights_come_from_the_folder_beside_the_model(
    model: Model, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    if variable is not None:
        monkeypatch.setenv("COG_WEIGHTS", variable)
    runner = load_quietly(model(f"class Runner:\n{RUN}"))
    assert extract_setup_weights(runner) is None
    Path("weights").mkdir()
    weights = extract_setup_weights(runner)
    assert weights == cog.Path("weights")
    assert isinstance(weights, cog.Path)


def test_the_weights_folder_is_beside_the_model_not_beside_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "weights").mkdir(parents=True)
    (tmp_path / "models" / "predict_elsewhere.py").write_text(f"class Runner:\n{RUN}")
    monkeypatch.chdir(tmp_path)
    runner = load_quietly("models/predict_elsewhere.py")
    assert extract_setup_weights(runner) == cog.Path("models/weights")
