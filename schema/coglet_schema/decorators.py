"""What `@streaming` and `@concurrent` declare about a method; rejects decorators of old releases."""

from typing import Final, NoReturn

from coglet_schema.annotations import Generic, TypeForm
from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.names import Bound, External, Scope, resolve
from coglet_schema.output_types import ITERATOR_TYPES
from coglet_schema.syntax.definitions import Function
from coglet_schema.syntax.expressions import Call, Constant, Expression, Unary

_MAX_INTEGER: Final = 2**63 - 1


def supports_streaming(function: Function, scope: Scope, output: TypeForm) -> bool:
    """Return whether the method is marked `@streaming`.

    Raises SchemaError if it is and its return type is not an iterator.
    """
    decorator = _find(function, scope, "streaming")
    if decorator and not (isinstance(output, Generic) and output.name in ITERATOR_TYPES):
        _fail(
            Bound(decorator, scope),
            "@streaming requires Iterator[...], AsyncIterator[...], ConcatenateIterator[...] or "
            "AsyncConcatenateIterator[...] return type",
            "yield the output in pieces, or remove @streaming",
        )
    return decorator is not None


def concurrency_max(function: Function, scope: Scope) -> int | None:
    """Return the number in `@concurrent(max=...)`, 1 without a number, None without the decorator.

    Raises SchemaError if the arguments are not a literal integer `max` of at least 1, or above 1 for a method
    that is not async.
    """
    decorator = _find(function, scope, "concurrent")
    if decorator is None:
        return None
    bound = Bound(decorator, scope)
    maximum = 1
    if isinstance(decorator, Call):
        if decorator.positional or decorator.unpacked or decorator.keywords.keys() - {"max"}:
            _fail(bound, "@concurrent only supports literal integer max=... arguments")
        if "max" in decorator.keywords:
            maximum = _integer(bound.with_(decorator.keywords["max"]))
    if maximum < 1:
        _fail(bound, "@concurrent max must be at least 1")
    if maximum > 1 and not function.is_async:
        _fail(bound, "@concurrent(max > 1) requires an async run() or predict() method")
    return maximum


def reject_input_decorators(function: Function, scope: Scope) -> None:
    """Raise SchemaError for `@cog.input(...)`, which declared inputs in cog before 0.1."""
    decorator = _find(function, scope, "input")
    if isinstance(decorator, Call):
        _fail(
            Bound(decorator, scope),
            "@cog.input() belongs to the API of cog before 0.1, which has no types",
            f"declare each input in the signature: `def {function.name}(self, scale: float = "
            "cog.Input(default=1.5, ge=0)) -> cog.Path:`, in a class that derives from cog.BasePredictor",
        )


def _integer(bound: Bound) -> int:
    match bound.expression:
        case Constant(value=int() as value) if not isinstance(value, bool) and value <= _MAX_INTEGER:
            return value
        case Unary(operator="-", operand=Constant(value=int() as value)):
            return -value
    _fail(bound, "@concurrent max must be an integer literal")


def _find(function: Function, scope: Scope, name: str) -> Expression | None:
    """Return the decorator of that name if it is from `cog`, or if its import is not found."""
    for decorator in function.decorators:
        called = decorator.function if isinstance(decorator, Call) else decorator
        symbol = resolve(Bound(called, scope))
        if isinstance(symbol, External) and symbol.name == name:
            if symbol.origin.partition(".")[0] == "cog" or not symbol.imported:
                return decorator
    return None


def _fail(
    bound: Bound, message: str, hint: str = "write `@concurrent(max=4)` above an `async def`"
) -> NoReturn:
    raise SchemaError(ErrorKind.OTHER, message, bound.place, hint)
