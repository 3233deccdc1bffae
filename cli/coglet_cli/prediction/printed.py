"""What a prediction prints, shown line by line as it becomes known."""

from typing import Final

from coglet_cli.terminal import Terminal

# Enough of the end of a text to find it again in a longer one.
_END_CHARACTERS: Final = 1000


class PrintedLines:
    """Shows the lines of a text that grows, each once. The last line is shown when it is complete."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._seen: list[str] = []
        self._incomplete = ""

    def add(self, text: str) -> None:
        """Take the next piece of the text."""
        self._seen.append(text)
        *lines, self._incomplete = (self._incomplete + text).split("\n")
        for line in lines:
            self._terminal.log(line)

    def update(self, logs: str) -> None:
        """Take the whole text so far."""
        self.add(_unseen("".join(self._seen), logs))
        self._seen = [logs]

    def end(self) -> None:
        """Show the last line, if it is incomplete."""
        if self._incomplete:
            self.add("\n")


def _unseen(seen: str, logs: str) -> str:
    """Return the part of `logs` that follows `seen`; a server drops the middle of logs that are too long."""
    if logs.startswith(seen):
        return logs[len(seen) :]
    _, is_found, rest = logs.rpartition(seen[-_END_CHARACTERS:])
    if is_found:
        return rest
    # What was seen last has been dropped too: a notice of the server follows what is still in both.
    same = zip(seen, logs, strict=False)
    first_other = next((at for at, (one, other) in enumerate(same) if one != other), len(logs))
    return logs[first_other:]
