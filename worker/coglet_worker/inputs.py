"""From the JSON of a request to the arguments of `run`: files fetched, secrets wrapped.

The annotation alone decides what is converted, never the value: a `str` that looks like a URL stays one.
"""

import enum
import mmap
import types
import typing
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import msgspec

import cog.predictor
import cog.types
from cog._url import is_remote
from coglet_protocol import slot
from coglet_protocol.errors import SpillError
from coglet_protocol.spill import mapped_spill
from coglet_worker.downloads import fetch_all
from coglet_worker.error_text import text_of
from coglet_worker.running import TemporaryFiles

Convert = Callable[[Any], Any]

# The schema marks `pathlib.Path` as a file too, although the model gets its text.
_FILES: Final = (cog.types.Path, cog.types.File, Path)
_MAX_SHOWN: Final = 200


class InputError(Exception):
    """The input cannot become arguments; the text goes to the client as it is."""


class InputConverter:
    """Knows, from the hints of one callable, which of its arguments need conversion."""

    def __init__(self, function: Callable[..., Any]) -> None:
        kinds = _kinds(function)
        self._converters = _converters(kinds)
        self._files = [name for name, (_, kind) in kinds.items() if kind in _FILES]
        self._choices = cog.predictor.declared_choices(function)

    def fetches(self, arguments: dict[str, Any]) -> bool:
        """True when converting these arguments may take time: a file among them is given by a URL."""
        return any(
            isinstance(item, str) and is_remote(item)
            for name, convert in self._converters.items()
            if convert in (_to_path, _to_file)
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
        """Replaces, in place, what the annotations ask for. Blocks while files are fetched.

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
            fetch_all(arguments, self._converters, files)
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


def _kinds(function: Callable[..., Any]) -> dict[str, tuple[bool, Any]]:
    """Of each annotated parameter: is it a list, and of what type is it or its items."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - the author's annotations may name anything; then nothing is converted
        return {}
    return {name: _kind_of(hint) for name, hint in hints.items() if name != "return"}


def _converters(kinds: dict[str, tuple[bool, Any]]) -> dict[str, Convert]:
    by_type = {cog.types.Path: _to_path, cog.types.File: _to_file, cog.types.Secret: _to_secret}
    found: dict[str, Convert] = {}
    for name, (is_list, kind) in kinds.items():
        convert = _to_member_of(kind) if _is_enum(kind) else by_type.get(kind)
        # Models expect the plain texts of `list[Secret]`.
        if convert is not None and not (is_list and convert is _to_secret):
            found[name] = convert
    return found


def _kind_of(hint: object) -> tuple[bool, Any]:
    """(is it a list, `T`) of `T`, `Optional[T]`, `list[T]` and `Optional[list[T]]`; else no `T`."""
    if isinstance(hint, type) and not typing.get_args(hint):
        return False, hint
    arguments = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    origin = typing.get_origin(hint)
    if len(arguments) != 1 or origin not in (list, typing.Union, types.UnionType):
        return False, None
    is_list, kind = _kind_of(arguments[0])
    return is_list or origin is list, kind


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
