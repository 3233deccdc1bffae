"""Random models: what is read from the source agrees with what Python sees when it imports the source."""

import importlib.util
import inspect
import itertools
import keyword
import tempfile
import types
import typing
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cog import FieldInfo, Secret
from cog import Path as CogPath
from coglet_schema import generate

PREAMBLE = """
from typing import Any, Dict, List, Literal, Optional, Union
import cog
from cog import BaseRunner, Input, Path, Secret

Number = Union[int, float]

class Runner(BaseRunner):
"""

SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    CogPath: {"type": "string", "format": "uri"},
    Secret: {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True},
    dict: {"type": "object"},
    Any: {"type": "object"},
}
KEYWORDS = {
    "description": "description",
    "ge": "minimum",
    "le": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "regex": "pattern",
    "deprecated": "deprecated",
}

# ---- source text

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in ("self", "cls")
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
integers = st.integers(-(10**20), 10**20)
floats = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": texts,
    "int": integers,
    "float": floats,
    "bool": st.booleans(),
    "dict": st.dictionaries(texts, json_values, max_size=3),
    "Dict[str, int]": st.dictionaries(texts, integers, max_size=3),
    "list[int]": st.lists(integers, max_size=3),
    "List[str]": st.lists(texts, max_size=3),
}
WITHOUT_VALUES = ["Path", "cog.Path", "Secret", "Any", "list[Path]", "list[Any]", "List[Secret]"]
UNIONS = [
    "Number",
    "int | str",
    "Union[str, list[str], bool]",
    "dict | int",
    "Optional[Number]",
    "None | int | str",
]

optional_forms = st.sampled_from(["{}", "Optional[{}]", "{} | None", "Union[None, {}]", "Optional['{}']"])


@st.composite
def annotations_and_values(draw: st.DrawFn) -> tuple[str, st.SearchStrategy[Any]]:
    """Return an annotation, and the defaults that it allows."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(st.sampled_from(UNIONS)), st.none() | integers
    if kind == 1:
        members = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
        return f"Literal[{', '.join(map(repr, members))}]", st.sampled_from(members)
    plain = draw(st.sampled_from(list(VALUES) if kind == 2 else WITHOUT_VALUES))
    form = draw(optional_forms)
    return form.format(plain), VALUES.get(plain, st.none()) if form == "{}" else st.none() | VALUES.get(
        plain, st.none()
    )


@st.composite
def parameters(draw: st.DrawFn) -> str:
    """`annotation = default`, with or without Input()."""
    annotation, values = draw(annotations_and_values())
    style = draw(st.sampled_from(["none", "plain", "input"]))
    if style == "none":
        return annotation
    if style == "plain":
        return f"{annotation} = {draw(values)!r}"
    arguments = [f"default={draw(values)!r}"] if draw(st.booleans()) else []
    if draw(st.booleans()):
        arguments.append(f"description={draw(texts)!r}")
    if annotation in ("int", "float"):
        arguments.append(f"ge={draw(integers)}, le={draw(floats)!r}")
    if annotation == "str":
        arguments.append(f"min_length={draw(st.integers(0, 9))}, regex={draw(texts)!r}, deprecated=True")
    if annotation in ("str", "int", "list[int]", "List[str]"):
        item = texts if "str" in annotation else integers
        arguments.append(f"choices={draw(st.lists(item, max_size=3, unique=True))!r}")
    return f"{annotation} = {draw(st.sampled_from(['Input', 'cog.Input']))}({', '.join(arguments)})"


returns = st.recursive(
    st.sampled_from(["str", "int", "float", "bool", "Path", "Any", "dict"]),
    lambda inner: st.builds("list[{}]".format, inner) | st.builds("Dict[str, {}]".format, inner),
    max_leaves=4,
)


@st.composite
def sources(draw: st.DrawFn) -> str:
    """A class with one method of up to five inputs, keyword-only so that defaults may come in any order."""
    inputs = draw(st.lists(st.tuples(names, parameters()), max_size=5, unique_by=lambda pair: pair[0]))
    signature = ", ".join(["self", *(["*"] if inputs else []), *(f"{name}: {rest}" for name, rest in inputs)])
    prefix = draw(st.sampled_from(["def", "async def"]))
    return f"{PREAMBLE}    {prefix} run({signature}) -> {draw(returns)}: ...\n"


# ---- what Python sees

module_numbers = itertools.count()


def imported_method(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"random_model_{next(module_numbers)}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Runner.run


def type_schema(hint: Any) -> dict[str, Any]:
    if typing.get_origin(hint) is list:
        return {"type": "array", "items": type_schema(typing.get_args(hint)[0])}
    return SIMPLE[typing.get_origin(hint) or hint]


def output_schema(hint: Any) -> dict[str, Any]:
    if typing.get_origin(hint) is list:
        return {"type": "array", "items": output_schema(typing.get_args(hint)[0])}
    if typing.get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": output_schema(typing.get_args(hint)[1])}
    return SIMPLE[hint]


def input_schema(hint: Any, field: FieldInfo) -> tuple[dict[str, Any], list[Any]]:
    """The property without title, default and order, and the choices."""
    schema: dict[str, Any] = {}
    members = [hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(hint) if member is not types.NoneType]
        if len(members) < len(typing.get_args(hint)):
            schema["nullable"] = True
    choices = list(field.choices or [])
    if typing.get_origin(hint) is typing.Literal:
        choices = list(typing.get_args(hint))
    elif len(members) == 1:
        schema |= type_schema(members[0])
    else:
        schema["anyOf"] = [{**type_schema(member), **schema} for member in members]
    values = {argument: getattr(field, argument) for argument in KEYWORDS}
    return {**schema, **{KEYWORDS[name]: v for name, v in values.items() if v is not None}}, choices


# ---- the comparison


@given(sources())
def test_source_and_import_agree(source: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.py")
        path.write_text(source)
        schemas = generate(folder, "run.py:Runner")["components"]["schemas"]
        method = imported_method(path)
    hints = typing.get_type_hints(method)
    seen = [p for name, p in inspect.signature(method).parameters.items() if name != "self"]
    assert schemas["Output"] == {"title": "Output", **output_schema(hints["return"])}
    assert list(schemas["Input"]["properties"]) == [parameter.name for parameter in seen]
    for order, parameter in enumerate(seen):
        compare(schemas, parameter, hints[parameter.name], order)


def compare(schemas: dict[str, Any], parameter: inspect.Parameter, hint: Any, order: int) -> None:
    name, default = parameter.name, parameter.default
    field = (
        default
        if isinstance(default, FieldInfo)
        else FieldInfo(None if default is parameter.empty else default)
    )
    described = dict(schemas["Input"]["properties"][name])
    # A default of None makes the input optional; only the source shows whether it is Input() or
    # Input(default=None).
    may_be_none = default is None or (isinstance(default, FieldInfo) and described.get("default", 0) is None)
    expected, choices = input_schema(hint | None if may_be_none else hint, field)
    assert described.pop("x-order") == order
    is_required = name in schemas["Input"].get("required", [])
    may_be_left_out = may_be_none or ("nullable" in described and "anyOf" not in described)
    assert is_required == (field.default is None and not may_be_left_out)
    assert described.pop("default", None) == field.default
    if choices:
        reference = {"$ref": f"#/components/schemas/{name}"}
        assert reference in (described.pop("allOf", [None])[0], described.pop("items", None))
        assert schemas[name]["enum"] == choices
        expected.pop("items", None)
        if expected.get("type") != "array":
            expected.pop("type", None)
    described.pop("title", None)
    assert described == expected
