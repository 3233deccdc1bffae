"""runtime.md 1.3: what is accepted as JSON, including hostile texts."""

import contextlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coglet_supervisor.predictions.untrusted_json import MAX_DEPTH, MAX_NODES, NotJson, check_shape, decode

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def accept(text: bytes) -> object:
    """Check and decode a text like a request body."""
    check_shape(text)
    return decode(text)


@given(values)
def test_json_round_trip(value: object) -> None:
    text = msgspec.json.encode(value)
    check_shape(text)
    assert decode(text) == value


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_the_depth_is_limited(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    check_shape(opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH)
    with pytest.raises(NotJson, match="recursion limit exceeded"):
        check_shape(opening * (MAX_DEPTH + 1) + b"1" + closing * (MAX_DEPTH + 1))


def test_many_brackets_side_by_side_are_not_deep() -> None:
    check_shape(b"[" + b",".join([b"[{}]"] * 1000) + b"]")


@pytest.mark.parametrize("inside", [b"[" * 1000, b'\\"[' * 1000, b"\\\\" * 1000, b"{[" * 500_001])
def test_brackets_inside_strings_do_not_count(inside: bytes) -> None:
    check_shape(b'{"a":"%b"}' % inside)


def test_commas_inside_a_large_string_do_not_count() -> None:
    check_shape(b'["%b"]' % (b"," * (2 * MAX_NODES)))


@pytest.mark.parametrize("item", [b"1", b"{}", b'"x"', b'{"a":[]}'])
def test_the_number_of_values_is_limited(item: bytes) -> None:
    with pytest.raises(NotJson, match=f"more than {MAX_NODES} values"):
        check_shape(b"[" + b",".join([item] * (MAX_NODES + 1)) + b"]")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1,]",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b"NaN",
        b"Infinity",
        b"1e400",
        b"'a'",
        b"{a:1}",
        b'"\\ud800',
        b"[" * 100_000,
    ],
    ids=repr,
)
def test_invalid_json(text: bytes) -> None:
    with pytest.raises(NotJson):
        decode(text)


def test_integers_of_any_size_pass_or_are_refused_as_text() -> None:
    assert decode(b"18446744073709551615") == 2**64 - 1


def test_a_wrong_type_is_distinguished_from_invalid_json() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(b"1", msgspec.json.Decoder(dict[str, str]))
    with pytest.raises(NotJson):
        decode(b"{", msgspec.json.Decoder(dict[str, str]))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(text: bytes) -> None:
    with contextlib.suppress(NotJson):
        accept(text)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: b"[" * 200 + b'""' * 49_000_000, id="strings"),
        pytest.param(lambda: b"[" * 200 + b'"' + b"x" * 98_000_000 + b'"', id="one-string"),
        pytest.param(lambda: b"[" * 200 + b'"' + b"\\\\" * 49_000_000 + b'"', id="backslashes"),
        pytest.param(lambda: b"[" * 200 + b'"' + b'\\"' * 49_000_000 + b'"', id="quotes"),
        pytest.param(lambda: b"[" * 200 + b"]" * 98_000_000, id="closed-without-end"),
        pytest.param(lambda: b"[" * 98_000_000, id="opened-without-end"),
        pytest.param(lambda: b"[" * 499_999 + b"]" * 499_999, id="deep"),
    ],
)
@pytest.mark.timeout(15)  # slow implementations took a minute and more
def test_no_text_blocks_the_event_loop(make: Callable[[], bytes]) -> None:
    """Each text is made in its test, because all of them together would need too much memory."""
    with pytest.raises(NotJson):
        accept(make())
