"""`.dockerignore`: excludes files from the build context, which we send as an archive.

The meaning of a pattern is that of Docker's own client (moby/patternmatcher, in Go). The matcher of the
Python SDK is not used: it ignores case, so that `data` also excludes `Data`, and supports neither `[^a]`
nor `\\`.
"""

import posixpath
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Final

from coglet_cli.formats.text_files import read_text

# For cog's own use: a pattern cannot include it again.
ALWAYS_EXCLUDED: Final = ".cog"
# Longer ones first, since they begin with shorter ones.
_WILDCARDS: Final = (("**/", "(?:.*/)?"), ("**", "(?:.*/)?"), ("*", "[^/]*"), ("?", "[^/]"))


class IgnoreRules:
    """The patterns of a `.dockerignore`; the last one that matches a path decides."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._rules = [
            (pattern.startswith("!"), _compiled(pattern.removeprefix("!"))) for pattern in patterns
        ]

    @classmethod
    def of(cls, folder: Path, more: Iterable[str] = ()) -> "IgnoreRules":
        """Return the rules of the project in `folder`, followed by the patterns in `more`."""
        file = folder / ".dockerignore"
        lines = read_text(file).splitlines() if file.is_file() else []
        patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return cls([*patterns, *more])

    @cached_property
    def has_exceptions(self) -> bool:
        """True if an excluded folder may contain a file that is included again."""
        return any(is_exception for is_exception, _ in self._rules)

    def excludes(self, path: str) -> bool:
        """Return True if `path`, relative to the project and with forward slashes, is excluded."""
        if path.split("/", 1)[0] == ALWAYS_EXCLUDED:
            return True
        excluded = False
        for is_exception, rule in self._rules:
            if excluded == is_exception and rule.fullmatch(path):
                excluded = not is_exception
        return excluded


def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a Docker pattern: `*` within a segment, `**` across; a folder includes its content."""
    pattern = posixpath.normpath(pattern.strip()).lstrip("/")
    text = ""
    position = 0
    while position < len(pattern):
        piece, position = _translated(pattern, position)
        text += piece
    return re.compile(f"{text}(?:/.*)?", re.DOTALL)


def _translated(pattern: str, position: int) -> tuple[str, int]:
    if pattern[position:] == "**":
        return ".*", len(pattern)
    for wildcard, expression in _WILDCARDS:
        if pattern.startswith(wildcard, position):
            return expression, position + len(wildcard)
    character = pattern[position]
    if character == "[" and (end := pattern.find("]", position + 1)) > 0:
        return pattern[position : end + 1], end + 1  # Go negates with `^`, as Python does
    if character == "\\" and position + 1 < len(pattern):
        return re.escape(pattern[position + 1]), position + 2
    return re.escape(character), position + 1
