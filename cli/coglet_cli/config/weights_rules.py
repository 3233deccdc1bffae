"""The rules for managed weights: unique names, disjoint targets, valid source patterns."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from coglet_cli.config.document import KeyPath
from coglet_cli.config.problem import Problem, WrongValue

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")


def check_weights(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield all violations of the rules for the `weights` key."""
    weights = data.get("weights") or []
    if weights and not data.get("model"):
        if data.get("image"):
            yield WrongValue(("image",), "weights require 'model', not 'image' — rename 'image' to 'model'")
        else:
            yield WrongValue(("model",), "weights require 'model' in cog.yaml — rename 'image' to 'model'")
    names: list[str] = []
    targets: list[str] = []
    for index, weight in enumerate(weights):
        path: KeyPath = ("weights", index)
        yield from _check_name(weight.get("name", ""), (*path, "name"), names)
        yield from _check_target(weight.get("target", ""), (*path, "target"), targets)
        yield from _check_source(weight.get("source"), (*path, "source"))


def _check_name(name: str, path: KeyPath, seen: list[str]) -> Iterator[Problem]:
    if not name:
        yield WrongValue(path, "name is required")
    elif not _NAME.fullmatch(name):
        yield WrongValue(
            path,
            "must contain only lowercase alphanumeric characters, hyphens, dots, or underscores "
            '(e.g. "my-model-weights")',
            name,
        )
    elif name in seen:
        yield WrongValue(path, "duplicate weight name", name)
    seen.append(name)


def _check_target(target: str, path: KeyPath, seen: list[str]) -> Iterator[Problem]:
    if not target:
        yield WrongValue(path, "target is required")
        return
    if not target.startswith("/"):
        yield WrongValue(path, "target must be an absolute path", target)
        return
    clean = PurePosixPath("/", *(part for part in target.split("/") if part not in ("", ".")))
    if str(clean) == "/":
        yield WrongValue(path, 'target must not be the container root "/"', target)
        return
    for other in seen:
        if other == str(clean):
            yield WrongValue(path, "duplicate weight target", target)
        elif clean.is_relative_to(other) or PurePosixPath(other).is_relative_to(clean):
            yield WrongValue(path, f'target overlaps with "{other}"; weight targets must be disjoint', target)
    seen.append(str(clean))


def _check_source(source: Any, path: KeyPath) -> Iterator[Problem]:
    if not source:
        yield WrongValue(path, "source is required")
        return
    if isinstance(source, Mapping):
        yield from _check_patterns(source, path)
        return
    for index, item in enumerate(source):
        yield from _check_patterns(item, (*path, index))


def _check_patterns(source: Mapping[str, Any], path: KeyPath) -> Iterator[Problem]:
    for key in ("include", "exclude"):
        for index, pattern in enumerate(source.get(key) or ()):
            if message := _pattern_fault(pattern):
                yield WrongValue((*path, key, index), message, pattern)


def _pattern_fault(pattern: str) -> str | None:
    if not pattern.strip():
        return "pattern must not be empty"
    if pattern.startswith("!"):
        return "negation patterns (starting with '!') are not supported"
    if "\\" in pattern:
        return "patterns must use forward slashes, not backslashes"
    return None
