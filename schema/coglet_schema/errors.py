"""The one exception of this package, with the position in the source."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ErrorKind(StrEnum):
    """What went wrong, for programs; the message is for people."""

    PARSE = "Parse"
    PREDICTOR_NOT_FOUND = "PredictorNotFound"
    METHOD_NOT_FOUND = "MethodNotFound"
    MISSING_RETURN_TYPE = "MissingReturnType"
    MISSING_TYPE_ANNOTATION = "MissingTypeAnnotation"
    UNSUPPORTED_TYPE = "UnsupportedType"
    DEFAULT_FACTORY_NOT_SUPPORTED = "DefaultFactoryNotSupported"
    INVALID_CONSTRAINT = "InvalidConstraint"
    INVALID_PREDICT_REF = "InvalidPredictRef"
    METHOD_CONFLICT = "MethodConflict"
    OPTIONAL_OUTPUT = "OptionalOutput"
    CONCAT_ITERATOR_NOT_STR = "ConcatIteratorNotStr"
    CHOICES_NOT_RESOLVABLE = "ChoicesNotResolvable"
    DEFAULT_NOT_RESOLVABLE = "DefaultNotResolvable"
    UNRESOLVABLE_TYPE = "UnresolvableType"
    ACCEPT_ON_NON_FILE_TYPE = "AcceptOnNonFileType"
    OTHER = "Other"


_COMPUTED: Final = (
    "what can be computed from constants at the top level without running the model; "
    "or give the whole document with `--openapi-schema FILE` or COG_OPENAPI_SCHEMA"
)
# What to write instead, if the kind determines it; a caller that knows more passes its own hint.
_HINTS: Final = {
    ErrorKind.PREDICTOR_NOT_FOUND: "define it at the top level of the file, not inside an `if` or `try`",
    ErrorKind.METHOD_NOT_FOUND: "add a method `def run(self, ...) -> <type>:` to the class",
    ErrorKind.MISSING_RETURN_TYPE: "write what it returns, for example `-> str`, `-> Path` or `-> Any`",
    ErrorKind.MISSING_TYPE_ANNOTATION: "annotate it, for example `x: str`",
    ErrorKind.DEFAULT_FACTORY_NOT_SUPPORTED: "write a literal default: `Input(default=...)`",
    ErrorKind.METHOD_CONFLICT: "keep one of them and delete the other",
    ErrorKind.OPTIONAL_OUTPUT: "always return a value, or a BaseModel with an optional field",
    ErrorKind.CONCAT_ITERATOR_NOT_STR: "use `Iterator[T]` for items that are not text",
    ErrorKind.CHOICES_NOT_RESOLVABLE: f"write a list of literals, or {_COMPUTED}",
    ErrorKind.DEFAULT_NOT_RESOLVABLE: f"write a literal, or {_COMPUTED}",
    ErrorKind.ACCEPT_ON_NON_FILE_TYPE: "remove `accept`, or annotate the input as `Path`",
}


@dataclass(frozen=True)
class Place:
    """A position in a source file; line and column count from 1, the column in characters."""

    file: str
    line: int
    column: int


class SchemaError(Exception):
    """The source cannot be converted to a schema. `str()` is the message alone."""

    def __init__(self, kind: ErrorKind, message: str, place: Place | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.place = place
        self.hint = hint or _HINTS.get(kind, "")

    @property
    def file(self) -> str | None:
        """Path of the source file, relative to the source directory."""
        return self.place.file if self.place else None

    @property
    def line(self) -> int | None:
        return self.place.line if self.place else None

    @property
    def column(self) -> int | None:
        return self.place.column if self.place else None

    @property
    def location(self) -> str | None:
        """`file:line`, or None if the error does not concern a source line."""
        return f"{self.place.file}:{self.place.line}" if self.place else None

    def describe(self) -> str:
        """Return the text for a terminal: `file:line: message`, then a blank line and the hint."""
        located = f"{self.location}: {self.message}" if self.place else self.message
        return f"{located}\n\nhint: {self.hint}" if self.hint else located

    def at(self, place: Place) -> "SchemaError":
        """Return the same error, located at `place` unless it is located already."""
        return self if self.place else SchemaError(self.kind, self.message, place, self.hint)

    def prefixed(self, prefix: str) -> "SchemaError":
        """Return the same error with `prefix`, which names the part it concerns, before the message."""
        return SchemaError(self.kind, prefix + self.message, self.place, self.hint)
