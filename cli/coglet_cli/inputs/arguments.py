"""Conversion of the arguments of `-i` and `--json` into the `input` object of a prediction."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from coglet_cli.errors import InputError, UserError
from coglet_cli.formats.data_url import encode_data_url
from coglet_cli.formats.model_schema import InputSchema
from coglet_cli.formats.strict_json import read_json
from coglet_cli.inputs.coercion import coerce_repeated, coerce_value
from coglet_cli.inputs.validation import check_names, check_repeats, check_values
from coglet_schema.media_types import UNKNOWN_TYPE, type_of

STDIN: Final = "-"


def inputs_from_pairs(pairs: Sequence[str], schema: InputSchema) -> dict[str, Any]:
    """Return the inputs of repeated `-i name=value`, coerced and validated. Raises InputError.

    Names, and how often each is given, are checked before any file is read.
    """
    texts: dict[str, list[str]] = {}
    for pair in pairs:
        name, text = _split_pair(pair)
        texts.setdefault(name, []).append(text)
    check_names(texts, schema)
    check_repeats({name: len(given) for name, given in texts.items()}, schema)
    values = {name: _value(name, given, schema) for name, given in texts.items()}
    check_values(values, schema)
    return values


def inputs_from_json(argument: str, schema: InputSchema) -> dict[str, Any]:
    """Return the validated inputs of `--json`, whose argument is an object, `@file`, `@-` or `-`.

    A string at the top level that starts with `@` names a file. Raises InputError if an input is invalid,
    UserError if the argument is not a JSON object.
    """
    values = _read_object(argument)
    check_names(values, schema)
    values = {
        name: _text_or_file(name, value, 'failed to read file "{}"') if isinstance(value, str) else value
        for name, value in values.items()
    }
    check_values(values, schema)
    return values


def _split_pair(pair: str) -> tuple[str, str]:
    name, equals, text = pair.partition("=")
    if not equals:
        raise InputError([f"Failed to parse input '{pair}', expected format is 'name=value'"])
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError([f'invalid input "{name}": the value is not UTF-8 text']) from None
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return name, text


def _value(name: str, texts: list[str], schema: InputSchema) -> Any:
    wanted = schema.properties[name]
    # A data URL is coerced like other text: an input that takes a list gets a list of one.
    resolved = [_text_or_file(name, text, "open {}") for text in texts]
    return coerce_value(resolved[0], wanted) if len(resolved) == 1 else coerce_repeated(resolved, wanted)


def _text_or_file(name: str, text: str, attempt: str) -> str:
    """Return a data URL of a file for `@path`, of stdin for `@-`, `@text` for `@@text`, else `text`."""
    if not text.startswith("@"):
        return text
    if text.startswith("@@"):
        return text[1:]
    path = text[1:]
    try:
        if path == STDIN:
            return encode_data_url(sys.stdin.buffer.read(), UNKNOWN_TYPE)
        file = Path(path).expanduser()
        return encode_data_url(file.read_bytes(), type_of(file), file.name)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError([f'input "{name}": {attempt.format(path)}: {_reason(error)}']) from None


def _reason(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)


def _read_object(argument: str) -> dict[str, Any]:
    text = _read_json_argument(argument)
    try:
        value = read_json(text)
    except ValueError as error:
        raise UserError(f"Failed to parse JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError("Failed to parse JSON: expected an object with an entry for each input")
    return value


def _read_json_argument(argument: str) -> str | bytes:
    if argument in (STDIN, f"@{STDIN}"):
        try:
            return sys.stdin.buffer.read()
        except OSError as error:
            raise UserError(f"Failed to read JSON from stdin: {_reason(error)}") from None
    if not argument.startswith("@"):
        return argument
    path = argument[1:]
    try:
        return Path(path).expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f'Failed to read JSON from file "{path}": {_reason(error)}') from None
