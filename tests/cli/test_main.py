"""The command line itself: help, version, errors and exit codes. Nothing here starts a model."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from coglet_cli.main import cli, main

ROOT = Path(__file__).resolve().parents[2]
MODEL = """\
from cog import BaseRunner, Input


class Runner(BaseRunner):
    def run(self, text: str, n: int = Input(default=1, ge=1)) -> str:
        return text * n
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cog.yaml").write_text("run: run.py:Runner\n")
    (tmp_path / "run.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def all_commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, including hidden ones and subcommands."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))
        else:
            yield (*path, name)


def parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Parse a whole command line without running it. Raises the error that the command would report."""
    context = command.make_context("cog", words, parent=parent)
    if isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, words)
        assert found, name
        parse(found, rest, context)


@pytest.mark.parametrize("command", [*all_commands(cli)], ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_has_examples_that_work(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], flag: str
) -> None:
    assert main([*command, flag]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(" ".join(["Usage: cog", *command]))
    assert err == ""
    _, _, examples = out.partition("Example")
    lines = examples.partition("\n\n")[0].splitlines()[1:]
    shown = re.findall(
        r"(?:^|&& |\$\()cog ([^|<>)\n]*)", "\n".join(line.strip() for line in lines), re.MULTILINE
    )
    assert shown
    for example in shown:
        parse(cli, shlex.split(example, comments=True))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert main(["completion", shell]) == 0
    assert f"_COG_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_a_shell_completes_commands_and_flags() -> None:
    def completed(words: str, position: int) -> set[str]:
        variables = {"_COG_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(position)}
        result = subprocess.run(
            [sys.executable, "-m", "coglet_cli"],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return {line.partition(",")[2] for line in result.stdout.splitlines()}

    assert completed("cog pr", 1) == {"predict", "predictions"}
    assert completed("cog predictions --status s", 3) == {"starting", "succeeded"}
    assert "debug" not in completed("cog ", 1)
    assert completed("cog predict --use-r", 2) == {"--use-replicate-token"}
    assert completed("cog serve --progress p", 3) == {"plain"}
    assert completed("cog serve --records ", 3) == {"memory", "off", "sqlite:"}


def test_run_is_predict(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "--help"])
    run = capsys.readouterr().out
    main(["predict", "--help"])
    assert run == capsys.readouterr().out.replace("cog predict [OPTIONS]", "cog run [OPTIONS]")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("cog version 0.")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["predcit"],
            'error: unknown command "predcit" for "cog"\n\n'
            "hint: did you mean `cog predict` or `cog predictions`?\n",
        ),
        (["infer"], 'error: unknown command "infer" for "cog"\n\nhint: did you mean `cog predict`?\n'),
        (["xyzzy"], 'error: unknown command "xyzzy" for "cog"\n\nhint: `cog --help` lists the commands\n'),
        (["serve", "--prot", "1"], "error: no such option"),
        (["serve", "-p", "x"], "error: invalid value for '-p' / '--port'"),
        (["serve", "--queue", "-1"], "error: invalid value for '--queue'"),
        *(
            (
                ["serve", "--records", value],
                f"error: invalid value for '--records': '{value}' is not one of memory, off, sqlite:PATH\n",
            )
            for value in ("disk", "memory:x", "sqlite", "sqlite:", "")
        ),
        (["predict", "--setup-timeout", "0"], "error: invalid value for '--setup-timeout'"),
        (["predict", "n=4"], "error: Invalid image name 'n=4'. Did you forget `-i`?\n"),
        (
            ["predict", "a", "b"],
            'error: accepts at most 1 arg(s), received 2\n\nhint: did you mean "cog exec a b"?\n',
        ),
        (["predict", "image", "--local"], "error: IMAGE and --local exclude each other"),
        (["predict", "--docker", "--python", "x"], "error: --docker and --python exclude each other"),
        (
            ["build", "--dockerfile", "D", "--use-cog-base-image", "true"],
            "error: The flags --use-cog-base-image and --dockerfile are mutually exclusive: "
            "you can only set one of them.\n",
        ),
        (
            ["predict", "-i", "n=1", "--json", "{}"],
            "error: Must use one of --json or --input to provide model inputs\n",
        ),
        (["predict", "-i", "n=1"], 'error: missing required input "text"\n'),
        (["predict", "-i", "txt=1"], 'error: unknown input "txt"; valid inputs are: text, n\n'),
        (
            ["predict", "-i", "text=a", "-i", "n=four"],
            'error: invalid input "n": expected integer, got string\n',
        ),
        (
            ["run", "-i", "text=a", "-i", "n=0"],
            'error: invalid input "n": number must be at least 1, got 0\n',
        ),
        (["predict", "-i", "text=a", "-o", "none/x"], "error: Output path is not writable: Output directory"),
        (["predict", "-i", "text=a", "--python", "none"], "error: no Python interpreter at none\n"),
        (
            ["predict", "-i", "text=a", "--async"],
            "error: --async needs --url: without it, the model stops with this command, before it has an "
            "output\n\nhint: start a server with `cog serve`, and pass the URL that it shows with --url\n",
        ),
        (["predict", "image", "--async"], "error: --async needs --url: "),
        (
            ["predict", "--priority", "1"],
            "error: --priority needs --url: without it, no other prediction could wait\n\nhint: ",
        ),
        (["predict", "--url", "http://x", "--priority", "11"], "error: invalid value for '--priority'"),
        (
            ["predict", "--url", "http://x", "--async", "-o", "x"],
            "error: --async and -o exclude each other: `cog predictions ID -o PATH` writes the output\n",
        ),
        (
            ["predictions", "-f"],
            "error: -f needs the ID of a prediction\n\nhint: `cog predictions` lists them\n",
        ),
        (["predictions", "--cancel"], "error: --cancel needs the ID of a prediction\n"),
        (["predictions", "-o", "x"], "error: -o needs the ID of a prediction\n"),
        (
            ["predictions", "p", "--status", "failed"],
            "error: --status is for the list of predictions: give it without an ID\n",
        ),
        (["predictions", "p", "--limit", "3"], "error: --limit is for the list of predictions"),
        (["predictions", "--limit", "101"], "error: invalid value for '--limit'"),
        (["predictions", "--status", "ended"], "error: invalid value for '--status'"),
        *(
            (["predictions", "p", "--cancel", *more], f"error: --cancel and {more[0]} exclude each other\n")
            for more in (["-f"], ["-o", "x"], ["--json"])
        ),
        (["predict", "-f", "none.yaml"], "error: none.yaml not found in "),
        (["serve", "--host", "example"], "error: --host example is not an IP address\n"),
        (
            ["predict", "--use-replicate-token", "-i", "text=a"],
            "error: Failed to find REPLICATE_API_TOKEN in",
        ),
    ],
)
@pytest.mark.usefixtures("project")
def test_errors(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    text: str,
) -> None:
    monkeypatch.delenv("REPLICATE_API_TOKEN", raising=False)
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert err.startswith(text)
    assert out == ""


@pytest.mark.parametrize("command", [["predict"], ["serve"], ["schema"]])
def test_an_unsupported_source(capsys: pytest.CaptureFixture[str], project: Path, command: list[str]) -> None:
    (project / "run.py").write_text(MODEL.replace("-> str", ""))
    assert main(command) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: run.py:5: missing return type annotation on run\n\nhint: ")


def test_a_configuration_with_problems(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    (project / "cog.yaml").write_text("run: run.py\n")
    assert main(["schema"]) == 1
    assert capsys.readouterr().err.startswith("error: cog.yaml:1: invalid run")


def test_a_configuration_without_a_model(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    (project / "cog.yaml").write_text("build: {python_version: '3.12'}\n")
    assert main(["predict"]) == 1
    assert capsys.readouterr().err.startswith("error: no predict or train reference found in cog.yaml\n")


@pytest.mark.usefixtures("project")
def test_warnings_of_the_configuration(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    (project / "cog.yaml").write_text("predict: run.py:Runner\n")
    assert main(["schema"]) == 0
    assert capsys.readouterr().err == 'warning: cog.yaml:1: deprecated field "predict": use "run" instead\n'


def test_shared_flags_are_accepted_anywhere(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    (project / ".cog").touch()  # not a folder: the schema cannot be stored, which --debug shows
    for arguments in (["--debug", "predict"], ["predict", "--debug"]):
        assert main([*arguments, "-i", "text=a", "--python", "none"]) == 1
        assert "the schema is not stored" in capsys.readouterr().err


def test_help_is_quick_because_it_imports_little() -> None:
    code = "import sys, coglet_cli.main as m; m.main(['--help']); print(*sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"httpx", "rich", "yaml", "asyncio", "jsonschema_rs", "coglet_schema", "coglet_supervisor"}
    assert not heavy & set(result.stderr.split())


def test_a_closed_pipe_ends_it_silently(project: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "coglet_cli", "schema"],
            cwd=project,
            stdout=write_end,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(write_end)
    assert (result.returncode, result.stderr) == (1, b"")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # as Python's own filter, which users have
def test_init_writes_a_project_that_works(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("mine\n")
    assert main(["init"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "Setting up the current directory for use with Cog...",
        "",
        "Creating cog.yaml",
        "Creating predict.py",
        "Skipped existing requirements.txt",
        "Creating .dockerignore",
        "Creating .github/workflows/push.yaml",
        "",
        "Done! For next steps, check out the docs at https://cog.run/getting-started",
    ]
    assert (tmp_path / "requirements.txt").read_text() == "mine\n"
    assert yaml.safe_load((tmp_path / ".github/workflows/push.yaml").read_text())["jobs"]["push"]
    assert main(["schema"]) == 0
    out, err = capsys.readouterr()
    assert '"scale":{"default":1.5' in out
    assert err == ""


def test_schema_is_printed_and_written(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    assert main(["schema", "--write"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Schema written to .cog/openapi_schema.json\n")
    assert (project / ".cog/openapi_schema.json").read_text() + "\n" == printed


def test_a_schema_of_the_users(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "mine.json").write_text('{"components": {"schemas": {"Input": {"properties": {}}}}}')
    monkeypatch.setenv("COG_OPENAPI_SCHEMA", "mine.json")
    assert main(["predict", "-i", "text=a"]) == 1
    assert capsys.readouterr().err == 'error: unknown input "text"; model does not accept inputs\n'
    assert not (project / ".cog").exists()
    monkeypatch.setenv("COG_OPENAPI_SCHEMA", "none.json")
    assert main(["schema"]) == 1
    assert capsys.readouterr().err.startswith("error: COG_OPENAPI_SCHEMA: failed to read none.json")


def test_every_flag_is_documented() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    shared = {flag for parameter in cli.params for flag in parameter.opts}
    for name, command in cli.commands.items():
        if name == "run":
            continue  # the same as `predict`, see test_run_is_predict
        section = text.partition(f"\n## `cog {name}`")[2].partition("\n## ")[0]
        assert section, f"docs/cli.md has no section for cog {name}"
        below = command.commands.values() if isinstance(command, click.Group) else ()
        for parameter in [*command.params, *(parameter for sub in below for parameter in sub.params)]:
            for flag in (*parameter.opts, *parameter.secondary_opts):
                if flag.startswith("-") and flag not in shared:
                    assert f"`{flag}`" in section, f"docs/cli.md does not list cog {name} {flag}"
    for parameter in cli.params:
        assert all(f"`{flag}`" in text for flag in parameter.opts)
