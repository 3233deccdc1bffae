"""What a predictor takes and gives, as data: the live counterpart of the static schema."""

from __future__ import annotations

import pathlib
import types
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict

from cog._opaque import Opaque
from cog.types import File, Path, Secret

UNION_ORIGINS = (Union, types.UnionType)
NoneType = type(None)


class PrimitiveType(Enum):
    """The kinds of single values."""

    BOOL = "bool"
    INTEGER = "int"
    FLOAT = "float"
    STRING = "str"
    PATH = "Path"
    FILE = "File"
    SECRET = "Secret"
    ANY = "Any"


_PRIMITIVES: dict[Any, PrimitiveType] = {
    bool: PrimitiveType.BOOL,
    int: PrimitiveType.INTEGER,
    float: PrimitiveType.FLOAT,
    str: PrimitiveType.STRING,
    Path: PrimitiveType.PATH,
    pathlib.Path: PrimitiveType.PATH,
    File: PrimitiveType.FILE,
    Secret: PrimitiveType.SECRET,
    Any: PrimitiveType.ANY,
    dict: PrimitiveType.ANY,
}


class Repetition(Enum):
    """Whether a value may be missing, and whether there are many."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    REPEATED = "repeated"
    OPTIONAL_REPEATED = "optional repeated"


_OPTIONAL_OF = {
    Repetition.REQUIRED: Repetition.OPTIONAL,
    Repetition.REPEATED: Repetition.OPTIONAL_REPEATED,
}


@dataclass(frozen=True)
class FieldType:
    """The type of one input, or of one field of an output."""

    primitive: PrimitiveType
    repetition: Repetition = Repetition.REQUIRED
    name: str = ""
    members: tuple[FieldType, ...] = ()  # of a union
    choices: tuple[str | int, ...] = ()  # of a Literal or an Enum

    @property
    def optional(self) -> bool:
        """True when None is a value of this type."""
        return self.repetition in (Repetition.OPTIONAL, Repetition.OPTIONAL_REPEATED)

    @property
    def repeated(self) -> bool:
        """True when the values are lists."""
        return self.repetition in (Repetition.REPEATED, Repetition.OPTIONAL_REPEATED)


@dataclass(frozen=True)
class InputField:
    """One parameter of a predictor with what `Input()` says about it."""

    name: str
    order: int
    type: FieldType
    default: Any = None
    description: str | None = None
    ge: int | float | None = None
    le: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    regex: str | None = None
    choices: tuple[str | int, ...] | None = None
    deprecated: bool | None = None


class OutputKind(Enum):
    """The shapes of an output."""

    SINGLE = "single"
    LIST = "list"
    ITERATOR = "iterator"
    CONCAT_ITERATOR = "concatenate iterator"
    OBJECT = "object"


@dataclass(frozen=True)
class OutputType:
    """What a predictor returns: values of one type, or an object with `fields`."""

    kind: OutputKind
    type: PrimitiveType | None = None
    fields: dict[str, FieldType] | None = None


@dataclass(frozen=True)
class PredictorInfo:
    """A predictor's inputs, in order, and its output."""

    module_name: str
    predictor_name: str
    inputs: dict[str, InputField]
    output: OutputType


def field_type(annotation: Any) -> FieldType:
    """Reads the annotation of an input. Raises ValueError for one that no input can have."""
    annotation = strip_annotated(annotation)
    if get_origin(annotation) in UNION_ORIGINS:
        return _union_type(annotation)
    if annotation is list or get_origin(annotation) is list:
        return _list_type(annotation)
    return _single_type(annotation)


def type_name(annotation: Any) -> str:
    """How an annotation is called in messages."""
    if get_origin(annotation) in UNION_ORIGINS:
        return " | ".join(type_name(arg) for arg in get_args(annotation))
    origin = get_origin(annotation) or annotation
    return getattr(origin, "__name__", None) or str(origin).removeprefix("typing.")


def strip_annotated(annotation: Any) -> Any:
    """`Annotated[X, ...]` means X; marked `Opaque`, anything goes."""
    if get_origin(annotation) is not Annotated:
        return annotation
    inner, *markers = get_args(annotation)
    if Opaque in markers:
        return list if get_origin(inner) is list else Any
    return strip_annotated(inner)


def _list_type(annotation: Any) -> FieldType:
    args = get_args(annotation)
    inner = strip_annotated(args[0]) if args else Any
    if inner is list or get_origin(inner) in (list, *UNION_ORIGINS):
        raise ValueError(f"List cannot have nested type {type_name(inner)}")
    return replace(_single_type(inner), repetition=Repetition.REPEATED)


def _union_type(annotation: Any) -> FieldType:
    variants = [arg for arg in get_args(annotation) if arg is not NoneType]
    optional = len(variants) < len(get_args(annotation))
    if len(variants) == 1:
        inner = field_type(variants[0])
        if inner.optional:
            raise ValueError(f"Optional cannot have nested type {type_name(variants[0])}")
        return replace(inner, repetition=_OPTIONAL_OF[inner.repetition]) if optional else inner
    members = tuple(_union_member(variant, annotation) for variant in variants)
    repetition = Repetition.OPTIONAL if optional else Repetition.REQUIRED
    return FieldType(PrimitiveType.ANY, repetition, type_name(annotation), members)


def _union_member(variant: Any, union: Any) -> FieldType:
    member = field_type(variant)
    if member.primitive in (PrimitiveType.PATH, PrimitiveType.FILE, PrimitiveType.SECRET):
        raise ValueError(f"unsupported union member {type_name(variant)} in union {type_name(union)}")
    return member


def _single_type(annotation: Any) -> FieldType:
    if annotation in _PRIMITIVES or get_origin(annotation) is dict or is_typeddict(annotation):
        return FieldType(_PRIMITIVES.get(annotation, PrimitiveType.ANY), name=type_name(annotation))
    choices = _choices_of(annotation)
    kinds = {type(choice) for choice in choices}
    if len(kinds) == 1 and kinds <= {str, int}:
        return FieldType(_PRIMITIVES[kinds.pop()], name=type_name(annotation), choices=choices)
    raise ValueError(f"unsupported Cog type {type_name(annotation)}")


def _choices_of(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(member.value for member in annotation)
    return ()
