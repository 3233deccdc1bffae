"""Reads the code of a page of documentation: its fenced blocks, and what the text before each says of it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"

# A line before a block, in italics, that a reader sees.
_NOT_RUN: Final = re.compile(r"^\*Not run by a test: (.+)\.\*$")
_FILE: Final = re.compile(r"`([\w./-]+\.\w+)`:$")
_FENCE: Final = re.compile(r"^```(\S*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block; `file` is the name that ends the line before it, `not_run` the reason there."""

    page: str
    line: int
    language: str
    text: str
    file: str | None
    not_run: str | None

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands of a console block, each with what it prints."""
        pieces = re.split(r"^\$ ((?:.*\\\n)*.*)\n", self.text, flags=re.MULTILINE)[1:]
        return list(zip(pieces[::2], pieces[1::2], strict=True))


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page in their order. Raises ValueError if the last one does not end."""
    blocks: list[Block] = []
    before = language = ""
    start, text = 0, []  # start is 0 outside of a block
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if start and line != "```":
            text.append(f"{line}\n")
        elif start:
            file, not_run = _FILE.search(before), _NOT_RUN.match(before)
            said = (file and file[1], not_run and not_run[1])
            blocks.append(Block(page.name, start, language, "".join(text), *said))
            start, before = 0, ""
        elif fence:
            start, language, text = number, fence[1], []
        elif line.strip():
            before = line.strip()
    if start:
        raise ValueError(f"{page}:{start}: the block does not end")
    return blocks


def matches(expected: str, printed: str) -> bool:
    """Return True if the texts are the same.

    In the page, `...` within a line stands for any text, and as a line for any lines.
    """
    lines = [
        r"(?:[^\n]*\n)*?" if line == "..." else "[^\n]*".join(map(re.escape, line.split("..."))) + r"[ ]*\n"
        for line in expected.strip().splitlines()
    ]
    return re.fullmatch("".join(lines), printed.strip() + "\n") is not None
