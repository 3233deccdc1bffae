"""What a client may give for an input that is a file: a URL, never a path.

A path would name a file of this machine, and the model would be given whatever the server can read.
"""

import re
from typing import Any, Final

# Also for the validator, which reads it as ECMA 262 does: hence no inline flags.
FILE_URL: Final = r"^(?:[dD][aA][tT][aA]:|[hH][tT][tT][pP][sS]?://[^/?#])"
ADVICE: Final = "a file is sent as an http:, https: or data: URL"

_file_url = re.compile(FILE_URL)
# Under these keywords stand schemas by name, and values that are no schemas.
_BY_NAME: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_VALUES: Final = frozenset({"default", "const", "enum", "example", "examples"})


def is_file_url(text: str) -> bool:
    """True for a URL with a scheme that is fetched, and a host where the scheme has one."""
    return _file_url.match(text) is not None


def is_file(schema: dict[str, Any]) -> bool:
    """True for the schema of one file, as schemas of models mark it."""
    return schema.get("format") == "uri"


def with_file_rule(schema: Any) -> Any:
    """A copy of a schema that takes only URLs where it says, at any depth, that a value is a file."""
    if isinstance(schema, list):
        return [with_file_rule(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    ruled = {key: _with_rule_below(key, value) for key, value in schema.items()}
    if is_file(schema):
        ruled["allOf"] = [*ruled.get("allOf", []), {"pattern": FILE_URL}]
    return ruled


def local_default(schema: dict[str, Any]) -> Any:
    """The default of an input when the author has named local files in it, else None."""
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
