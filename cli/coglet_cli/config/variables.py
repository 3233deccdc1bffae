"""The environment variables in cog.yaml: parsing of an entry, and expansion of `$NAME` in a value."""

import re
from collections.abc import Mapping
from typing import Final

_reference: Final = re.compile(
    r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])([^}]*))?\})"
)


def split_variable(entry: str) -> tuple[str, str]:
    """Return name and value of `NAME=value`. Whitespace around `A =` is stripped; `A = 1` is `A=1`."""
    name, _, value = entry.partition("=")
    return name.strip(), value.lstrip() if name != name.rstrip() else value


def expanded(variables: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables as `ENV` sets them in the image: sorted by name, each may refer to earlier ones.

    Docker supports `$A`, `${A}`, `${A:-if unset or empty}` and `${A:+if set}`.
    """
    known = dict(inherited)

    def value_of(match: re.Match[str]) -> str:
        plain, braced, operator, word = match.groups()
        value = known.get(plain or braced, "")
        if operator == "-":
            return value or word
        if operator == "+":
            return word if value else ""
        return value

    for name, value in sorted(variables.items()):
        known[name] = _reference.sub(value_of, value)
    return {name: known[name] for name in variables}
