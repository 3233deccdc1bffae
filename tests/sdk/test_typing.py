"""What a type checker says about models: nothing about good ones, and what is wrong with bad ones."""

from pathlib import Path

import pytest
from tests.sdk.bare_python import SDK

api = pytest.importorskip("mypy.api")

GOOD = """
import coglet
from cog import AsyncConcatenateIterator, BaseModel, BasePredictor, BaseRunner, CancelationException
from cog import ConcatenateIterator, File, Input, Path, Secret, concurrent, current_scope, streaming


class Output(BaseModel):
    text: str
    files: list[Path] = []


class Runner(BaseRunner):
    def setup(self, weights: Path | str | None) -> None:
        self.weights = weights

    @streaming
    def run(
        self,
        prompt: str = Input(description="what to say", min_length=1),
        count: int = Input(default=1, ge=1, le=10, choices=[1, 2]),
        image: Path | None = Input(default=None),
        token: Secret | None = None,
    ) -> Output:
        scope = current_scope()
        scope.record_metric("tokens", count, mode="incr")
        scope.metrics["list"] = [1, "a", None]
        self.record_metric("done", True)
        user: str = scope.context.get("user", "")
        try:
            text = image.read_text() if image else user
        except CancelationException:
            raise
        return Output(text=text, files=[Path("a") / "b"])


class AsyncRunner(BaseRunner):
    async def setup(self) -> None: ...

    @concurrent(max=4)
    async def run(self, file: File) -> AsyncConcatenateIterator[str]:
        yield file.read().decode()


class Old(BasePredictor):
    def setup(self) -> None: ...

    def predict(self, n: int) -> ConcatenateIterator[str]:
        yield str(n)


Runner().run(prompt="p")
coglet.server.serve("predict.py:Runner", port=0)
active: bool = coglet.server.active
"""

BAD = """
import cog

cog.Prediktor
cog.types.Scret


class Output(cog.BaseModel):
    text: str


Output(txt="a")
cog.current_scope().record_metric("m", object())
cog.current_scope().context = {}
"""


def check(folder: Path, source: str) -> list[str]:
    (folder / "model.py").write_text(source)
    (folder / "mypy.ini").write_text(f"[mypy]\nmypy_path = {SDK}\n")
    output, errors, _ = api.run(
        [
            "--strict",
            "--config-file",
            str(folder / "mypy.ini"),
            "--cache-dir",
            str(folder),
            str(folder / "model.py"),
        ]
    )
    assert errors == ""
    return [line.partition("error: ")[2] for line in output.splitlines() if "error: " in line]


def test_a_model_passes_the_strict_checks(tmp_path: Path) -> None:
    assert check(tmp_path, GOOD) == []


def test_mistakes_in_a_model_are_found(tmp_path: Path) -> None:
    codes = [message.rpartition("[")[2] for message in check(tmp_path, BAD)]
    assert codes == ["attr-defined]", "attr-defined]", "call-arg]", "arg-type]", "misc]"]
