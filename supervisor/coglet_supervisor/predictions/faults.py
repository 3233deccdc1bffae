"""Finding the validation errors of a value in bounded time, however large the value is.

The library builds the messages of all errors before it returns the first, at 16 µs each and while it holds
the interpreter lock; for a union it does so for each member. Checking whether a value is valid is fast.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import jsonschema_rs

VALUE: Final = "\x00value\x00"
"""Placeholder for the value in the messages of validators; must not occur in a value or pattern."""
_MAX_NODES: Final = 1_000
"""The most values for which errors are listed in one call."""
_MAX_PIECES: Final = 5
"""The most pieces of large lists for which errors are listed."""

Validator = jsonschema_rs.Draft202012Validator


class Fault(NamedTuple):
    """A validation error of the value at `path`; without `error`, the value is too large for details."""

    path: list[str | int]
    value: Any
    error: jsonschema_rs.ValidationError | None


@dataclass(frozen=True)
class Faults:
    """Validation errors, sorted by keyword as in the peer's responses; array items stay in order."""

    found: list[Fault]
    is_complete: bool = True


_NONE: Final = Faults([])


def find_faults(validator: Validator, value: Any) -> Faults:
    """Return the validation errors of an input; only the first of them if there are very many."""
    if validator.is_valid(value):
        return _NONE
    if not isinstance(value, dict) or not _is_large(value):
        return Faults(_sorted(_explained(validator, value)))
    search = _Search(validator)
    for name, item in value.items():
        search.look_at(name, item)
    # If no property is invalid on its own, the object as a whole is.
    return Faults(_sorted(search.found) or [Fault([], value, None)], search.is_complete)


class _Search:
    """Searches a large input for faults, property by property and, in long lists, piece by piece."""

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
                if len(fault.path) > 1:  # the length of a piece says nothing about the list
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
    """True if the value consists of more than `_MAX_NODES` values; counts no further."""
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
