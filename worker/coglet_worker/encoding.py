"""Python values to JSON text: which types a model may return, and how each is encoded.

The standard library's encoder does the work; it calls `default` only for types that it does not know, so
plain data costs nothing extra. Its C functions are looked up before the model is imported: a model or library
that replaces `json.dumps` or `json.JSONEncoder` has no effect here. numpy, pydantic and rarely used modules
of the standard library are recognized by their class names, never imported.

The schema of the output must agree with these encodings: see `coglet_schema.library_types`.
"""

import contextlib
import dataclasses
import datetime
import enum
import io
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from types import GeneratorType
from typing import Any, Final

from coglet_worker.error_text import simple_name, text_of

_make_encoder: Final[Any] = c_make_encoder
_encode_text: Final = encode_basestring
_join: Final = "".join
# Objects of these classes and of their subclasses are encoded as the text that `str` returns.
_TEXT_CLASSES: Final = frozenset(
    {
        "decimal.Decimal",
        "ipaddress._IPAddressBase",
        "pydantic.color.Color",
        "pydantic.networks.NameEmail",
        "pydantic.networks._BaseMultiHostUrl",
        "pydantic.networks._BaseUrl",
        "pydantic.types.SecretBytes",
        "pydantic.types.SecretStr",
        "pydantic_core._pydantic_core.MultiHostUrl",  # pydantic before 2.10
        "pydantic_core._pydantic_core.Url",
        "uuid.UUID",
    }
)
_MAX_SEARCHED: Final = 1_000_000  # values; an object may generate new ones without limit

FileHook = Callable[["os.PathLike[str] | io.IOBase"], str]
"""Takes a file found inside a value and returns the text that stands for it."""


class OutputError(Exception):
    """The model's output cannot be sent."""


class EncodingError(OutputError):
    """The output cannot be expressed in JSON. The text names the place inside the output."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Failed to serialize output: {reason}")


def encode_json(value: object, on_file: FileHook) -> bytes:
    """Return `value` as compact JSON text in UTF-8.

    Raises EncodingError if JSON cannot express the value, and whatever `on_file` raises.
    """

    def default(unknown: object) -> object:
        if isinstance(unknown, os.PathLike | io.IOBase):
            return on_file(unknown)
        return to_plain(unknown)

    try:
        return to_json(value, default).encode()
    except UnicodeEncodeError as error:
        raise EncodingError(
            f"output is not valid Unicode text: {error.reason}{_place(value, _has_surrogate)}"
        ) from error
    except ValueError as error:
        # Checked only after the failure, because the walk costs as much as the encoding.
        raise EncodingError(f"{_reason(error)}{_place(value, _is_not_finite)}") from error
    except TypeError as error:
        raise EncodingError(f"TypeError: {text_of(error)}") from error
    except RecursionError as error:
        raise EncodingError("output is nested too deeply for JSON") from error


def to_json(value: object, default: Callable[[object], object]) -> str:
    """Return compact JSON text. Raises what `json.dumps(allow_nan=False)` raises."""
    # circular references, default, strings, indent, key and item separators, sort_keys, skipkeys, allow_nan
    encoder = _make_encoder({}, default, _encode_text, None, ":", ",", False, False, False)
    return _join(encoder(value, 0))


def to_plain(value: object) -> object:
    """Convert `value` one step towards JSON types. Raises TypeError with the standard library's text."""
    for method in ("model_dump", "dict"):  # pydantic 2, pydantic 1 and look-alikes
        dump = getattr(value, method, None)
        if callable(dump) and not isinstance(value, type):
            return dump()
    if _is_secret(value):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.date | datetime.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return _duration(value)
    if isinstance(value, set | frozenset | GeneratorType):
        return list(value)
    if any(_full_name(kind) in _TEXT_CLASSES for kind in type(value).__mro__):
        return str(value)
    return _from_numpy(value)


def _duration(value: datetime.timedelta) -> str:
    """Return an ISO 8601 duration: `P1DT2H3M4.5S`, `-PT1S`, `PT0S`.

    Equal to pydantic 2's, except that pydantic converts 365 days to a year.
    """
    rest = abs(value)
    hours, seconds = divmod(rest.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    fraction = f".{rest.microseconds:06}".rstrip("0").rstrip(".")
    days = f"{rest.days}D" if rest.days else ""
    parts = ((f"{hours}H", hours), (f"{minutes}M", minutes), (f"{seconds}{fraction}S", seconds or fraction))
    time = "".join(text for text, amount in parts if amount)
    return f"{'-' if value.days < 0 else ''}P{days}{f'T{time}' if time else ''}" if rest else "PT0S"


def _full_name(kind: type) -> str:
    module = getattr(kind, "__module__", None)
    if not isinstance(module, str):
        return ""
    return f"{module.replace('pydantic.v1.', 'pydantic.')}.{kind.__qualname__}"


def _is_secret(value: object) -> bool:
    import cog.types

    return isinstance(value, cog.types.Secret)


def _from_numpy(value: object) -> object:
    """Convert numpy scalars and arrays, recognized by their module so that we never import numpy."""
    kind = type(value)
    module = getattr(kind, "__module__", None)
    if isinstance(module, str) and module.partition(".")[0] == "numpy":
        for method in ("tolist", "item"):
            convert = getattr(value, method, None)
            if callable(convert):
                return convert()
    raise TypeError(f"Object of type {simple_name(kind)} is not JSON serializable")


def _reason(error: ValueError) -> str:
    text = text_of(error)
    return "NaN and infinity are not JSON numbers" if "Out of range" in text else text


def _place(value: object, is_culprit: Callable[[object], bool]) -> str:
    try:
        for path, leaf in _leaves(value):
            if is_culprit(leaf):
                return f" (at {path})"
    except BaseException:  # noqa: BLE001 - the author's methods; the reason is reported without a place
        return ""
    return ""


def _is_not_finite(leaf: object) -> bool:
    return isinstance(leaf, float) and not math.isfinite(leaf)


def _has_surrogate(leaf: object) -> bool:
    return isinstance(leaf, str) and any("\ud800" <= character <= "\udfff" for character in leaf)


def _leaves(root: object) -> Iterator[tuple[str, Any]]:
    """Yield each leaf with its path, breadth first, through the containers that the encoder walks."""
    queue: deque[tuple[str, object]] = deque([("output", root)])
    seen: dict[int, object] = {}  # keeps the objects alive, because the id of a freed one is reused
    for _ in range(_MAX_SEARCHED):
        if not queue:
            return
        path, value = queue.popleft()
        if isinstance(value, str | int | float | bool | None):
            yield path, value
            continue
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, Mapping | list | tuple):
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, item in items:
                yield f"{path}[{key!r}]", key
                queue.append((f"{path}[{key!r}]", item))
        else:
            with contextlib.suppress(TypeError):  # a file, or a value that the encoder has not reached
                queue.append((path, to_plain(value)))
