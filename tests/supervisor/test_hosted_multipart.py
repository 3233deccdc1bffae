"""RFC 7578: forms, cut into pieces of any size."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coglet_supervisor.pages.hosted.multipart import MultipartDecoder, NotMultipart, Part

# Texts that look like parts of a delimiter.
CONTENT = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"BOUNDARY", b"\r\n--BOUNDAR", b"x"])).map(
    b"".join
)


def form(*contents: bytes, end: bytes = b"--BOUNDARY--\r\n") -> bytes:
    head = (
        b'--BOUNDARY\r\nContent-Disposition: form-data; name="n"; filename="f"\r\nContent-Type: a/b\r\n\r\n'
    )
    return b"".join(head + content + b"\r\n" for content in contents) + end


def decoded(*pieces: bytes) -> list[tuple[Part, bytes]]:
    decoder = MultipartDecoder(b"BOUNDARY")
    parts: list[tuple[Part, bytes]] = []
    for piece in pieces:
        for event in decoder.feed(piece):
            if isinstance(event, Part):
                parts.append((event, b""))
            else:
                parts[-1] = (parts[-1][0], parts[-1][1] + event)
    assert decoder.is_complete
    return parts


@given(st.lists(CONTENT, max_size=3), st.data())
def test_how_bytes_are_cut_changes_nothing(contents: list[bytes], data: st.DataObject) -> None:
    contents = [content for content in contents if b"\r\n--BOUNDARY" not in b"\r\n" + content]
    body = form(*contents)
    cuts = data.draw(st.lists(st.integers(0, len(body))))
    pieces = [body[a:b] for a, b in pairwise([0, *sorted(cuts), len(body)])]
    assert decoded(*pieces) == [(Part("n", "f", "a/b"), content) for content in contents]


def test_byte_by_byte() -> None:
    body = form(b"a\r", b"", b"\r\n--BOUNDAR")
    contents = [content for _, content in decoded(*(body[i : i + 1] for i in range(len(body))))]
    assert contents == [b"a\r", b"", b"\r\n--BOUNDAR"]


def test_text_around_the_form_is_ignored() -> None:
    assert [content for _, content in decoded(b"before\r\n" + form(b"x") + b"after")] == [b"x"]


def test_a_boundary_may_end_in_spaces() -> None:
    body = form(b"x").replace(b"--BOUNDARY\r\n", b"--BOUNDARY \t\r\n", 1)
    assert [content for _, content in decoded(body)] == [b"x"]


def test_a_part_without_a_file() -> None:
    body = b'--BOUNDARY\r\ncontent-disposition: form-data; name="n"\r\n\r\nx\r\n--BOUNDARY--'
    assert decoded(body) == [(Part("n", None, None), b"x")]


@pytest.mark.parametrize(
    "body",
    [
        b"--BOUNDARYx\r\n",
        b"--BOUNDARY\r\n\r\n\r\nx",
        b"--BOUNDARY\r\nContent-Disposition: attachment; name=x\r\n\r\n",
        b"--BOUNDARY\r\nContent-Disposition: form-data\r\n\r\n",
        b"--BOUNDARY\r\n" + b"x" * 20_000,
        b"--BOUNDARY" + b" " * 20_000,
    ],
)
def test_what_is_not_a_form(body: bytes) -> None:
    with pytest.raises(NotMultipart):
        list(MultipartDecoder(b"BOUNDARY").feed(body))


@pytest.mark.parametrize("body", [b"", b"x" * 100, form(b"x", end=b""), form(b"x", end=b"--BOUNDARY")])
def test_a_form_that_is_cut_off(body: bytes) -> None:
    decoder = MultipartDecoder(b"BOUNDARY")
    list(decoder.feed(body))
    assert not decoder.is_complete
