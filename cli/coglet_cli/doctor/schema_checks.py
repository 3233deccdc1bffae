"""Checks of the schema that `cog build` generates, and of inputs whose default is None."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coglet_cli.doctor.config_checks import reference_fault
from coglet_cli.doctor.edits import Edits, imports_from
from coglet_cli.doctor.finding import CannotFix, Finding
from coglet_cli.doctor.python_checks import Function, entry_points
from coglet_cli.doctor.subject import Module, Subject
from coglet_cli.errors import UserError
from coglet_cli.project.schema import schema_bytes
from coglet_schema import SchemaError, generate


@dataclass(frozen=True)
class _NoneDefault:
    """A parameter with a default of None and an annotation that does not allow None."""

    module: Module
    function: Function
    argument: ast.arg

    @property
    def annotation(self) -> str:
        assert self.argument.annotation is not None
        return ast.unparse(self.argument.annotation)


def look_schema(subject: Subject) -> Sequence[Finding]:
    """Check that the schema can be generated from the source, as in a build, and is consistent."""
    references = list(subject.references())
    readable = [each for each in references if reference_fault(subject, *each[1:]) is None]
    findings = [
        _finding(error)
        for key, file, name in readable
        if (error := _schema_error(subject, f"{file}:{name}", key))
    ]
    if findings or not references or len(readable) < len(references):
        return findings
    try:
        schema_bytes(subject.project, subject.config)
    except UserError as error:
        message = error.message.partition("\n\n")[0]  # without the document
        return [Finding(message, remediation=error.hint)]
    return []


def look_none_defaults(subject: Subject) -> Sequence[Finding]:
    """Check that every input with a default of None allows None in its type."""
    return [
        Finding(
            f'input "{each.argument.arg}" may be None; annotate it as Optional[{each.annotation}]',
            each.module.file,
            each.argument.lineno,
        )
        for each in _none_defaults(subject)
    ]


def fix_none_defaults(subject: Subject) -> None:
    """Wrap the types in `Optional[...]`. Raises CannotFix if the name Optional has another meaning."""
    by_file: dict[str, list[_NoneDefault]] = {}
    for each in _none_defaults(subject):
        by_file.setdefault(each.module.file, []).append(each)
    for file, found in by_file.items():
        edits = Edits(found[0].module.source)
        for each in found:
            assert each.argument.annotation is not None
            edits.replace(each.argument.annotation, f"Optional[{each.annotation}]")
        _import_optional(edits, found[0].module)
        (subject.folder / file).write_bytes(edits.result())


def _schema_error(subject: Subject, reference: str, key: str) -> SchemaError | None:
    try:
        generate(subject.folder, reference, mode="train" if key == "train" else "predict")
    except SchemaError as error:
        return error
    return None


def _finding(error: SchemaError) -> Finding:
    return Finding(error.message, error.file, error.line, error.hint or None)


def _none_defaults(subject: Subject) -> Iterator[_NoneDefault]:
    for key, file, name in subject.references():
        if module := subject.module(file):
            for function in entry_points(module.tree, key, name):
                for argument, default in _defaults(function):
                    if argument.annotation and _is_none(default) and not _takes_none(argument.annotation):
                        yield _NoneDefault(module, function, argument)


def _defaults(function: Function) -> Iterator[tuple[ast.arg, ast.expr]]:
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    yield from zip(positional[len(positional) - len(given.defaults) :], given.defaults, strict=True)
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        if default is not None:
            yield argument, default


def _is_none(default: ast.expr) -> bool:
    match default:
        case ast.Constant(value=None):
            return True
        case ast.Call(func=ast.Name(id="Input") | ast.Attribute(attr="Input")):
            named = {keyword.arg: keyword.value for keyword in default.keywords}
            given = default.args[0] if default.args else named.get("default")
            return isinstance(given, ast.Constant) and given.value is None
    return False


def _takes_none(annotation: ast.expr) -> bool:
    """Return True if the type allows None, or may do so because it is quoted, `Any` or `Secret`."""
    if isinstance(annotation, ast.Constant):  # quoted
        return True
    names = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    constants = [node.value for node in ast.walk(annotation) if isinstance(node, ast.Constant)]
    return (
        bool(names & {"Optional", "Any", "Secret"})
        or None in constants
        or "Optional[" in ast.unparse(annotation)
    )


def _import_optional(edits: Edits, module: Module) -> None:
    statements = list(imports_from(module.tree, "typing"))
    if any(alias.name == "Optional" and alias.asname is None for s in statements for alias in s.names):
        return
    if "Optional" in {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)}:
        raise CannotFix(f"{module.file} uses the name Optional for something else")
    edits.insert_line(_first_import(module.tree), "from typing import Optional")


def _first_import(tree: ast.Module) -> int:
    """Return the line before which to insert an import: after the docstring and `__future__` imports."""
    for statement in tree.body:
        is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not is_docstring and not (
            isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        ):
            decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
            return min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return 1
