"""Classes that describe structured values: BaseModel, TypedDict, dataclass; and their fields."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final

from coglet_schema.annotations import Generic, Plain, TypeForm, read_annotation
from coglet_schema.errors import SchemaError
from coglet_schema.names import Bound, ClassSymbol, External, ancestry, bases, resolve
from coglet_schema.syntax.definitions import Assignment, Class
from coglet_schema.syntax.expressions import Attribute, Call, Constant, Dots, Expression

_MODEL_PACKAGES: Final = frozenset({"cog", "pydantic"})
_FIELD_FUNCTIONS: Final = frozenset({"Field", "field"})
# Annotations of what is no field of the value.
_NO_FIELDS: Final = frozenset({"ClassVar", "InitVar"})
# A field takes longer to describe than a literal.
_STEPS_PER_FIELD: Final = 5


class ModelKind(Enum):
    """What makes a class a model."""

    BASE_MODEL = "BaseModel"
    TYPED_DICT = "TypedDict"
    DATACLASS = "dataclass"


@dataclass(frozen=True)
class Field:
    """One field of a model."""

    name: str
    form: TypeForm
    has_default: bool


def model_kind(symbol: ClassSymbol) -> ModelKind | None:
    """What kind of model the class is, by itself or by inheritance; None when it is none."""
    for owner in ancestry(symbol):
        if _is_dataclass(owner):
            return ModelKind.DATACLASS
        for written, base in zip(owner.definition.bases, bases(owner), strict=True):
            match base:
                case External(name="TypedDict"):
                    return ModelKind.TYPED_DICT
                case External(name="BaseModel") if _is_model_base(written, base):
                    return ModelKind.BASE_MODEL
    return None


def model_fields(symbol: ClassSymbol) -> dict[str, Field]:
    """The fields by name, those of the parents first."""
    kind = model_kind(symbol)
    fields: dict[str, Field] = {}
    for owner in _parents_first(symbol, kind, set()):
        if kind is not ModelKind.DATACLASS or _is_dataclass(owner):
            fields |= {field.name: field for field in _own_fields(owner, kind)}
    return fields


def _parents_first(symbol: ClassSymbol, kind: ModelKind | None, seen: set[Class]) -> Iterator[ClassSymbol]:
    """The models among the class and its parents, in the order in which fields are collected; each once."""
    if symbol.definition in seen:
        return
    seen.add(symbol.definition)
    parents = [base for base in bases(symbol) if isinstance(base, ClassSymbol)]
    if kind is not ModelKind.TYPED_DICT:
        parents.reverse()  # as dataclasses and pydantic do, which go up the method resolution order
    for parent in parents:
        yield from _parents_first(parent, kind, seen)
    if model_kind(symbol):
        yield symbol


@contextmanager
def errors_of_field(name: str) -> Iterator[None]:
    """Says in errors which field they are about."""
    try:
        yield
    except SchemaError as error:
        raise error.prefixed(f'field "{name}": ') from None


def _own_fields(symbol: ClassSymbol, kind: ModelKind | None) -> Iterator[Field]:
    total = symbol.definition.keywords.get("total")
    optional = kind is ModelKind.TYPED_DICT and isinstance(total, Constant) and total.value is False
    for name, definition in symbol.definition.body.names.items():
        if not isinstance(definition, Assignment) or definition.annotation is None or name.startswith("_"):
            continue
        symbol.scope.module.project.spend(_STEPS_PER_FIELD)
        with errors_of_field(name):
            form = read_annotation(Bound(definition.annotation, symbol.nested_scope))
        if isinstance(form, Plain | Generic) and form.name in _NO_FIELDS:
            continue
        field = Field(name, form, optional or _has_default(definition.value, symbol))
        yield _without_qualifier(field)


def _without_qualifier(field: Field) -> Field:
    """Undoes `Required[T]` and `NotRequired[T]`."""
    match field.form:
        case Generic(name="Required" | "NotRequired" as qualifier, arguments=(inner,)):
            return Field(field.name, inner, qualifier == "NotRequired")
        case Generic(name="ReadOnly", arguments=(inner,)):
            return _without_qualifier(Field(field.name, inner, field.has_default))
    return field


def _has_default(value: Expression | None, symbol: ClassSymbol) -> bool:
    match value:
        case None | Dots():
            return False
        case Call(function=function, positional=positional, keywords=keywords):
            called = resolve(Bound(function, symbol.body_scope))
            if isinstance(called, External) and called.name in _FIELD_FUNCTIONS:
                default = positional[0] if positional else keywords.get("default")
                return "default_factory" in keywords or not (default is None or isinstance(default, Dots))
    return True


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
