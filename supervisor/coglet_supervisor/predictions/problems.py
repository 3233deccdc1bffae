"""The problems of an input as a client reads them: in the words it knows, and no more than it can read."""

from collections.abc import Iterator, Set
from itertools import chain, islice
from typing import Any, Final

import jsonschema_rs
import msgspec
from jsonschema_rs import ValidationErrorKind as Kind

from coglet_supervisor.predictions.faults import VALUE, Fault, Faults
from coglet_supervisor.predictions.file_inputs import ADVICE, FILE_URL

MASK: Final = "**********"
MAX_PROBLEMS: Final = 100
"""Reported at once; the others are counted."""
_MAX_VALUE_CHARS: Final = 200
# A message may hold all choices of an input, or the names of all fields that a nested object must not have.
_MAX_MESSAGE_CHARS: Final = 16 * 1024
_MAX_REPORT_CHARS: Final = 256 * 1024


class Problem(msgspec.Struct, kw_only=True, frozen=True):
    """One entry of a 422 body."""

    loc: list[str]
    msg: str
    type: str


class InvalidInput(Exception):
    """The input does not fit the schema."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.msg for problem in problems))
        self.problems = problems


def report(unknown: list[str], faults: Faults, absent: list[str], secrets: Set[str]) -> list[Problem]:
    """What is wrong, in this order: the first of it, and how much there is besides.

    `unknown` and `absent` are names of inputs. The values of `secrets` are not shown.
    """
    problems = chain(
        (_problem([name], f"Unexpected field '{cut(name)}'", "value_error.extra") for name in unknown),
        (_explain(fault, secrets) for fault in faults.found),
        (_problem([name], "Field required", "value_error.missing") for name in absent),
    )
    reported = list(_as_many_as_fit(problems))
    left = len(unknown) + len(faults.found) + len(absent) - len(reported)
    if left:
        number = str(left) if faults.is_complete else f"at least {left}"
        reported.append(_problem([], f"and {number} more", "value_error"))
    elif not faults.is_complete:
        reported.append(_problem([], "and perhaps more", "value_error"))
    return reported


def broken_base64(path: list[str]) -> Problem:
    """The problem of a `data:` URL that cannot be decoded without doubt."""
    return _problem(path, "the content of the data: URL is not base64", "value_error")


def cut(text: str, most: int = _MAX_VALUE_CHARS) -> str:
    """The text, or its beginning."""
    return text if len(text) <= most else text[:most] + "..."


def _as_many_as_fit(problems: Iterator[Problem]) -> Iterator[Problem]:
    size = 0
    for problem in islice(problems, MAX_PROBLEMS):
        yield problem
        size += len(problem.msg) + len(problem.loc[-1])
        if size > _MAX_REPORT_CHARS:
            return


def _explain(fault: Fault, secrets: Set[str]) -> Problem:
    path = [str(part) for part in fault.path]
    if fault.error is not None and isinstance(fault.error.kind, Kind.Required):
        return _problem([*path, fault.error.kind.property], "Field required", "value_error.missing")
    shown = MASK if path and path[0] in secrets else _shortened(fault.value)
    message = _message(fault.error).replace(VALUE, shown)
    return _problem(path, cut(message, _MAX_MESSAGE_CHARS), "value_error")


def _message(error: jsonschema_rs.ValidationError | None) -> str:
    """What is wrong with `VALUE`."""
    if error is None:
        return f"{VALUE} does not fit its schema, and holds too many values to say where"
    if isinstance(error.kind, Kind.Enum):
        return f"{VALUE} is not one of {_json(error.kind.options)}"
    if _is_file_rule(error.kind):
        return f"{VALUE} is not the URL of a file; {ADVICE}"
    if _is_union_with_file(error.kind):
        return f"{error.message}; {ADVICE}"
    return error.message


def _is_file_rule(kind: Kind) -> bool:
    return isinstance(kind, Kind.Pattern) and kind.pattern == FILE_URL


def _is_union_with_file(kind: Kind) -> bool:
    """True when a member of the union would take the value, if it were the URL of a file."""
    if not isinstance(kind, Kind.AnyOf | Kind.OneOfNotValid):
        return False
    return any(_is_file_rule(error.kind) for errors in kind.context for error in errors)


def _problem(path: list[str], message: str, kind: str) -> Problem:
    pointer = "/".join(cut(part).replace("~", "~0").replace("/", "~1") for part in path)
    return Problem(loc=["body", "input", pointer or "__root__"], msg=message, type=kind)


def _shortened(value: Any) -> str:
    # Of a long text no more is encoded than is shown.
    return cut(_json(value[: _MAX_VALUE_CHARS + 1] if isinstance(value, str) else value))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
