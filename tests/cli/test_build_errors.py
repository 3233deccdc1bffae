"""Errors of builds, pushes and containers. For the rules for values see test_config_rules.py."""

from collections.abc import Callable
from pathlib import Path

import pytest

from coglet_cli.engine.errors import (
    BuildFailed,
    ContainerRefused,
    EngineUnreachable,
    ImageNotFound,
    MissingDriver,
    PushFailed,
)
from coglet_cli.errors import UserError
from coglet_cli.images.labels import NotAModel
from coglet_cli.main import main
from coglet_cli.registry.layer_push import PushSettings

CogFails = Callable[..., str]


@pytest.fixture
def cog_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CogFails:
    """Return a function that runs `cog` on a cog.yaml and a run.py without an engine and returns stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    def run(config: str, source: str, *arguments: str) -> str:
        (tmp_path / "cog.yaml").write_text(f"run: run.py:run\n{config}")
        (tmp_path / "run.py").write_text(source)
        assert main(arguments) == 1
        return capsys.readouterr().err

    return run


SYNC = "def run(n: int) -> int:\n    return n\n"
CONCURRENT = "import cog\n\n\n@cog.concurrent(max=2)\n{} run(n: int) -> int:\n    return n\n"


@pytest.mark.parametrize("command", ["build", "push"])
def test_an_invalid_model_is_reported_before_connecting_to_an_engine(
    cog_fails: CogFails, command: str
) -> None:
    config = "image: h/m\nbuild: {python_version: '3.12'}\n"
    stderr = cog_fails(config, "def run(n: object) -> int:\n    return 1\n", command)
    assert stderr.startswith("error: image build failed: run.py:1")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file or directory: 'own.json'"), ("{", "own.json"), ("[]", "own.json")],
)
def test_an_invalid_schema_of_the_user(
    cog_fails: CogFails, tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "own.json").write_text(content)
    stderr = cog_fails("", SYNC, "build", "--openapi-schema", "own.json")
    assert stderr.startswith("error: image build failed: ")
    if content is None:
        assert message in stderr


@pytest.mark.parametrize("flags", [("--skip-schema-validation",), ("--openapi-schema", "own.json")])
def test_with_a_schema_of_the_user_the_source_need_not_be_readable(
    cog_fails: CogFails, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    (tmp_path / "own.json").write_text('{"openapi": "3.0.2"}')
    assert cog_fails("", "def run(:", "build", *flags).startswith("error: error pinging docker daemon: ")


@pytest.mark.parametrize(
    ("config", "source", "message"),
    [
        (
            "concurrency: {max: 2}",
            SYNC,
            "concurrency.max > 1 requires an async run() or predict() method",
        ),
        (
            "",
            CONCURRENT.format("def"),
            "run.py:4: @concurrent(max > 1) requires an async run() or predict() method\n\n"
            "hint: write `@concurrent(max=4)` above an `async def`",
        ),
        (
            "build: {python_version: '3.10'}",
            CONCURRENT.format("async def"),
            "concurrency requires Python 3.11 or higher\n\nhint: raise build.python_version in cog.yaml",
        ),
    ],
)
def test_invalid_concurrency(cog_fails: CogFails, config: str, source: str, message: str) -> None:
    stderr = cog_fails(config, source, "debug", "--use-cog-base-image", "false")
    assert stderr.partition("error: ")[2] == f"{message}\n"


def test_settings_of_the_layer_push() -> None:
    assert PushSettings.from_environment({}) == PushSettings(5, 96 * 1024**2, 128 * 1024**2)
    given = {
        "COG_PUSH_CONCURRENCY": "1",
        "COG_PUSH_DEFAULT_CHUNK_SIZE": "2",
        "COG_PUSH_MULTIPART_THRESHOLD": "3",
    }
    assert PushSettings.from_environment(given) == PushSettings(1, 2, 3)
    for text in ("0", "-1", "many"):
        with pytest.raises(UserError) as caught:
            PushSettings.from_environment({"COG_PUSH_CONCURRENCY": text})
        assert (
            caught.value.message == f"invalid COG_PUSH_CONCURRENCY {text!r}: must be a whole number above 0"
        )


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (
            EngineUnreachable("refused"),
            "error pinging docker daemon: refused",
            "is Docker running? Start it, or set DOCKER_HOST; "
            "`cog predict` and `cog serve` work without Docker",
        ),
        (BuildFailed("exit code 1", ["one", "two"]), "one\ntwo\nimage build failed: exit code 1", None),
        (
            ImageNotFound("h/m", "unknown"),
            "failed to pull h/m: unknown",
            "check the name; for a private registry run `cog login` first",
        ),
        (
            PushFailed("r8.im/a/b", "NAME_UNKNOWN: no such model"),
            "Unable to find existing Replicate model for r8.im/a/b. "
            "Go to replicate.com and create a new model before pushing.\n\n"
            "If the model exists, you may be logged in as another user: "
            "with sudo, Docker reads the credentials of root.",
            None,
        ),
        (PushFailed("h/m", "disk full"), "failed to push image: disk full", None),
        (PushFailed("h/m", "denied"), "failed to push image: denied", "run `cog login` first"),
        (ContainerRefused("no space"), "failed to start the container: no space", None),
        (MissingDriver("no driver"), "failed to start the container: no driver", None),
        (NotAModel("m"), "Image m does not appear to be a Cog model", "build one with `cog build -t NAME`"),
    ],
)
def test_errors_of_the_engine(error: UserError, message: str, hint: str | None) -> None:
    assert (error.message, error.hint, error.exit_code) == (message, hint, 1)
