"""Defaults of fields as JSON: constants, and models that are constructed from constants."""

from typing import Any

from coglet_schema.conformance import Resolver, violation
from coglet_schema.literals import JsonValue, NotLiteral, evaluate
from coglet_schema.models import ModelKind, model_fields, model_kind
from coglet_schema.names import Bound, ClassSymbol, resolve
from coglet_schema.syntax.expressions import Call, Items

# The models that are being constructed, outermost first.
_Open = tuple[ClassSymbol, ...]


def with_default(schema: dict[str, Any], default: Bound | None) -> dict[str, Any]:
    """Return the schema with that default, if it can be known and the schema allows it.

    A field whose default is None may be null, whatever its annotation says.
    """
    if default is None or schema.get("writeOnly"):  # the default of a secret is a secret, too
        return schema
    try:
        value = _value(default, ())
    except NotLiteral:
        return schema
    if value is None:
        return {**schema, "nullable": True, "default": None}
    # The types of defaults are not checked when the model runs, and a document must not contradict itself.
    return schema if violation(value, schema, Resolver({})) else {**schema, "default": value}


def _value(bound: Bound, open_models: _Open) -> JsonValue:
    try:
        return evaluate(bound)
    except NotLiteral:
        match bound.expression:
            case Call(unpacked=()) as call:
                return _constructed(call, bound, open_models)
            case Items(kind="list" | "tuple", items=items):
                return [_value(bound.with_(item), open_models) for item in items]
        raise


def _constructed(call: Call, bound: Bound, open_models: _Open) -> JsonValue:
    """Return the JSON that the worker sends for `Model(...)`. Raises NotLiteral if it cannot be known."""
    symbol = resolve(bound.with_(call.function))
    if not isinstance(symbol, ClassSymbol) or symbol in open_models:
        raise NotLiteral
    kind = model_kind(symbol)
    fields = model_fields(symbol) if kind else {}
    if kind is None or len(call.positional) > len(fields) or not call.keywords.keys() <= fields.keys():
        raise NotLiteral
    given = {**dict(zip(fields, call.positional, strict=False)), **call.keywords}
    values: dict[str, JsonValue] = {}
    for name, field in fields.items():
        argument = bound.with_(given[name]) if name in given else field.default
        if argument is None:
            raise NotLiteral
        values[name] = _value(argument, (*open_models, symbol))
    return list(values.values()) if kind is ModelKind.NAMED_TUPLE else values
