"""Parsing of YAML into plain data, with the line number of each value."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

KeyPath = tuple[str | int, ...]

# Versions are text even if written as numbers: YAML would read `python_version: 3.10` as 3.1.
_VERSIONS: Final = {("build", "python_version"), ("build", "cuda"), ("build", "cudnn")}
_STR: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "tag:yaml.org,2002:merge"
_NUMBERS: Final = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_KNOWN_TAGS: Final = {
    *(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "bool", "null")),
    *_NUMBERS,
    _STR,
    _MERGE,
}


class InvalidYaml(Exception):
    """The text is not YAML, or uses YAML features that a configuration may not; `line` counts from 1."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")


@dataclass(frozen=True)
class Document:
    """Plain data (str, int, float, bool, None, list, dict) and the line of every value by its path."""

    data: Any
    lines: Mapping[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """Return the line of the value at `path`, or of the nearest enclosing value in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse_document(text: str) -> Document:
    """Parse one YAML document; an empty one is an empty mapping.

    Raises InvalidYaml if the text is not YAML, has types that JSON lacks, or sets a key twice.
    """
    try:
        # CSafeLoader would be faster, but it is missing from some builds and the file is small.
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return Document({}, {})
            lines = dict(_walk(root, (), set()))
            return Document(loader.construct_document(root), lines)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InvalidYaml(error.problem or "cannot be parsed", mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise InvalidYaml(re.sub(r"\s+", " ", str(error)), None) from None
    except RecursionError:
        raise InvalidYaml("nested too deeply", None) from None
    except ValueError as error:  # an explicit tag on text that does not match it, as in `!!int x`
        raise InvalidYaml(str(error), None) from None


def _walk(node: yaml.Node, path: KeyPath, above: set[int]) -> Iterator[tuple[KeyPath, int]]:
    line = node.start_mark.line + 1
    if id(node) in above:
        raise InvalidYaml("an alias contains itself", line)
    if node.tag == "tag:yaml.org,2002:timestamp":
        node.tag = _STR
    if node.tag not in _KNOWN_TAGS:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        raise InvalidYaml(f"the YAML type {kind} is not allowed here", line)
    if path in _VERSIONS and node.tag in _NUMBERS:
        node.tag = _STR
    yield path, line
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), above | {id(node)})
    elif isinstance(node, yaml.MappingNode):
        yield from _walk_mapping(node, path, above | {id(node)})


def _walk_mapping(node: yaml.MappingNode, path: KeyPath, above: set[int]) -> Iterator[tuple[KeyPath, int]]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag == _MERGE:
            continue  # the content of `<<` was walked at its anchor
        if not isinstance(key, yaml.ScalarNode):
            raise InvalidYaml("a key must be a scalar", line)
        # YAML reads `on:` and `3:` as a boolean and a number; the user meant strings.
        key.tag = _STR
        if key.value in seen:
            raise InvalidYaml(f'key "{key.value}" is already set on line {seen[key.value]}', line)
        seen[key.value] = line
        for child_path, child_line in _walk(value, (*path, key.value), above):
            # The line of a mapping or list is that of its key, where the user looks for it.
            yield child_path, line if child_path == (*path, key.value) else child_line
