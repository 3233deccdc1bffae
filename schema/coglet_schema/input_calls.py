"""Finds the `Input(...)` of a parameter's default, written directly or in a shared registry or helper.

prompt: str = Input(description="...")     # directly
prompt: str = Inputs.prompt                # attribute of a class, or a constant
prompt: str = Inputs.prompt(default="x")   # method or function that returns Input(...)
"""

from collections.abc import Mapping

from coglet_schema.names import Bound, External, FunctionSymbol, Scope, ValueSymbol, resolve
from coglet_schema.syntax.definitions import ParameterKind
from coglet_schema.syntax.expressions import Attribute, Call, Constant, Expression, Name, Pairs

_RECEIVERS = frozenset({"self", "cls"})


class UnreadableCall(Exception):
    """The arguments of an `Input(...)` cannot be determined; `hint` says what to write instead."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


def find_input_call(default: Bound) -> Mapping[str, Bound] | None:
    """Return the arguments of the `Input(...)` that `default` is, by name; None if it is something else.

    Raises UnreadableCall if the arguments cannot be determined.
    """
    default.scope.module.project.spend()
    match default.expression:
        case Call() as call:
            match resolve(default.with_(call.function)):
                case External(name="Input"):
                    return _named_arguments(default, call)
                case FunctionSymbol() as helper:
                    return _returned_input(helper, default, call)
        case Name() | Attribute():
            symbol = resolve(default)
            if isinstance(symbol, ValueSymbol) and isinstance(symbol.value.expression, Call):
                return find_input_call(symbol.value)
    return None


def _named_arguments(bound: Bound, call: Call) -> dict[str, Bound]:
    if len(call.positional) > 1:
        reason = "Input() takes one positional argument, the default"
        raise UnreadableCall(reason, "give the other arguments by name")
    named = {"default": bound.with_(call.positional[0])} if call.positional else {}
    for operand in call.unpacked:
        named |= _unpacked(bound.with_(operand))
    return named | {name: bound.with_(value) for name, value in call.keywords.items()}


def _unpacked(bound: Bound) -> dict[str, Bound]:
    symbol = resolve(bound)
    value = symbol.value if isinstance(symbol, ValueSymbol) else bound
    if isinstance(value.expression, Pairs):
        named = {_key(key): value.with_(item) for key, item in value.expression.pairs}
        if None not in named:
            return {name: item for name, item in named.items() if name is not None}
    reason = f"`**{bound.text}` in Input() cannot be statically resolved"
    raise UnreadableCall(reason, "write the arguments out, or keep them in a constant dict at the top level")


def _key(expression: Expression | None) -> str | None:
    match expression:
        case Constant(value=str() as key):
            return key
    return None


def _returned_input(helper: FunctionSymbol, bound: Bound, call: Call) -> Mapping[str, Bound] | None:
    returned = helper.definition.returned
    if returned is None or call.unpacked:
        return None
    scope = Scope(helper.scope.module, _call_arguments(helper, bound, call))
    return find_input_call(Bound(returned, scope))


def _call_arguments(helper: FunctionSymbol, bound: Bound, call: Call) -> dict[str, Bound]:
    """Return the helper's parameters with their values in this call."""
    arguments: dict[str, Bound] = {}
    positional = list(call.positional)
    keywords = dict(call.keywords)
    for parameter in helper.definition.parameters:
        if parameter.kind is ParameterKind.VAR_KEYWORD:
            pairs = tuple(
                (Constant(value.start, value.start, name), value) for name, value in keywords.items()
            )
            arguments[parameter.name] = bound.with_(Pairs(call.start, call.end, pairs))
        elif parameter.kind is ParameterKind.NAMED and parameter.name not in _RECEIVERS:
            given = positional.pop(0) if positional else keywords.pop(parameter.name, None)
            if given is not None:
                arguments[parameter.name] = bound.with_(given)
            elif parameter.default is not None:
                arguments[parameter.name] = Bound(parameter.default, helper.scope)
    return arguments
