"""hardening.md R19: the printed text of a prediction is limited, and what is dropped is counted."""

import re

from hypothesis import given
from hypothesis import strategies as st

from coglet_supervisor.printed_text import PrintedText

NOTICE = re.compile(r"\n\[\*\*\*\* (\d+) LINES, (\d+) BYTES DROPPED, SEE COG_MAX_LOG_BYTES \*\*\*\*\]\n")


def test_text_within_the_limit_is_unchanged() -> None:
    logs = PrintedText(100)
    for text in ("a\n", "\u00e4\n", "b"):
        logs.add(text)
    assert logs.text == "a\n\u00e4\nb"
    assert logs.text == "a\n\u00e4\nb"


def test_the_beginning_and_the_end_are_kept() -> None:
    logs = PrintedText(40)
    for number in range(100):
        logs.add(f"{number:03}\n")
    assert logs.text == (
        "000\n001\n002\n003\n004\n"
        "\n[**** 90 LINES, 360 BYTES DROPPED, SEE COG_MAX_LOG_BYTES ****]\n"
        "095\n096\n097\n098\n099\n"
    )


def test_later_text_is_never_moved_before_text_that_was_too_large() -> None:
    logs = PrintedText(20)
    for text in ("1234567\n", "large\n", "a\n"):
        logs.add(text)
    assert logs.text == "1234567\nlarge\na\n"


def test_the_latest_characters() -> None:
    logs = PrintedText(20)
    for text in ("ab\u00e4\n", "cd\n", "efgh\n", "ijk\n"):
        logs.add(text)
    assert logs.characters == 16
    assert [logs.latest(count) for count in (0, 2, 5, 9, 16)] == [
        "",
        "k\n",
        "\nijk\n",
        "efgh\nijk\n",
        logs.text,
    ]
    logs.add("lmnop\n")  # drops a line
    assert logs.characters == 22
    assert logs.latest(6) == "lmnop\n"
    assert logs.latest(22) is None


@given(st.integers(0, 60), st.lists(st.text("a\u00e4\u20ac\n", max_size=12)))
def test_every_byte_is_kept_or_counted(limit_bytes: int, texts: list[str]) -> None:
    logs = PrintedText(limit_bytes)
    for text in texts:
        logs.add(text)
    whole = "".join(texts)
    notice = NOTICE.search(logs.text)
    kept = NOTICE.sub("", logs.text)
    dropped_lines, dropped_bytes = map(int, notice.groups()) if notice else (0, 0)
    assert len(kept.encode()) <= limit_bytes
    assert len(kept.encode()) + dropped_bytes == len(whole.encode())
    assert kept.count("\n") + dropped_lines == whole.count("\n")
    assert whole.startswith(logs.text[: notice.start()] if notice else kept)
    assert whole.endswith(logs.text[notice.end() :] if notice else kept)
