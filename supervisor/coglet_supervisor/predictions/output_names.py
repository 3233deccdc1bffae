"""The names under which the output files of one prediction are uploaded."""

import os
from typing import Final

_NO_NAMES: Final = frozenset({"", ".", ".."})
_FALLBACK: Final = "output.bin"


class UniqueNames:
    """Assigns each file a unique name: the first `out.png` keeps its name, the next becomes `out-1.png`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next_number: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """Return an unused name: `wanted` without its folders, with a number if it is taken."""
        name = os.path.basename(wanted)
        if name in _NO_NAMES:
            name = _FALLBACK
        stem, extension = os.path.splitext(name)
        candidate = name
        while candidate in self._taken:
            number = self._next_number.get(name, 1)
            self._next_number[name] = number + 1
            candidate = f"{stem}-{number}{extension}"
        self._taken.add(candidate)
        return candidate
