"""Parsing of the lines of a requirements file as pip parses them."""

import optparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from packaging.requirements import InvalidRequirement, Requirement

_COMMENT: Final = re.compile(r"(^|\s+)#.*$")
# The start of a line's options. Words of names, paths, URLs and markers do not begin with a dash.
_OPTIONS: Final = re.compile(r"(?:^|\s)(?=-)")
_OF_A_REQUIREMENT: Final = (
    ("--hash",),
    ("--config-settings", "--config-setting", "-C"),
    ("--global-option",),
)
_OF_THE_FILE: Final = (
    ("--index-url", "-i", "--pypi-url"),
    ("--extra-index-url",),
    ("--find-links", "-f"),
    ("--trusted-host",),
    ("--no-binary",),
    ("--only-binary",),
    ("--use-feature",),
    ("--requirement", "-r"),
    ("--constraint", "-c"),
    ("--editable", "-e"),
)
_SWITCHES: Final = (("--no-index",), ("--pre",), ("--prefer-binary",), ("--require-hashes",))


@dataclass(frozen=True)
class LineOption:
    """An option: its long name, its spelling in the line, and its value, None for a switch."""

    name: str
    spelling: str
    value: str | None

    @property
    def belongs_to_requirement(self) -> bool:
        """True if pip reads it after a requirement; all others must be on a line of their own."""
        return any(self.name == names[0] for names in _OF_A_REQUIREMENT)

    def __str__(self) -> str:
        """Return the option in pip's syntax."""
        if self.value is None:
            return self.name
        value = shlex.quote(self.value) if re.search(r"[\s'\"\\]", self.value) else self.value
        return f"{self.name}{'=' if self.belongs_to_requirement else ' '}{value}"


@dataclass(frozen=True)
class RequirementLine:
    """A line: a requirement, possibly empty, and the options after it."""

    requirement: str
    options: tuple[LineOption, ...]


class UnknownOption(ValueError):
    """The line has an option that we do not know, although pip may, or unbalanced quotes."""


class _Parser(optparse.OptionParser):
    def error(self, msg: str) -> NoReturn:
        raise UnknownOption(msg)


def parse_line(line: str) -> RequirementLine:
    """Parse a logical line. Raises UnknownOption."""
    start = _OPTIONS.search(line)
    if start is None:
        return RequirementLine(line.strip(), ())
    try:
        words = shlex.split(line[start.end() :])
    except ValueError as error:
        raise UnknownOption(str(error)) from None
    found: list[LineOption] = []
    _, rest = _new_parser(found).parse_args(words)
    if rest:
        raise UnknownOption(f"{rest[0]} is neither an option nor the value of one")
    return RequirementLine(line[: start.start()].strip(), tuple(found))


def _new_parser(found: list[LineOption]) -> optparse.OptionParser:
    def note(
        option: optparse.Option, spelling: str, value: str | None, _parser: optparse.OptionParser
    ) -> None:
        found.append(LineOption(option.get_opt_string(), spelling, value))

    parser = _Parser(add_help_option=False)
    for names in (*_OF_A_REQUIREMENT, *_OF_THE_FILE):
        parser.add_option(*names, action="callback", callback=note, type="string")
    for names in _SWITCHES:
        parser.add_option(*names, action="callback", callback=note)
    return parser


def logical_lines(text: str) -> Iterator[str]:
    """Yield the non-empty lines, joined at backslashes, without comments."""
    joined = ""
    for line in text.splitlines():
        is_comment = _COMMENT.match(line) is not None
        # A backslash does not continue a comment line, and a comment line ends a continued one.
        if line.endswith("\\") and not is_comment:
            joined += line.rstrip("\\")
            continue
        yield from _without_comment(f"{joined} {line}" if is_comment else joined + line)
        joined = ""
    yield from _without_comment(joined)


def _without_comment(line: str) -> Iterator[str]:
    # A `#` inside a word is part of a URL: `#egg=`, `#sha256=`.
    if stripped := _COMMENT.sub("", line).strip():
        yield stripped


def requirement_of(line: str) -> Requirement | None:
    """Return the requirement of a line; None for options, paths, bare URLs, and invalid requirements."""
    try:
        return Requirement(parse_line(line).requirement)
    except (InvalidRequirement, UnknownOption):
        return None
