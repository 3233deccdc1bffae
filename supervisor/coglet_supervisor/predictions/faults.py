"""What a validator finds wrong with a value, in a bounded time however large the value is.

The library explains every fault before it gives the first, at 16 µs each and while it holds the interpreter;
in a union it does so for each of its members. Whether a value is valid it tells at once.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import jsonschema_rs

VALUE: Final = "\x00value\x00"
"""Stands for the value in the messages of validators; nobody's value or pattern contains it."""
_MAX_NODES: Final = 1_000
"""Values that are explained at a time."""
_MAX_PIECES: Final = 5
"""Pieces of a large list that are explained."""

Validator = jsonschema_rs.Draft202012Validator


class Fault(NamedTuple):
    """What is wrong with the value at `path`; without `error`, it is too large to say what."""

    path: list[str | int]
    value: Any
    error: jsonschema_rs.ValidationError | None


@dataclass(frozen=True)
class Faults:
    """By keyword, as the peer's clients have seen them; items of an array stay in their order."""

    found: list[Fault]
    is_complete: bool = True


_NONE: Final = Faults([])


def find_faults(validator: Validator, value: Any) -> Faults:
    """Everything that is wrong with an input, or the first of it when that is very much."""
    if validator.is_valid(value):
        return _NONE
    if not isinstance(value, dict) or not _is_large(value):
        return Faults(_sorted(_explained(validator, value)))
    search = _Search(validator)
    for name, item in value.items():
        search.look_at(name, item)
    # None of them alone: then it is the object as a whole.
    return Faults(_sorted(search.found) or [Fault([], value, None)], search.is_complete)


class _Search:
    """Faults of a large input, property by property and, in long lists, piece by piece."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator
        self._pieces = 0
        self.found: list[Fault] = []
        self.is_complete = True

    def look_at(self, name: str, value: Any) -> None:
        if self._validator.is_valid({name: value}):
            return
        if not _is_large(value):
            self.found += _explained(self._validator, {name: value})
            return
        before = len(self.found)
        if isinstance(value, list):
            for start in range(0, len(value), _MAX_NODES):
                self._look_at_items(name, value[start : start + _MAX_NODES], start)
        if len(self.found) == before:
            self.found.append(Fault([name], value, None))

    def _look_at_items(self, name: str, items: list[Any], start: int) -> None:
        if self._pieces == _MAX_PIECES:
            self.is_complete = False
        elif self._validator.is_valid({name: items}):
            return
        elif not _is_large(items):
            self._pieces += 1
            for fault in _explained(self._validator, {name: items}):
                if len(fault.path) > 1:  # what is wrong with a piece as a list says nothing of the list
                    path = [name, start + int(fault.path[1]), *fault.path[2:]]
                    self.found.append(fault._replace(path=path))
        elif len(items) == 1:
            self._pieces += 1
            self.found.append(Fault([name, start], items[0], None))
        else:
            half = len(items) // 2
            self._look_at_items(name, items[:half], start)
            self._look_at_items(name, items[half:], start + half)


def _explained(validator: Validator, value: Any) -> list[Fault]:
    return [Fault(error.instance_path, error.instance, error) for error in validator.iter_errors(value)]


def _is_large(value: Any) -> bool:
    """True for more than `_MAX_NODES` values; stops to count there."""
    count, unseen = 0, [value]
    while unseen:
        item = unseen.pop()
        if isinstance(item, dict | list):
            count += len(item)
            if count > _MAX_NODES:
                return True
            unseen += item.values() if isinstance(item, dict) else item
    return False


def _sorted(faults: list[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: _keyword(fault.error))


def _keyword(error: jsonschema_rs.ValidationError | None) -> list[tuple[bool, str | int]]:
    return [(isinstance(part, str), part) for part in error.schema_path] if error is not None else []
