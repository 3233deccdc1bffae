"""Annotations as type forms: aliases followed, quotes removed, unions flattened, `Annotated` unwrapped.

This module determines the form; `input_types` and `output_types` decide which forms are accepted.
"""

from dataclasses import dataclass, replace
from typing import Final

from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.names import Bound, External, Symbol, ValueSymbol, resolve
from coglet_schema.syntax.expressions import Attribute, Binary, Constant, Expression, Name, Subscript
from coglet_schema.syntax.parser import parse_quoted

# Names that mean the same wherever they are imported from.
_SPELLINGS: Final = {"List": "list", "Dict": "dict"}
# Reading a type takes longer than reading a literal.
_STEPS_PER_TYPE: Final = 5


@dataclass(frozen=True)
class TypeForm:
    """Any annotation. One that is of none of the classes below is not a type."""

    written: Bound

    @property
    def text(self) -> str:
        return self.written.text


@dataclass(frozen=True)
class Plain(TypeForm):
    """A type without arguments; `name` is canonical (`list` for `List`), empty for the project's own."""

    name: str
    symbol: Symbol


@dataclass(frozen=True)
class NoneForm(TypeForm):
    """`None`"""


@dataclass(frozen=True)
class OpaqueForm(TypeForm):
    """`Annotated[T, Opaque]`: any JSON object."""


@dataclass(frozen=True)
class Generic(TypeForm):
    """`name[arguments]`, with a canonical name."""

    name: str
    arguments: tuple[TypeForm, ...]


@dataclass(frozen=True)
class Union(TypeForm):
    """`A | B`, `Union[A, B]` or `Optional[A]`; only members of `Union[...]` may be unions themselves."""

    members: tuple[TypeForm, ...]

    @property
    def is_nullable(self) -> bool:
        return any(isinstance(member, NoneForm) for member in self.members)

    @property
    def non_null(self) -> tuple[TypeForm, ...]:
        return tuple(member for member in self.members if not isinstance(member, NoneForm))


@dataclass(frozen=True)
class LiteralForm(TypeForm):
    """`Literal[values]`"""

    values: tuple[Bound, ...]


def read_annotation(bound: Bound, aliases: tuple[Expression, ...] = ()) -> TypeForm:
    """Return the form of an annotation; `aliases` are those being followed, so that a cycle ends.

    Raises SchemaError for an annotation that is malformed.
    """
    bound.scope.module.project.spend(_STEPS_PER_TYPE)
    match bound.expression:
        case Constant(value=None):
            return NoneForm(bound)
        case Constant(value=str()) as quoted:
            inner = parse_quoted(bound.scope.module.source, quoted)
            return (
                TypeForm(bound)
                if isinstance(inner, Constant)
                else read_annotation(bound.with_(inner), aliases)
            )
        case Binary(operator="|", left=left, right=right):
            sides = (read_annotation(bound.with_(side), aliases) for side in (left, right))
            return Union(bound, tuple(member for side in sides for member in _flattened(side)))
        case Name() | Attribute():
            return _read_name(bound, aliases)
        case Subscript(base=base, arguments=arguments):
            return _read_generic(bound, bound.with_(base), arguments, aliases)
    return TypeForm(bound)


def unsupported(form: TypeForm, message: str, hint: str = "") -> SchemaError:
    """Return an error about a type that is understood but not allowed in this position."""
    text = f"unsupported type: {message}"
    return SchemaError(ErrorKind.UNSUPPORTED_TYPE, text, form.written.place, hint)


def unresolvable_import(form: TypeForm, symbol: External) -> SchemaError:
    """Return an error about a type from outside the project, which says how to declare it."""
    name = form.text
    message = (
        f"cannot resolve type '{name}' (imported from '{symbol.origin or symbol.name}') - external types "
        "cannot be statically analyzed. If this is a JSON-shaped third-party type, mark it opaque with "
        f"`from typing import Annotated`, `from cog import Opaque`, and `field: Annotated[{name}, Opaque]`. "
        "Otherwise define it as a BaseModel subclass in your predict file, or provide a .pyi stub"
    )
    return SchemaError(ErrorKind.UNRESOLVABLE_TYPE, message, form.written.place)


def _read_name(bound: Bound, aliases: tuple[Expression, ...]) -> TypeForm:
    symbol = resolve(bound)
    match symbol:
        case ValueSymbol(value=value):
            if isinstance(value.expression, Name | Attribute) or any(
                value.expression is alias for alias in aliases
            ):
                return Plain(bound, "", symbol)
            return replace(read_annotation(value, (*aliases, value.expression)), written=bound)
        case External(name="Annotated"):
            raise _annotated_alone(bound)
        case External(name=name):
            return Plain(bound, _SPELLINGS.get(name, name), symbol)
    return Plain(bound, "", symbol)


def _read_generic(
    bound: Bound, base: Bound, arguments: tuple[Expression, ...], aliases: tuple[Expression, ...]
) -> TypeForm:
    symbol = resolve(base)
    name = _SPELLINGS.get(symbol.name, symbol.name) if isinstance(symbol, External) else base.text
    if name == "Literal":
        return LiteralForm(bound, tuple(map(bound.with_, arguments)))
    if name == "Annotated" and arguments:
        form = read_annotation(bound.with_(arguments[0]), aliases)
        return _opaque(form) if any(_is_opaque(bound.with_(extra)) for extra in arguments[1:]) else form
    forms = tuple(read_annotation(bound.with_(argument), aliases) for argument in arguments)
    match name:
        case "Annotated":
            raise _annotated_alone(bound)
        case "Optional":
            if len(forms) != 1:
                message = f"Optional expects exactly 1 type argument, got {len(forms)}"
                raise unsupported(TypeForm(bound), message, "write `Optional[T]`")
            return Union(bound, (*_flattened(forms[0]), NoneForm(bound)))
        case "Union":
            return _union(bound, forms)
    return Generic(bound, name, forms)


def _annotated_alone(bound: Bound) -> SchemaError:
    return unsupported(
        TypeForm(bound), "Annotated expects at least 1 type argument", "write `Annotated[T, ...]`"
    )


def _union(bound: Bound, members: tuple[TypeForm, ...]) -> TypeForm:
    match tuple(member for member in members if not isinstance(member, NoneForm)):
        case (only,) if len(members) > 1:  # Union[T, None] is Optional[T]
            return Union(bound, (*_flattened(only), NoneForm(bound)))
        case (only,):
            return only
    return Union(bound, members)


def _flattened(form: TypeForm) -> tuple[TypeForm, ...]:
    return form.members if isinstance(form, Union) else (form,)


def _is_opaque(metadata: Bound) -> bool:
    symbol = resolve(metadata)
    return isinstance(symbol, External) and symbol.name == "Opaque"


def _opaque(form: TypeForm) -> TypeForm:
    """Return the form with its innermost type replaced by OpaqueForm; lists and optionals are kept."""
    match form:
        case Generic(name="list"):
            return replace(form, arguments=(OpaqueForm(form.written),))
        case Union(non_null=(only,)):
            return replace(form, members=(_opaque(only), NoneForm(form.written)))
        case Union(is_nullable=True):
            return replace(form, members=(OpaqueForm(form.written), NoneForm(form.written)))
    return OpaqueForm(form.written)
