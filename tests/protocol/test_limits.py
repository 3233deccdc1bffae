"""Text is cut to what one message carries.

A log is cut between lines, and only a line too long by itself loses text.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coglet_protocol.limits import (
    LOG_TRUNCATED_NOTICE,
    MAX_LOG_BYTES,
    MAX_TEXT_CHARS,
    TEXT_TRUNCATED_NOTICE,
    cut_text,
    split_log,
)

TOO_LONG = MAX_LOG_BYTES + 1


@given(st.text())
def test_ordinary_text_is_one_piece(text: str) -> None:
    assert "".join(split_log(text)) == text


@pytest.mark.parametrize("line", ["x" * 99 + "\n", "é" * 50 + "\n", "漢字😀\n", "\n"])
def test_many_lines_are_cut_between_lines_and_nothing_is_lost(line: str) -> None:
    text = line * (2 * MAX_LOG_BYTES // len(line.encode()) + 1)
    pieces = list(split_log(text))
    assert len(pieces) == 3
    assert all(len(piece.encode()) <= MAX_LOG_BYTES for piece in pieces)
    assert all(piece.endswith("\n") for piece in pieces)
    assert "".join(pieces) == text


@pytest.mark.parametrize("character", ["x", "é", "漢", "😀"])
def test_a_line_that_is_too_long_ends_in_the_notice_at_a_character_boundary(character: str) -> None:
    (piece,) = split_log(character * TOO_LONG)
    kept = piece.removesuffix(LOG_TRUNCATED_NOTICE)
    assert kept != piece
    assert set(kept) == {character}
    room = MAX_LOG_BYTES - len(piece.encode())
    assert 0 <= room < len(character.encode())


def test_the_lines_around_a_long_one_are_whole() -> None:
    pieces = list(split_log(f"before\n{'x' * TOO_LONG} lost\nafter\n"))
    assert pieces[0] == "before\n"
    assert pieces[1].endswith(LOG_TRUNCATED_NOTICE)
    assert "lost" not in pieces[1]
    assert pieces[2] == "after\n"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("x" * MAX_LOG_BYTES, ["x" * MAX_LOG_BYTES]),
        ("é" * (MAX_LOG_BYTES // 2), ["é" * (MAX_LOG_BYTES // 2)]),
        ("x" * (MAX_LOG_BYTES - 1) + "\n", ["x" * (MAX_LOG_BYTES - 1) + "\n"]),
        ("x" * (MAX_LOG_BYTES - 1) + "\ny", ["x" * (MAX_LOG_BYTES - 1) + "\n", "y"]),
    ],
    ids=["no newline", "two bytes each", "with newline", "and one more"],
)
def test_exactly_the_limit_is_not_truncated(text: str, pieces: list[str]) -> None:
    assert list(split_log(text)) == pieces


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert list(split_log("a\ud800b\n")) == ["a?b\n"]


def test_nothing_is_nothing() -> None:
    assert "".join(split_log("")) == ""


@given(st.text())
def test_an_ordinary_text_is_not_cut(text: str) -> None:
    assert cut_text(text) == text


@pytest.mark.parametrize("character", ["x", "😀"])
def test_a_text_that_is_too_long_ends_in_a_notice(character: str) -> None:
    assert cut_text(character * MAX_TEXT_CHARS) == character * MAX_TEXT_CHARS
    cut = cut_text(character * (MAX_TEXT_CHARS + 1))
    assert len(cut) == MAX_TEXT_CHARS
    assert set(cut.removesuffix(TEXT_TRUNCATED_NOTICE)) == {character}


def test_a_text_that_is_not_unicode_has_question_marks() -> None:
    assert cut_text("a\ud800b") == "a?b"
