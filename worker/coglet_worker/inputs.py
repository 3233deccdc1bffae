"""From the JSON of a request to the arguments of `run`: files fetched, secrets wrapped.

The schema decides what is converted, and the annotation where it says nothing; never the value: a `str` that
looks like a URL stays one.
"""

import enum
import mmap
from collections.abc import Callable, Collection, Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

import cog.predictor
import cog.types
from cog._url import is_remote
from coglet_protocol import slot
from coglet_protocol.control import InputKind
from coglet_protocol.errors import SpillError
from coglet_protocol.spill import mapped_spill
from coglet_worker.downloads import fetch_all
from coglet_worker.error_text import text_of
from coglet_worker.hints import Hints, UnreadableHint
from coglet_worker.running import TemporaryFiles

Convert = Callable[[Any], Any]

_MAX_SHOWN: Final = 200


class InputError(Exception):
    """The input cannot become arguments; the text goes to the client as it is."""


class UnclearInput(Exception):
    """Nothing says what an input is; the text is for the author."""


class InputConverter:
    """Knows which arguments of one callable need conversion: from the schema, else from its annotations."""

    def __init__(self, function: Callable[..., Any], kinds: Mapping[str, InputKind] | None = None) -> None:
        """`kinds` is what the schema says; without one, an annotation that says nothing is an error.

        Raises UnclearInput.
        """
        self._converters = _converters(function, kinds)
        self._files = [name for name, convert in self._converters.items() if convert in (_to_path, _to_file)]
        self._choices = cog.predictor.declared_choices(function)

    def fetches(self, arguments: dict[str, Any]) -> bool:
        """True when converting these arguments may take time: a file among them is given by a URL."""
        return any(
            isinstance(item, str) and is_remote(item)
            for name in self._files
            for item in _items(arguments.get(name))
        )

    def decode(self, message: slot.Predict) -> dict[str, Any]:
        """The arguments as plain JSON values. Raises InputError."""
        if message.input is not None:
            return _object_of(message.input)
        if message.input_file is None:
            raise InputError("Failed to rehydrate input: neither input nor input_file was given")
        try:
            with mapped_spill(Path(message.input_file)) as payload:
                return _object_of(payload)
        except SpillError as error:
            raise InputError(f"Failed to rehydrate input: {error}") from error

    def convert(self, arguments: dict[str, Any], files: TemporaryFiles) -> None:
        """Replaces, in place, what the schema and the annotations ask for. Blocks while files are fetched.

        A client must not name a file of this machine. What the model's schema marks as a file the supervisor
        has refused; this holds for the annotation, whatever the schema says.
        Every file that it makes is kept in `files`, also when it raises. Raises InputError.
        """
        try:
            for name in self._files:
                _check_is_remote(name, arguments.get(name), self._choices.get(name, ()))
            for name, convert in self._converters.items():
                if arguments.get(name) is not None:
                    arguments[name] = _each(convert, arguments[name])
            fetch_all(arguments, self._files, files)
        except Exception as error:  # whatever a URL or a value provokes, it is the client's to know
            raise InputError(f"Input validation error: {text_of(error)}") from error


def _object_of(payload: bytes | mmap.mmap) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"Failed to rehydrate input: {error}") from error
    if not isinstance(value, dict):
        raise InputError("Input validation error: Input must be a JSON object")
    return value


def _converters(function: Callable[..., Any], kinds: Mapping[str, InputKind] | None) -> dict[str, Convert]:
    hints = Hints(function)
    found: dict[str, Convert] = {}
    for name in dict.fromkeys((*hints.names, *(kinds or ()))):
        kind = (kinds or {}).get(name)
        try:
            possible = hints.types_in(name) if name in hints.names else []
        except UnreadableHint as error:
            if kinds is None:
                raise UnclearInput(
                    f"the annotation of input `{name}` cannot be evaluated when the model runs: {error}; "
                    "import what it names outside of `if TYPE_CHECKING:`, or serve the model with a schema"
                ) from error
            possible = []
        convert = _by_type(possible) if kind is None else _by_kind(kind, possible)
        if convert is not None:
            found[name] = convert
        elif kinds is None and _CONVERTED & set(possible):
            raise UnclearInput(
                f"the annotation of input `{name}`, `{hints.text_of(name)}`, leaves open what becomes "
                "of a text; write one type, or serve the model with a schema"
            )
    return found


def _by_kind(kind: InputKind, possible: list[Any]) -> Convert:
    """What the schema asks for; only the annotation knows an Enum, and what a file is opened as."""
    by_type = _by_type(possible)
    if kind == "file":
        return _to_file if by_type is _to_file else _to_path
    if kind == "secret":
        return _to_secret
    return by_type or _to_int


def _by_type(possible: list[Any]) -> Convert | None:
    if len(possible) != 1:
        return None
    (only,) = possible
    if _is_enum(only):
        return _to_member_of(only)
    return _BY_TYPE.get(only) if isinstance(only, Hashable) else None


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _to_member_of(members: type[enum.Enum]) -> Convert:
    """The schema offers the values of an Enum as choices; the author's code gets its members."""
    return lambda value: value if isinstance(value, members) else members(value)


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _each(convert: Convert, value: object) -> object:
    return [convert(item) for item in value] if isinstance(value, list) else convert(value)


def _to_path(value: object) -> object:
    return cog.types.Path.validate(value) if isinstance(value, str) else value


def _to_file(value: object) -> object:
    return cog.types.File.validate(value) if isinstance(value, str) and is_remote(value) else value


def _to_secret(value: object) -> object:
    return cog.types.Secret(value) if isinstance(value, str) else value


def _check_is_remote(name: str, value: object, choices: Collection[object]) -> None:
    """Raises ValueError for text that is neither the URL of a file nor what the author offers to choose."""
    for item in _items(value):
        if isinstance(item, str) and item not in choices and not is_remote(item):
            shown = repr(item) if len(item) <= _MAX_SHOWN else repr(item[:_MAX_SHOWN]) + "..."
            raise ValueError(f"{name}: {shown} is not a URL; a file is sent as an http:, https: or data: URL")


def _to_int(value: object) -> object:
    """JSON knows one kind of number: 3.0 is an integer there, and no index in Python."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_BY_TYPE: Final[dict[Any, Convert]] = {
    cog.types.Path: _to_path,
    Path: _to_path,  # which authors import by mistake; the schema has it as a file, too
    cog.types.File: _to_file,
    cog.types.Secret: _to_secret,
    int: _to_int,
}
_CONVERTED: Final = frozenset({cog.types.Path, Path, cog.types.File, cog.types.Secret})
