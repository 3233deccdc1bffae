"""The variables that cog.yaml sets for the model: how an entry reads, and what `$NAME` in a value means."""

import re
from collections.abc import Mapping
from typing import Final

_reference: Final = re.compile(
    r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])([^}]*))?\})"
)


def split_variable(entry: str) -> tuple[str, str]:
    """Name and value of `NAME=value`. Blanks around the name belong to neither; `A = 1` is `A=1`."""
    name, _, value = entry.partition("=")
    return name.strip(), value.lstrip() if name != name.rstrip() else value


def expanded(variables: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables as the image has them: by name, each may refer to those before it.

    Docker knows `$A`, `${A}`, `${A:-if unset or empty}` and `${A:+if set}`.
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
