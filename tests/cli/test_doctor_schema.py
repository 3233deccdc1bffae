"""`cog doctor`: its findings about the schema that a build would generate."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.doctoring import HEALTHY, doctor, write

NONE_DEFAULTS = '''\
"""Draws."""
from __future__ import annotations

import random
from typing import List
from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    def predict(
        self,
        seed: int = Input(default=None, description="Left out: any"),
        mask: Path = None,  # optional
        words: List[str] = Input(None),
        size: int = Input(default=1),
        named: "int" = None,
        either: int | None = None,
    ) -> str:
        return str(seed)
'''


def test_inputs_that_may_be_none_need_optional(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "run: model.py:Predictor\n", model=NONE_DEFAULTS)
    code, shown = doctor(capsys)
    assert code == 0
    assert 'model.py:12 — input "seed" may be None; annotate it as Optional[int]' in shown
    assert 'model.py:13 — input "mask" may be None; annotate it as Optional[Path]' in shown
    assert 'model.py:14 — input "words" may be None; annotate it as Optional[List[str]]' in shown
    assert "size" not in shown
    assert "named" not in shown
    assert "either" not in shown
    doctor(capsys, "--fix")
    changed = (
        NONE_DEFAULTS.replace("seed: int", "seed: Optional[int]")
        .replace("mask: Path", "mask: Optional[Path]")
        .replace("words: List[str]", "words: Optional[List[str]]")
        .replace("import random", "from typing import Optional\nimport random")
    )
    fixed = (folder / "model.py").read_text()
    assert fixed.replace("Runner", "Predictor").replace("run(", "predict(").replace("Base", "Base") == changed
    assert "ok       python-none-defaults" in doctor(capsys)[1]


def test_a_schema_that_a_build_would_refuse_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = HEALTHY.replace("n: int", "n: int = make()")
    write(folder, "run: run.py:Runner\n", run=source)
    code, shown = doctor(capsys, "--fix")
    assert code == 1
    assert "  error    python-schema\n      run.py:3 — parameter 'n': default `make()` cannot be" in shown
    assert "Remediation: write a literal, or what can be computed" in shown


TEXT_FOR_FILE = """\
import os
from typing import Iterator, List
from cog import BasePredictor, Path

class Predictor(BasePredictor):
    def predict(self, name: str, fast: bool) -> {annotation}:
        out = "/tmp/out.png"
        made = f"/tmp/{{name}}.png"
        url = "https://example.com/a.png"
        other = make()
        either = "a.png"
        either = Path(either)
        {statement}
"""


@pytest.mark.parametrize(
    ("annotation", "statement"),
    [
        ("Path", "return '/tmp/out.png'"),
        ("Path", "return f'/tmp/{name}.png'"),
        ("'Path'", "return out"),
        ("Path", "return made"),
        ("Path", "return '/tmp/' + name"),
        ("Path", "return '%s.png' % name"),
        ("Path", "return os.path.join(name, 'out.png')"),
        ("Path", "return '{}.png'.format(name)"),
        ("Path", "return str(Path(name))"),
        ("Path", "return out if fast else Path(name)"),
        ("List[Path]", "return [Path(out), made]"),
        ("Iterator[Path]", "yield made"),
        ("cog.Path", "return 'a.png'"),
    ],
)
def test_text_where_a_file_is_declared_is_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str], annotation: str, statement: str
) -> None:
    source = "import cog\n" + TEXT_FOR_FILE.format(annotation=annotation, statement=statement)
    write(folder, "run: model.py:Predictor\n", model=source)
    code, shown = doctor(capsys)
    assert code == 0
    said = "predict() returns text where it declares a file: clients get this text, not the file"
    assert f"  warning  python-text-for-file\n      model.py:14 — {said}\n" in shown
    assert "Remediation: wrap it in `Path(...)`" in doctor(capsys, "--fix")[1]


@pytest.mark.parametrize(
    ("annotation", "statement"),
    [
        ("Path", "return Path('/tmp/out.png')"),
        ("Path", "return other"),
        ("Path", "return either"),
        ("Path", "return name"),
        ("Path", "return url"),
        ("Path", "return f'https://example.com/{name}'"),
        ("Path", "return 'https://example.com/' + name if fast else Path(name)"),
        ("Path", "return sorted([Path(out)], key=lambda p: 'a')[0]"),
        ("str", "return out"),
        ("List[str]", "return [out]"),
        ("Iterator[str]", "yield out"),
    ],
)
def test_files_urls_and_unknown_values_are_accepted_for_a_file(
    folder: Path, capsys: pytest.CaptureFixture[str], annotation: str, statement: str
) -> None:
    source = TEXT_FOR_FILE.format(annotation=annotation, statement=statement)
    write(folder, "run: model.py:Predictor\n", model=source)
    assert "ok       python-text-for-file" in doctor(capsys)[1]


def test_an_inconsistent_schema_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = "from cog import Input\ndef run(n: int = Input(default=0, ge=1)) -> int: ...\n"
    write(folder, "run: run.py:run\n", run=source)
    code, shown = doctor(capsys)
    assert code == 1
    reason = "components.schemas.Input.properties.n: default 0 is less than the minimum 1"
    assert f"  error    python-schema\n      Model schema is invalid: {reason}\n" in shown
    assert '"openapi"' not in shown


ESCAPES = """\
import re
from cog import BasePredictor, Path

PATTERN = "\\d"

class Predictor(BasePredictor):
    def predict(self, n: int = None, text: str = "\\d") -> "str":
        assert (n, "text")
        return 1if n is 1 else PATTERN
"""


@pytest.mark.parametrize("command", ["doctor", "doctor --fix", "schema", "debug --use-cog-base-image false"])
def test_the_compilers_warnings_are_not_shown(folder: Path, command: str) -> None:
    """Run in a separate process, in which all warnings are enabled."""
    write(folder, "run: predict.py:Predictor\n", predict=ESCAPES)
    cog = [sys.executable, "-W", "always", "-m", "coglet_cli"]
    done = subprocess.run([*cog, *command.split()], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
