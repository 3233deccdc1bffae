"""File inputs: a client must send a URL, never a path.

With a path, a client could make the model read any file that the server can read.
"""

import re
from typing import Any, Final

# Also used by the validator, whose patterns are those of ECMA 262, without inline flags.
FILE_URL: Final = r"^(?:[dD][aA][tT][aA]:|[hH][tT][tT][pP][sS]?://[^/?#])"
ADVICE: Final = "a file is sent as an http:, https: or data: URL"

_file_url = re.compile(FILE_URL)
# Keywords whose values are schemas by name, and keywords whose values are not schemas.
_BY_NAME: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_VALUES: Final = frozenset({"default", "const", "enum", "example", "examples"})


def is_file_url(text: str) -> bool:
    """True if `text` is a URL with a supported scheme (data, http, https) and, for http(s), a host."""
    return _file_url.match(text) is not None


def is_file(schema: dict[str, Any]) -> bool:
    """True if `schema` is that of one file: a format of `uri`."""
    return schema.get("format") == "uri"


def with_file_rule(schema: Any) -> Any:
    """Return a copy of the schema in which every file, at any depth, must be a URL."""
    if isinstance(schema, list):
        return [with_file_rule(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    ruled = {key: _with_rule_below(key, value) for key, value in schema.items()}
    if is_file(schema):
        ruled["allOf"] = [*ruled.get("allOf", []), {"pattern": FILE_URL}]
    return ruled


def local_default(schema: dict[str, Any]) -> Any:
    """Return the default of a file input if it contains local paths, as the author may set, else None."""
    default = schema.get("default")
    if is_file(schema):
        return default if isinstance(default, str) and not is_file_url(default) else None
    items = schema.get("items")
    if isinstance(items, dict) and is_file(items) and isinstance(default, list):
        return None if all(isinstance(item, str) and is_file_url(item) for item in default) else default
    return None


def _with_rule_below(key: str, value: Any) -> Any:
    if key in _VALUES:
        return value
    if key in _BY_NAME and isinstance(value, dict):
        return {name: with_file_rule(schema) for name, schema in value.items()}
    return with_file_rule(value)
