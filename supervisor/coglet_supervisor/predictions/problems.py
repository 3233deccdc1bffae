"""The problems of an input in the 422 response: with the peer's error messages, and bounded in size."""

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
"""The most problems in one report; the others are counted."""
_MAX_VALUE_CHARS: Final = 200
# A message may list all choices of an input, or all unexpected fields of a nested object.
_MAX_MESSAGE_CHARS: Final = 16 * 1024
_MAX_REPORT_CHARS: Final = 256 * 1024


class Problem(msgspec.Struct, kw_only=True, frozen=True):
    """One entry of a 422 body."""

    loc: list[str]
    msg: str
    type: str


class InvalidInput(Exception):
    """The input does not match the schema."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.msg for problem in problems))
        self.problems = problems


def report(unknown: list[str], faults: Faults, absent: list[str], secrets: Set[str]) -> list[Problem]:
    """Return the problems of an input, in this order.

    If there are too many, only the first ones and the number of the others. `unknown` and `absent` are names
    of inputs. The values of `secrets` are masked.
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
    """Return the problem of a `data:` URL whose base64 is invalid."""
    return _problem(path, "the content of the data: URL is not base64", "value_error")


def cut(text: str, most: int = _MAX_VALUE_CHARS) -> str:
    """Return the text, cut to `most` characters and marked with `...` if it is longer."""
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
    """Return the message of an error; VALUE stands for the value."""
    if error is None:
        return f"{VALUE} does not match its schema, and has too many values to find out where"
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
    """True if a member of the union is a file, which would have to be a URL."""
    if not isinstance(kind, Kind.AnyOf | Kind.OneOfNotValid):
        return False
    return any(_is_file_rule(error.kind) for errors in kind.context for error in errors)


def _problem(path: list[str], message: str, kind: str) -> Problem:
    pointer = "/".join(cut(part).replace("~", "~0").replace("/", "~1") for part in path)
    return Problem(loc=["body", "input", pointer or "__root__"], msg=message, type=kind)


def _shortened(value: Any) -> str:
    # Encode no more of a long text than is shown.
    return cut(_json(value[: _MAX_VALUE_CHARS + 1] if isinstance(value, str) else value))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
