"""Loading of cog.yaml into a `CogConfig`, or a list of all problems in it."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coglet_cli import deprecations
from coglet_cli.config.document import Document, InvalidYaml, KeyPath, parse_document
from coglet_cli.config.model import (
    DEFAULT_PYTHON_VERSION,
    Build,
    CogConfig,
    Mount,
    RunCommand,
    Weight,
    WeightSource,
)
from coglet_cli.config.problem import Problem, key_name
from coglet_cli.config.rules import check_rules
from coglet_cli.config.structure import check_structure, unknown_keys
from coglet_cli.config.variables import split_variable
from coglet_cli.errors import ConfigError

DEPRECATED: Final[dict[KeyPath, str]] = {
    ("concurrency", "max"): "@cog.concurrent(max=...)",
    ("build", "python_packages"): "build.python_requirements",
    ("build", "pre_install"): "build.run",
}
_WITHOUT_EFFECT: Final[tuple[KeyPath, ...]] = (("cog_runtime",), ("build", "cog_runtime"))


@dataclass(frozen=True)
class LoadedConfig:
    """A valid configuration and its warnings, each one line of text.

    `has_build` is true if the file has a `build` section, which sets at least the version of Python.
    """

    config: CogConfig
    warnings: tuple[str, ...]
    has_build: bool = False


def load_config(config_file: Path, folder: Path, *, strict: bool = False) -> LoadedConfig:
    """Return the validated configuration of the project in `folder`.

    Raises ConfigError with every problem. An unknown key is a warning, with `strict` a problem.
    """
    name = config_file.name
    try:
        document = parse_document(config_file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError([f"failed to read {name}: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"failed to parse {name}: not UTF-8 text: {error.reason}"]) from None
    except InvalidYaml as error:
        raise ConfigError([f"failed to parse {name}: invalid YAML: {error}"]) from None
    lines = [
        f"{name}:{document.line(problem.path)}: {problem.text(name)}"
        for problem in find_problems(document, folder)
    ]
    unknown = [*_unknown(document, name)]
    if strict:
        lines += unknown
    if lines:
        raise ConfigError(lines)
    return LoadedConfig(
        _config(document.data),
        (*unknown, *_deprecated(document, name)),
        has_build=document.data.get("build") is not None,
    )


def find_problems(document: Document, folder: Path) -> list[Problem]:
    """Return all problems of the configuration of the project in `folder`, in the order of their lines."""
    problems: list[Problem] = [*check_structure(document.data)]
    if not problems:
        problems = [*check_rules(document.data, folder)]
    return sorted(problems, key=lambda problem: document.line(problem.path))


def _unknown(document: Document, name: str) -> Iterator[str]:
    for path, known in unknown_keys(document.data):
        guesses = difflib.get_close_matches(str(path[-1]), known, n=1)
        guess = f'; did you mean "{guesses[0]}"?' if guesses else ""
        yield f'{name}:{document.line(path)}: unknown key "{key_name(path, name)}"{guess}'


def _deprecated(document: Document, name: str) -> Iterator[str]:
    renamed: dict[KeyPath, str] = {("predict",): "run"} if deprecations.are_shown() else {}
    for path, replacement in {**renamed, **DEPRECATED}.items():
        if path in document.lines:
            field = key_name(path, name)
            yield f'{name}:{document.line(path)}: deprecated field "{field}": use "{replacement}" instead'
    for path in _WITHOUT_EFFECT:
        if path in document.lines:
            yield f'{name}:{document.line(path)}: field "{key_name(path, name)}" has no effect; remove it'


def _config(data: Mapping[str, Any]) -> CogConfig:
    return CogConfig(
        build=_build(data.get("build")),
        run=data.get("run") or data.get("predict"),
        train=data.get("train"),
        image=data.get("image"),
        model=data.get("model"),
        max_concurrency=(data.get("concurrency") or {}).get("max"),
        environment=dict(map(split_variable, data.get("environment") or ())),
        weights=tuple(_weight(weight) for weight in data.get("weights") or ()),
    )


def _build(build: Mapping[str, Any] | None) -> Build:
    if build is None:
        return Build()
    return Build(
        python_version=str(build.get("python_version", DEFAULT_PYTHON_VERSION)),
        gpu=build.get("gpu", False),
        cuda=_text(build.get("cuda")),
        cudnn=_text(build.get("cudnn")),
        python_requirements=build.get("python_requirements"),
        python_packages=tuple(build.get("python_packages") or ()),
        system_packages=tuple(build.get("system_packages") or ()),
        run=_commands(build.get("run")),
        pre_install=_commands(build.get("pre_install")),
        sdk_version=build.get("sdk_version"),
        user=build.get("user"),
        fast=build.get("fast", False),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _commands(commands: list[Any] | None) -> tuple[RunCommand, ...]:
    return tuple(_command(command) for command in commands or ())


def _command(command: str | Mapping[str, Any]) -> RunCommand:
    if isinstance(command, str):
        return RunCommand(command)
    mounts = command.get("mounts") or ()
    return RunCommand(
        command["command"],
        tuple(Mount(mount["type"], mount.get("id"), mount.get("target")) for mount in mounts),
    )


def _weight(weight: Mapping[str, Any]) -> Weight:
    source = weight["source"]
    return Weight(
        name=weight["name"],
        target=weight["target"],
        sources=tuple(_weight_source(item) for item in ([source] if isinstance(source, Mapping) else source)),
    )


def _weight_source(source: Mapping[str, Any]) -> WeightSource:
    return WeightSource(source["uri"], tuple(source.get("include") or ()), tuple(source.get("exclude") or ()))
