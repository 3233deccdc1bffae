"""Constant expressions get the value that Python gives them, or none; no source makes evaluation slow."""

import contextlib
import math
import string
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.schema.evaluating import alike, by_python, evaluated

from coglet_schema import SchemaError, generate
from coglet_schema.constants.values import NotLiteral

# ---- random expressions

plain = st.one_of(
    st.sampled_from(["A", "B", "C", "D", "E", "math.pi", "sys.maxsize", "None", "True", "()", "[]", "{}"]),
    st.integers(-20, 100).map(repr),
    st.sampled_from([0.5, 1e10, -2.0, 1e300]).map(repr),
    st.text(string.ascii_letters + " ,{}%", max_size=6).map(repr),
)


def build(form: str, *parts: Any) -> Any:
    return st.tuples(*parts).map(lambda drawn: form.format(*drawn))


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^"])
    comparison = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not"])
    function = st.sampled_from(
        "abs bool float int len list max min reversed round sorted str sum tuple range enumerate".split()
    )
    method = st.sampled_from(
        [
            *("upper()", "title()", "split()", "strip('S')", "splitlines()", "startswith('S')", "join(B)"),
            *("keys()", "values()", "items()", "get('small')", "copy()", "index(1)", "count('x')"),
            *("replace('e', 'ee')", "join(['a', 'b'])", "format(1, a=2)"),
        ]
    )
    return st.one_of(
        build("({} {} {})", inner, operator, inner),
        build("({} {} {})", inner, comparison, inner),
        build("({} < {} <= {})", inner, inner, inner),
        build("({} {} {})", inner, st.sampled_from(["and", "or"]), inner),
        build("({} if {} else {})", inner, inner, inner),
        build("({}{})", st.sampled_from(["-", "+", "not "]), inner),
        build("{}({})", function, inner),
        build("{}({}, {})", st.sampled_from(["round", "max", "min", "range", "zip", "sum"]), inner, inner),
        build("({}).{}", inner, method),
        build("({})[{}]", inner, inner),
        build("({})[{}:{}]", inner, inner, inner),
        build("({})[::{}]", inner, inner),
        build("[{}, *{}]", inner, inner),
        build("({}, {})", inner, inner),
        build("{{**{}, 'k': {}}}", inner, inner),
        build("[x for x in {}]", inner),
        build("[({}, x) for x in {} if x != {}]", inner, inner, inner),
        build("list({} for x, y in {})", inner, inner),
        build("sorted(x for x in {})", inner),
        build("sorted(set({}))", inner),  # alone, a set has no order to compare
        build("{{x: {} for x in {}}}", inner, inner),
        build("f'a{{{}}}b{{A!r:>4}}'", st.sampled_from(["A", "D", "A + 1", "len(B)"])),
        build("('%s %d' % {})", inner),
    )


expressions = st.recursive(plain, larger, max_leaves=8)


@settings(max_examples=600, deadline=None)
@given(expressions)
def test_a_value_that_is_known_is_the_one_of_python(expression: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            ours = evaluated(expression, Path(folder))
        except (NotLiteral, SchemaError):
            return
    try:
        theirs = by_python(expression)
    except Exception:  # noqa: BLE001 - Python itself cannot run it, so that there is no value to compare
        return
    assert alike(ours, theirs), expression


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2**32 - 1", 2**32 - 1),
        ("1 << 20", 1 << 20),
        ("128 // A", 42),
        ("sys.maxsize", sys.maxsize),
        ("round(math.pi, 2)", 3.14),
        ("B[-1]", "x"),
        ("C['large'] * 2", 4),
        ("[k for k in C if k != 3]", ["small", "large"]),
        ("{k: v for k, v in C.items() if v}", {"small": 1, "large": 2}),
        ("[x + y for x in 'ab' for y in 'cd']", ["ac", "ad", "bc", "bd"]),
        ("f'{A:03d} {D!r} {A=} {{}}'", "003 'Some Text' A=3 {}"),
        ("rf'\\n{A}'", "\\n3"),
        ("f'\\x41\\u00e9' 'b'", "Aéb"),
        ("'{} {b} {0}'.format(1, b=2)", None),
        ("'{} {b}'.format(1, b=2)", "1 2"),
        ("'%s of %.2f%%' % ('a', 1)", "a of 1.00%"),
        ("textwrap.dedent('  a\\n  b')", "a\nb"),
        ("', '.join(str(n) for n in range(3))", "0, 1, 2"),
        ("1 < A < 4 and D", "Some Text"),
        ("max(B[:2])", 2.5),
        ("[*range(3)]", [0, 1, 2]),
        ("dict(a=1) | {'b': 2}", {"a": 1, "b": 2}),
        ("dict(zip('ab', [1, 2]))", {"a": 1, "b": 2}),
    ],
)
def test_expressions_that_authors_write(expression: str, value: Any, tmp_path: Path) -> None:
    if value is None:  # Python refuses to mix numbered and automatic fields
        with pytest.raises(NotLiteral):
            evaluated(expression, tmp_path)
    else:
        assert evaluated(expression, tmp_path) == value


@pytest.mark.parametrize(
    "expression",
    [
        "open('/etc/passwd').read()",
        "__import__('os').getcwd()",
        "(lambda: 1)()",
        "D.__class__",
        "'{0.__class__}'.format(1)",
        "str([1])",
        "1 / 0",
        "B['x']",
        "int('x')",
        "[].pop()",
        "undefined",
        "len(undefined)",
        "{'a': undefined}['a'] == 1",
        "str({'a': undefined}['a'])",
        "(-8) ** 0.5",
        "[x async for x in B]",
        "eval('1')",
    ],
)
def test_what_cannot_be_known_is_not_guessed(expression: str, tmp_path: Path) -> None:
    with pytest.raises(NotLiteral):
        evaluated(expression, tmp_path)


def nested(form: str, levels: int) -> str:
    text = "1"
    for _ in range(levels):
        text = form.format(text)
    return text


HOSTILE: Final[dict[str, str]] = {
    "power": "9 ** 9 ** 9",
    "power of a large base": "(1 << 4000) ** 4000",
    "shift": "1 << 10**12",
    "text": "'a' * 10**10",
    "list": "[0] * 10**9",
    "range": "list(range(10**15))",
    "range beyond a word": "len(range(10**30))",
    "width": "f'{A:999999999d}'",
    "width of format": "'{:>999999999}'.format(1)",
    "width of percent": "'%999999999d' % 1",
    "rounding": "round(1, -10**9)",
    "replace": "('a' * 40000).replace('a', 'b' * 40000)",
    "join": "('a' * 40000).join(['b'] * 40000)",
    "digits": "int('9' * 40000)",
    "digits shown": "str(10**1200) * 100",
    "product": "[0 for a in range(999) for b in range(999) for c in range(999)]",
    "conditions": "[0 for a in range(40000) for b in range(40000) if a < 0]",
    "search": "[0 for a in range(40000) if a in [*range(40000)]]",
    "sorting": "[sorted(range(40000)) for a in range(40000)]",
    "factorial": nested("({0} * 65536)", 150),
    "nested lists": nested("[{0}, {0}]", 12),
    "long sum": "+".join("1" * 5000),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("expression", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_expression_ends_soon(expression: str, tmp_path: Path) -> None:
    tmp_path.joinpath("run.py").write_text(f"A = 1\ndef run(a: str = {expression}) -> str: ...\n")
    with contextlib.suppress(SchemaError):
        assert generate(tmp_path, "run.py:run")


def doubling(first: str, step: str) -> Callable[[int], str]:
    return lambda levels: "\n".join(
        [f"A0 = {first}", *(f"A{n} = {step.replace('_', f'A{n - 1}')}" for n in range(1, levels + 1))]
    )


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("first", "step"),
    [("'a'", "_ + _"), ("[1]", "_ + _"), ("[1]", "[_, _]"), ("{'a': 1}", "{'a': _, 'b': _}"), ("2", "_ * _")],
)
def test_constants_that_double_each_other_end_soon(first: str, step: str, tmp_path: Path) -> None:
    source = doubling(first, step)(60)
    tmp_path.joinpath("run.py").write_text(f"{source}\ndef run(a: str = A60) -> str: ...\n")
    with pytest.raises(SchemaError):
        generate(tmp_path, "run.py:run")


def test_math_is_what_it_is(tmp_path: Path) -> None:
    assert evaluated("math.pi + math.e", tmp_path) == math.pi + math.e
