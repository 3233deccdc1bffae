"""Expressions that authors write get the values that Python computes, and nothing exceeds its limits."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.schema.evaluating import alike, by_python, evaluated

from coglet_schema import SchemaError, generate
from coglet_schema.constants.values import (
    MAX_CHARACTERS,
    MAX_INTEGER_BITS,
    MAX_ITEMS,
    NotLiteral,
    Unknown,
)

Source = st.SearchStrategy[str]


def form(text: str, *parts: Source) -> Source:
    """Return a strategy for `text` with a part in place of each `_`."""
    return st.tuples(*parts).map(
        lambda drawn: text.replace("{", "{{").replace("}", "}}").replace("_", "({})").format(*drawn)
    )


# ---- expressions of one type


def of_types(depth: int) -> tuple[Source, Source, Source, Source, Source]:
    """Return strategies for expressions: an integer, a float, a truth value, a text, a list of integers."""
    small = st.integers(-5, 40).map(repr)
    integer = st.one_of(small, st.sampled_from(["A", "C['large']", "E[1]", "len(D)", "2**10", "0xff"]))
    number = st.one_of(st.sampled_from(["0.5", "1e-3", "-2.25", "math.pi", "B[1]", "3e8"]))
    truth = st.sampled_from(["True", "False", "E[0]", "'x' in B", "A > 2"])
    text = st.one_of(
        st.text("abXY .,{%}é\n", max_size=5).map(repr), st.sampled_from(["D", "B[2]", "D.upper()", "f'{A}'"])
    )
    numbers = st.sampled_from(["[]", "[3, 1, 2]", "list(range(4))", "[*E]", "[len(k) for k in 'abc']"])
    for _ in range(depth):
        integer, number, truth, text, numbers = (
            _integers(integer, number, truth, text, numbers),
            _floats(integer, number, truth, numbers),
            _truths(integer, number, truth, text, numbers),
            _texts(integer, number, truth, text, numbers),
            _lists(integer, truth, text, numbers),
        )
    return integer, number, truth, text, numbers


def _integers(integer: Source, number: Source, truth: Source, text: Source, numbers: Source) -> Source:
    return st.one_of(
        integer,
        *(form(f"_ {symbol} _", integer, integer) for symbol in "+ - * // % & | ^".split()),
        *(
            form(text, integer)
            for text in ("-_", "+_", "~_", "abs(_)", "_ ** 2", "_ << 7", "_ >> 1", "int(_)")
        ),
        form("_ if _ else _", integer, truth, integer),
        form("_ or _", integer, integer),
        form("int(_)", number),
        form("round(_)", number),
        *(
            form(text, numbers)
            for text in ("len(_)", "sum(_)", "max(_)", "min(_)", "_[0]", "_[-1]", "_.count(1)")
        ),
        form("_[_]", numbers, integer),
        *(form(each, text) for each in ("len(_)", "_.find('a')", "_.count('X')", "int(_)")),
        form("{'a': 1, 'b': _}['b']", integer),
        form("dict(a=_).get('a', _)", integer, integer),
        form("int(_ > _)", number, integer),
    )


def _floats(integer: Source, number: Source, truth: Source, numbers: Source) -> Source:
    return st.one_of(
        number,
        *(form(f"_ {symbol} _", number, integer) for symbol in "+ - * / // %".split()),
        form("_ / _", integer, integer),
        form("_ if _ else _", number, truth, number),
        *(form(text, number) for text in ("-_", "abs(_)", "round(_, 2)", "float(_)", "max(_, 0.5)")),
        form("float(_)", integer),
        form("sum(_) / 2", numbers),
        form("float('1e' + str(_ % 9))", integer),
    )


def _truths(integer: Source, number: Source, truth: Source, text: Source, numbers: Source) -> Source:
    return st.one_of(
        truth,
        *(form(f"_ {symbol} _", integer, number) for symbol in "== != < <= > >=".split()),
        form("_ < _ <= _", integer, integer, number),
        form("_ == _", text, text),
        form("_ < _", text, text),
        form("_ in _", integer, numbers),
        form("_ not in _", text, text),
        form("_ and _", truth, truth),
        form("not _", truth),
        form("not _", numbers),
        form("bool(_)", text),
        form("_ is None", integer),
        form("_.startswith('a')", text),
        form("_.isdigit()", text),
    )


def _texts(integer: Source, number: Source, truth: Source, text: Source, numbers: Source) -> Source:
    methods = "upper lower title strip capitalize swapcase".split()
    return st.one_of(
        text,
        form("_ + _", text, text),
        form("_ * 2", text),
        form("_[1:]", text),
        form("_[::-1]", text),
        form("_[_:_]", text, integer, integer),
        form("str(_)", integer),
        form("str(_)", number),
        form("_ if _ else _", text, truth, text),
        *(form(f"_.{method}()", text) for method in methods),
        form("_.replace('a', _)", text, text),
        form("_.join(['x', _])", text, text),
        form("', '.join(str(n) for n in _)", numbers),
        form("'{}-{b!r}'.format(_, b=_)", integer, text),
        form("'%d %s' % (_, _)", integer, text),
        integer.map(
            lambda source: f"f'{{({source})}} {{({source}):>4d}}'" if "'" not in source else source and "D"
        ),
        form("textwrap.dedent(_)", text),
        form("sorted(_.split())[0]", text),
        form("max(_, _)", text, text),
    )


def _lists(integer: Source, truth: Source, text: Source, numbers: Source) -> Source:
    return st.one_of(
        numbers,
        form("[_, _]", integer, integer),
        form("[*_, _]", numbers, integer),
        form("_ + _", numbers, numbers),
        form("_ * 2", numbers),
        form("_[_:]", numbers, integer),
        form("_[::-1]", numbers),
        form("sorted(_)", numbers),
        form("sorted(_, reverse=_)", numbers, truth),
        form("list(reversed(_))", numbers),
        form("[n * 2 for n in _ if n > _]", numbers, integer),
        form("[a + b for a in _ for b in [0, 1]]", numbers),
        form("[i + n for i, n in enumerate(_)]", numbers),
        form("[a - b for a, b in zip(_, _)]", numbers, numbers),
        form("list({n: None for n in _})", numbers),
        form("list({'k': n for n in _}.values())", numbers),
        form("sorted({n % 5 for n in _})", numbers),
        form("list(range(_ % 9, _ % 20, 2))", integer, integer),
        form("[len(word) for word in _.split('a')]", text),
    )


@settings(max_examples=300, deadline=None)
@given(st.one_of(*of_types(2)))
def test_what_python_computes_is_known_and_nothing_else(expression: str) -> None:
    try:
        theirs = by_python(expression)
    except Exception:  # noqa: BLE001 - whatever Python says of it
        theirs = NotLiteral
    with tempfile.TemporaryDirectory() as folder:
        try:
            ours = evaluated(expression, Path(folder))
        except NotLiteral:
            ours = NotLiteral
    if isinstance(ours, Unknown):  # a dict's item without a value, of which only the key counts
        ours = NotLiteral
    if ours is NotLiteral or theirs is NotLiteral:
        assert ours is theirs, expression
    else:
        assert alike(ours, theirs), expression


# ---- constants that make each other larger

GROWTH: Final = [
    *("_ + _", "_ * 3", "3 * _", "_ ** 2", "_ << 900", "_ * 1000", "-_", "[_, _]", "(_,)", "[_] * 1000"),
    *("{'a': _, 'b': _}", "{x: _ for x in _}", "[x for x in _ for y in _]", "[[x, _] for x in _]"),
    *("[*_, *_]", "[*range(_)]", "list(_)", "sorted(_)", "list(zip(_, _))", "list(enumerate(_))"),
    *("f'{_}{_:>99}'", "'{}{}'.format(_, _)", "'%s%99s' % (_, _)", "str(_)", "_.join([_, _])"),
    *(
        "_.replace('a', 'aaa')",
        "_.split('a')",
        "_.upper()",
        "list(_.items())",
        "sum(_)",
        "len(_)",
        "dict(a=_)",
    ),
]


def chain(first: str, steps: list[str]) -> str:
    """Return constants C0, C1, ..., each computed from the one before it."""
    lines = [f"C{number} = {step}".replace("_", f"C{number - 1}") for number, step in enumerate(steps, 1)]
    return "\n".join([f"C0 = {first}", *lines])


def is_within_limits(value: Any) -> bool:
    """Check each container once, wherever it appears."""
    seen, waiting = set(), [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, int) and each.bit_length() > MAX_INTEGER_BITS:
            return False
        if isinstance(each, str) and len(each) > MAX_CHARACTERS:
            return False
        if isinstance(each, list | tuple | dict) and id(each) not in seen:
            seen.add(id(each))
            if len(each) > MAX_ITEMS:
                return False
            waiting += each.values() if isinstance(each, dict) else each
    return True


FIRST: Final = ["2", "'a' * 50", "[1, 2, 3]", "{'a': 1}"]


def check_limits(first: str, steps: list[str]) -> None:
    """Fail if one of the constants is too large."""
    source = chain(first, steps)
    # RecursionError: the code that describes a whole model converts it to a SchemaError.
    stops = contextlib.suppress(NotLiteral, SchemaError, RecursionError)
    with tempfile.TemporaryDirectory() as folder, stops:
        for number in range(len(steps) + 1):  # until one is refused
            assert is_within_limits(evaluated(f"C{number}", Path(folder), source)), number


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", GROWTH)
def test_no_repeated_step_grows_beyond_the_limits(step: str) -> None:
    for first in FIRST:
        check_limits(first, [step] * 16)


@pytest.mark.timeout(300)
@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FIRST), st.lists(st.sampled_from(GROWTH), min_size=2, max_size=20))
def test_no_chain_of_constants_grows_beyond_the_limits(first: str, steps: list[str]) -> None:
    check_limits(first, steps)


@pytest.mark.parametrize("step", ["_ + 1", "-_", "[_]", "{'a': _}", "f'{_}'", "[x for x in [_]]"])
@pytest.mark.parametrize("levels", [1000, 20_000])
def test_a_long_chain_of_constants_is_refused(step: str, levels: int, tmp_path: Path) -> None:
    source = chain("1", [step] * levels)
    tmp_path.joinpath("run.py").write_text(f"{source}\ndef run(a: str = C{levels}) -> str: ...\n")
    with pytest.raises(SchemaError, match="run is nested too deeply to be analyzed"):
        generate(tmp_path, "run.py:run")
