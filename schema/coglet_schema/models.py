"""Classes that describe structured values: BaseModel, TypedDict, NamedTuple, dataclass; and their fields."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from coglet_schema.annotations import Generic, Plain, TypeForm, read_annotation
from coglet_schema.errors import SchemaError
from coglet_schema.names import Bound, ClassSymbol, External, Scope, ancestry, bases, resolve
from coglet_schema.syntax.definitions import Assignment, Class
from coglet_schema.syntax.expressions import Attribute, Call, Constant, Dots, Expression

_MODEL_PACKAGES: Final = frozenset({"cog", "pydantic"})
_FIELD_FUNCTIONS: Final = frozenset({"Field", "field"})
# Annotations of names that are not fields.
_NOT_FIELDS: Final = frozenset({"ClassVar", "InitVar"})
# Describing a field takes longer than reading a literal.
_STEPS_PER_FIELD: Final = 5


class ModelKind(Enum):
    """The kind of class that a model is."""

    BASE_MODEL = "BaseModel"
    TYPED_DICT = "TypedDict"
    NAMED_TUPLE = "NamedTuple"
    DATACLASS = "dataclass"


@dataclass(frozen=True)
class Field:
    """One field of a model. With `has_default` but no `default`, a function makes the default."""

    name: str
    form: TypeForm
    has_default: bool
    default: Bound | None = None


def model_kind(symbol: ClassSymbol) -> ModelKind | None:
    """Return the kind of model that the class is, by itself or by inheritance; None if it is not one."""
    for owner in ancestry(symbol):
        if _is_dataclass(owner):
            return ModelKind.DATACLASS
        for written, base in zip(owner.definition.bases, bases(owner), strict=True):
            match base:
                case External(name="TypedDict"):
                    return ModelKind.TYPED_DICT
                case External(name="NamedTuple"):
                    return ModelKind.NAMED_TUPLE
                case External(name="BaseModel") if _is_model_base(written, base):
                    return ModelKind.BASE_MODEL
    return None


def model_fields(symbol: ClassSymbol) -> dict[str, Field]:
    """Return the fields by name, those of the parents first."""
    kind = model_kind(symbol)
    fields: dict[str, Field] = {}
    for owner in _parents_first(symbol, kind, set()):
        if _defines_fields(owner, kind):
            fields |= {field.name: field for field in _own_fields(owner, kind)}
    return fields


def _defines_fields(owner: ClassSymbol, kind: ModelKind | None) -> bool:
    """Return whether annotated names of a class, one of the parents or the model itself, are fields."""
    match kind:
        case ModelKind.DATACLASS:
            return _is_dataclass(owner)
        case ModelKind.NAMED_TUPLE:  # a class that inherits from one has the same items
            return any(isinstance(base, External) and base.name == "NamedTuple" for base in bases(owner))
    return True


def _parents_first(symbol: ClassSymbol, kind: ModelKind | None, seen: set[Class]) -> Iterator[ClassSymbol]:
    """Yield the models among the class and its parents, each once, in the order of their fields."""
    if symbol.definition in seen:
        return
    seen.add(symbol.definition)
    parents = [base for base in bases(symbol) if isinstance(base, ClassSymbol)]
    if kind is not ModelKind.TYPED_DICT:
        parents.reverse()  # as in dataclasses and pydantic, which walk the method resolution order backwards
    for parent in parents:
        yield from _parents_first(parent, kind, seen)
    if model_kind(symbol):
        yield symbol


@contextmanager
def errors_of_field(name: str) -> Iterator[None]:
    """Prefix errors raised in the block with the name of the field."""
    try:
        yield
    except SchemaError as error:
        raise error.prefixed(f'field "{name}": ') from None


def _own_fields(symbol: ClassSymbol, kind: ModelKind | None) -> Iterator[Field]:
    total = symbol.definition.keywords.get("total")
    optional = kind is ModelKind.TYPED_DICT and isinstance(total, Constant) and total.value is False
    annotations, values = symbol.nested_scope, symbol.body_scope
    for name, definition in symbol.definition.body.names.items():
        if not isinstance(definition, Assignment) or definition.annotation is None or name.startswith("_"):
            continue
        symbol.scope.module.project.spend(_STEPS_PER_FIELD)
        with errors_of_field(name):
            form = read_annotation(Bound(definition.annotation, annotations))
        if isinstance(form, Plain | Generic) and form.name in _NOT_FIELDS:
            continue
        has_default, default = _default(definition.value, values)
        yield _without_qualifier(Field(name, form, optional or has_default, default))


def _without_qualifier(field: Field) -> Field:
    """Return the field without `Required[T]`, `NotRequired[T]` and `ReadOnly[T]`."""
    match field.form:
        case Generic(name="Required" | "NotRequired" as qualifier, arguments=(inner,)):
            return Field(field.name, inner, qualifier == "NotRequired")
        case Generic(name="ReadOnly", arguments=(inner,)):
            return _without_qualifier(replace(field, form=inner))
    return field


def _default(value: Expression | None, scope: Scope) -> tuple[bool, Bound | None]:
    """Return whether a field has a default, and the default itself unless a function makes it."""
    match value:
        case Call(function=function, positional=positional, keywords=keywords):
            called = resolve(Bound(function, scope))
            if isinstance(called, External) and called.name in _FIELD_FUNCTIONS:
                if "default_factory" in keywords:
                    return True, None
                value = positional[0] if positional else keywords.get("default")
    if value is None or isinstance(value, Dots):
        return False, None
    return True, Bound(value, scope)


def _is_model_base(written: Expression, base: External) -> bool:
    known = base.origin.partition(".")[0] in _MODEL_PACKAGES
    return known or not base.imported or isinstance(written, Attribute)


def _is_dataclass(symbol: ClassSymbol) -> bool:
    for decorator in symbol.definition.decorators:
        function = decorator.function if isinstance(decorator, Call) else decorator
        found = resolve(Bound(function, symbol.scope))
        if isinstance(found, External) and found.name == "dataclass":
            return True
    return False
