"""Line buffering: whole lines come out at once, in order, and nothing is lost."""

from hypothesis import given
from hypothesis import strategies as st

from coglet_worker.lines import LineBuffer

PIECES = st.lists(st.text(alphabet="ab\n\r", max_size=6))


@given(PIECES)
def test_nothing_is_lost_or_moved(pieces: list[str]) -> None:
    lines = LineBuffer()
    assert "".join([*(lines.write(piece) for piece in pieces), lines.take()]) == "".join(pieces)


@given(PIECES)
def test_whole_lines_come_out_and_an_unfinished_one_stays(pieces: list[str]) -> None:
    lines = LineBuffer()
    for piece in pieces:
        ready = lines.write(piece)
        assert ready == "" or ready.endswith("\n")
        assert bool(ready) == ("\n" in piece)
    assert "\n" not in lines.take()


def test_taken_text_is_removed() -> None:
    lines = LineBuffer()
    lines.write("unfinished")
    assert (lines.take(), lines.take()) == ("unfinished", "")
    assert lines.write(" end\n") == " end\n"


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    lines = LineBuffer()
    megabyte = "x" * 1024 * 1024
    out = [lines.write(megabyte) for _ in range(10)]
    assert any(out)
    assert len("".join(out)) + len(lines.take()) == 10 * len(megabyte)
    assert max(map(len, out)) <= 5 * len(megabyte)
