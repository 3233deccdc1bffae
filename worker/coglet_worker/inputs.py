"""Converts the JSON of a request to the arguments of `run`: downloads files, wraps secrets.

The schema decides what is converted; where it has no entry, the annotation does. The value never decides: a
`str` that looks like a URL stays a `str`.
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
    """Neither schema nor annotation determines the type of an input; the text is for the author."""


class InputConverter:
    """Converts the arguments of one callable as the schema requires, else as its annotations do."""

    def __init__(self, function: Callable[..., Any], kinds: Mapping[str, InputKind] | None = None) -> None:
        """`kinds` comes from the schema; None means that there is no schema and the annotations decide alone.

        Raises UnclearInput if they do not.
        """
        self._converters = _converters(function, kinds)
        self._files = [name for name, convert in self._converters.items() if convert in (_to_path, _to_file)]
        self._choices = cog.predictor.declared_choices(function)

    def fetches(self, arguments: dict[str, Any]) -> bool:
        """Return True if converting these arguments may take time: a file among them is given by a URL."""
        return any(
            isinstance(item, str) and is_remote(item)
            for name in self._files
            for item in _items(arguments.get(name))
        )

    def decode(self, message: slot.Predict) -> dict[str, Any]:
        """Return the arguments as plain JSON values. Raises InputError if they are not a JSON object."""
        if message.input is not None:
            return _object_of(message.input)
        if message.input_file is None:
            raise InputError("Failed to rehydrate input: neither input nor input_file was given")
        try:
            with mapped_spill(Path(message.input_file)) as payload:
                return _object_of(payload)
        except SpillError as error:
            raise InputError(f"Failed to rehydrate input: {error}") from error

    def _open_given(self, arguments: dict[str, Any], given: Mapping[str, slot.InputFile]) -> None:
        for name in self._files:
            convert = self._converters[name]
            if (value := arguments.get(name)) is not None:
                arguments[name] = _each(
                    lambda item, convert=convert: (  # type: ignore[misc]
                        _open(given[item], convert) if isinstance(item, str) and item in given else item
                    ),
                    value,
                )

    def convert(
        self, arguments: dict[str, Any], files: TemporaryFiles, given: Collection[slot.InputFile] = ()
    ) -> None:
        """Convert `arguments` in place, as the schema and the annotations require. Blocks during downloads.

        The URLs of `given` files are not downloaded.

        A client must not name a file of this machine. The supervisor has rejected that for inputs that the
        schema marks as files; this check is for those of the annotations, whatever the schema says.
        Every file that is created is kept in `files`, also on failure. Raises InputError if a value is wrong
        or a download fails.
        """
        try:
            for name in self._files:
                _check_is_remote(name, arguments.get(name), self._choices.get(name, ()))
            if given:
                self._open_given(arguments, {file.url: file for file in given})
            for name, convert in self._converters.items():
                if arguments.get(name) is not None:
                    arguments[name] = _each(convert, arguments[name])
            fetch_all(arguments, self._files, files)
        except Exception as error:  # whatever a URL or a value causes is reported to the client
            raise InputError(f"Input validation error: {text_of(error)}") from error


def _open(file: slot.InputFile, convert: Convert) -> object:
    content = open(file.path, "rb")
    if convert is _to_file:
        return content
    return cog.types.URLPath(source=file.url, filename=file.name, fileobj=content)


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
                f"the annotation of input `{name}`, `{hints.text_of(name)}`, is ambiguous for a text; "
                "write one type, or serve the model with a schema"
            )
    return found


def _by_kind(kind: InputKind, possible: list[Any]) -> Convert:
    """Return the conversion that the schema requires; the annotation adds the Enum, or a file's class."""
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
    """Return a conversion to members of the Enum; the schema offers their values as choices."""
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
    """Raise ValueError for a text that is neither the URL of a file nor one of the author's choices."""
    for item in _items(value):
        if isinstance(item, str) and item not in choices and not is_remote(item):
            shown = repr(item) if len(item) <= _MAX_SHOWN else repr(item[:_MAX_SHOWN]) + "..."
            raise ValueError(f"{name}: {shown} is not a URL; a file is sent as an http:, https: or data: URL")


def _to_int(value: object) -> object:
    """Convert 3.0 to 3: it is an integer in JSON, but in Python it cannot be used as an index."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_BY_TYPE: Final[dict[Any, Convert]] = {
    cog.types.Path: _to_path,
    Path: _to_path,  # authors import it by mistake; the schema treats it as a file, too
    cog.types.File: _to_file,
    cog.types.Secret: _to_secret,
    int: _to_int,
}
_CONVERTED: Final = frozenset({cog.types.Path, Path, cog.types.File, cog.types.Secret})
