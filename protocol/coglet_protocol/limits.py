"""Sizes that both sides agree on. Source of each: the protocol page of the founding design."""

from collections.abc import Iterator
from typing import Final

PROTOCOL_VERSION: Final = 1
"""The first control message each way carries it; a mismatch ends the start-up."""

MAX_FRAME_BYTES: Final = 8 * 1024 * 1024
"""Largest payload of one slot frame, in both directions."""

MAX_INLINE_BYTES: Final = 6 * 1024 * 1024
"""Largest input or output that travels inside its frame; 2 MiB remain for the other fields."""

MAX_LOG_BYTES: Final = 4 * 1024 * 1024
"""Largest UTF-8 text of one log message, the truncation notice included."""

LOG_TRUNCATED_NOTICE: Final = "[**** LOG LINE TRUNCATED AT 4 MiB ****]"

MAX_TEXT_CHARS: Final = 1024 * 1024
"""Largest error, traceback or record. As JSON, a character may become six bytes."""

TEXT_TRUNCATED_NOTICE: Final = "... [truncated]"


def cut_text(text: str) -> str:
    """Return `text` as a message can carry it: cut to `MAX_TEXT_CHARS`, and `?` for each lone surrogate."""
    if len(text) > MAX_TEXT_CHARS:
        text = text[: MAX_TEXT_CHARS - len(TEXT_TRUNCATED_NOTICE)] + TEXT_TRUNCATED_NOTICE
    return text.encode("utf-8", "replace").decode()


def split_log(text: str) -> Iterator[str]:
    """Yield `text` in pieces that fit one message, split between lines.

    Only a line that is too large by itself loses something: it is cut at a character boundary to
    `MAX_LOG_BYTES`, including the notice, and its rest is dropped with the newline. A lone surrogate cannot
    be sent and becomes `?`.
    """
    # One character is at most four bytes, so most texts need no encoding to be measured.
    if text.isascii() and len(text) <= MAX_LOG_BYTES:
        yield text
        return
    rest = memoryview(text.encode("utf-8", "replace"))
    while rest:
        piece, rest = _next_piece(rest)
        yield piece


def _next_piece(encoded: memoryview) -> tuple[str, memoryview]:
    if len(encoded) <= MAX_LOG_BYTES:
        return str(encoded, "utf-8"), encoded[len(encoded) :]
    window = bytes(encoded[:MAX_LOG_BYTES])
    if end := window.rfind(b"\n") + 1:
        return str(encoded[:end], "utf-8"), encoded[end:]
    kept = window[: MAX_LOG_BYTES - len(LOG_TRUNCATED_NOTICE)].decode("utf-8", "ignore")
    after = bytes(encoded).find(b"\n", MAX_LOG_BYTES)
    return kept + LOG_TRUNCATED_NOTICE, encoded[after + 1 if after >= 0 else len(encoded) :]
