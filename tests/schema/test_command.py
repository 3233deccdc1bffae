"""`cog-schema-gen`, and the programs that may replace it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coglet_schema import SchemaError, chosen_tool, dump, generate_combined, run_tool

MODEL = "class Predictor:\n    def predict(self, a: int) -> str: ...\ndef train(b: int) -> str: ...\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    (project / "predict.py").write_text(MODEL)
    return project


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coglet_schema", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def script(path: Path, body: str) -> str:
    path.write_text(f"#!{sys.executable}\nimport os, sys\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_document_is_printed_and_the_warning_is_not_part_of_it(folder: Path) -> None:
    result = run(str(folder), "predict.py:Predictor", "predict.py:train")
    expected = generate_combined(folder, "predict.py:Predictor", "predict.py:train")
    assert result.stdout == dump(expected).decode() + "\n"
    assert result.stderr == "cog: warning: Predictor.predict() is deprecated; use run() instead\n"
    assert result.returncode == 0


def test_an_empty_reference_is_none(folder: Path) -> None:
    result = run(str(folder), "", "predict.py:train")
    assert "TrainingInput" in json.loads(result.stdout)["components"]["schemas"]
    assert result.stderr == ""


def test_an_error_is_for_people(folder: Path) -> None:
    (folder / "predict.py").write_text("x = 1\ndef predict(a) -> str: ...\n")
    result = run(str(folder), "predict.py:predict")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        "predict.py:2: parameter 'a' on predict has no type annotation\n\n"
        "hint: annotate it, for example `a: str`\n"
    )


def test_without_references(folder: Path) -> None:
    result = run(str(folder))
    assert (result.returncode, result.stderr) == (1, "no predict or train reference provided\n")


def test_an_unknown_option_is_a_usage_error(folder: Path) -> None:
    result = run("--verbose", str(folder))
    assert result.returncode == 2
    assert "usage: cog-schema-gen" in result.stderr


def test_a_given_schema_wins_over_everything(folder: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.json"
    given.write_text('{"given": 1}')
    result = run(str(folder), "nonsense", COG_OPENAPI_SCHEMA=str(given), COG_SCHEMA_GEN_TOOL="/nowhere")
    assert result.stdout == '{"given": 1}\n'


@pytest.mark.parametrize("variable", ["COG_SCHEMA_GEN_TOOL", "COG_SCHEMA_GEN_BINARY"])
def test_another_tool_takes_the_same_arguments(folder: Path, tmp_path: Path, variable: str) -> None:
    tool = script(tmp_path / "tool", "print(sys.argv[1:])")
    result = run(str(folder), "", "train.py:train", **{variable: tool})
    assert result.stdout.strip() == str([str(folder), "", "train.py:train"])


def test_a_tool_does_not_inherit_the_choice_of_the_tool(folder: Path, tmp_path: Path) -> None:
    tool = script(tmp_path / "tool", "print([n for n in os.environ if n.startswith('COG_SCHEMA_GEN')])")
    result = run(str(folder), "predict.py:train", COG_SCHEMA_GEN_TOOL=tool)
    assert result.stdout.strip() == "[]"


def test_the_first_spelling_of_the_variable_wins() -> None:
    both = {"COG_SCHEMA_GEN_BINARY": "old", "COG_SCHEMA_GEN_TOOL": "new"}
    assert chosen_tool(both) == "new"
    assert chosen_tool({"COG_SCHEMA_GEN_TOOL": ""}) is None


def test_a_tool_that_fails(folder: Path, tmp_path: Path) -> None:
    tool = script(tmp_path / "tool", "sys.exit('no such model')")
    with pytest.raises(SchemaError) as caught:
        run_tool(tool, folder, "run.py:run", None)
    assert str(caught.value) == f"COG_SCHEMA_GEN_TOOL: {tool} exited with status 1: no such model"


def test_a_tool_that_is_not_there(folder: Path) -> None:
    with pytest.raises(
        SchemaError, match=r"COG_SCHEMA_GEN_TOOL: failed to run /nowhere/tool: .*No such file"
    ):
        run_tool("/nowhere/tool", folder, "run.py:run", None)


def test_a_tool_is_downloaded_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    program = Path(script(tmp_path / "tool", "print(sys.argv[2])")).read_bytes()
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return program

    url = "https://tools.example/cog-schema-gen"
    for _ in range(2):
        assert run_tool(url, folder, "run.py:run", None, fetch) == b"run.py:run\n"
    assert fetched == [url]


def test_a_download_that_fails(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def fetch(url: str) -> bytes:
        raise OSError(f"{url} is unreachable")

    with pytest.raises(
        SchemaError, match=r"failed to run https://tools\.example/t: https://tools\.example/t is unreachable"
    ):
        run_tool("https://tools.example/t", folder, "run.py:run", None, fetch)
