"""Checks of the model's source, and fixes that rewrite it."""

import ast
from collections.abc import Iterator, Sequence
from typing import Final

from coglet_cli.doctor.edits import Edits, imports_from, uses_of, without_names
from coglet_cli.doctor.finding import CannotFix, Finding
from coglet_cli.doctor.subject import Module, Subject

_ARBITRARY: Final = "arbitrary_types_allowed"
_REMOVED: Final = "ExperimentalFeatureWarning"


def look_pydantic(subject: Subject) -> Sequence[Finding]:
    """Check that no output class is a pydantic model that disables pydantic's type checks."""
    return [
        Finding(
            f"{node.name} inherits from pydantic.BaseModel with {_ARBITRARY}; use cog.BaseModel instead",
            module.file,
            node.lineno,
        )
        for module in subject.modules()
        for node in _arbitrary_models(module)
    ]


def fix_pydantic(subject: Subject) -> None:
    """Make cog.BaseModel their base class. Raises CannotFix if other code depends on pydantic's."""
    for module in subject.modules():
        if models := list(_arbitrary_models(module)):
            _rebase(subject, module, models)


def look_imports(subject: Subject) -> Sequence[Finding]:
    """Check that no import refers to a name that was removed from cog."""
    return [
        Finding(f"cog.types.{_REMOVED} was removed from cog", module.file, statement.lineno)
        for module in subject.modules()
        for statement in _removed_imports(module)
    ]


def fix_imports(subject: Subject) -> None:
    """Remove the imports. Raises CannotFix if the name is used."""
    for module in subject.modules():
        statements = _removed_imports(module)
        if not statements:
            continue
        if uses := uses_of(module.tree, _REMOVED):
            raise CannotFix(f"remove the uses of {_REMOVED} first ({module.file}:{uses[0].lineno})")
        edits = Edits(module.source)
        for statement in statements:
            _take_out(edits, statement, {_REMOVED})
        (subject.folder / module.file).write_bytes(edits.result())


def look_annotations(subject: Subject) -> Sequence[Finding]:
    """Check that every input and the output of the model have type annotations."""
    return [
        finding
        for key, file, name in subject.references()
        if (module := subject.module(file))
        for function in entry_points(module.tree, key, name)
        for finding in _missing(module.file, function)
    ]


def _arbitrary_models(module: Module) -> Iterator[ast.ClassDef]:
    bases = {alias.asname or alias.name for alias in _aliases(module.tree, "pydantic", "BaseModel")}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and any(_is_base(base, bases) for base in node.bases):
            if any(_allows_arbitrary(statement) for statement in node.body):
                yield node


def _is_base(base: ast.expr, names: set[str]) -> bool:
    return ast.unparse(base) in {*names, "pydantic.BaseModel"}


def _allows_arbitrary(statement: ast.stmt) -> bool:
    return isinstance(
        statement, ast.Assign | ast.AnnAssign | ast.ClassDef
    ) and f"{_ARBITRARY}=True" in ast.unparse(statement).replace(" ", "").replace("'", "").replace(":", "=")


def _rebase(subject: Subject, module: Module, models: list[ast.ClassDef]) -> None:
    uses = uses_of(module.tree, "BaseModel")
    bases = [base for model in models for base in model.bases]
    if any(not isinstance(base, ast.Name) or base.id != "BaseModel" for base in bases):
        raise CannotFix(f"{models[0].name} has other bases; make cog.BaseModel its only base by hand")
    if len(uses) != len(bases):
        raise CannotFix(f"{module.file} also uses pydantic.BaseModel for other classes")
    edits = Edits(module.source)
    for model in models:
        _remove_settings(edits, model)
    settings_left = len(uses_of(module.tree, "ConfigDict")) > len(models)
    names = {"BaseModel"} if settings_left else {"BaseModel", "ConfigDict"}
    statements = list(imports_from(module.tree, "pydantic"))
    for statement in statements:
        _take_out(edits, statement, names)
    edits.insert_line(statements[0].lineno, "from cog import BaseModel")
    (subject.folder / module.file).write_bytes(edits.result())


def _remove_settings(edits: Edits, model: ast.ClassDef) -> None:
    settings = [statement for statement in model.body if _allows_arbitrary(statement)]
    if len(settings) != 1 or not _is_only_setting(settings[0]):
        raise CannotFix(f"{model.name} also has other pydantic settings")
    if len(model.body) == 1:
        edits.replace(settings[0], "pass")
    else:
        edits.remove_statement(settings[0])


def _is_only_setting(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ClassDef):
        return len(statement.body) == 1
    value = statement.value if isinstance(statement, ast.Assign) else None
    if isinstance(value, ast.Call):
        return len(value.keywords) == 1 and not value.args
    return isinstance(value, ast.Dict) and len(value.keys) == 1


def _take_out(edits: Edits, statement: ast.ImportFrom, names: set[str]) -> None:
    left = without_names(statement, names)
    if left is None:
        edits.remove_statement(statement)
    else:
        edits.replace(statement, left)


def _aliases(tree: ast.Module, package: str, name: str) -> list[ast.alias]:
    return [
        alias for statement in imports_from(tree, package) for alias in statement.names if alias.name == name
    ]


def _removed_imports(module: Module) -> list[ast.ImportFrom]:
    return [
        statement
        for statement in imports_from(module.tree, "cog.types")
        if any(alias.name == _REMOVED for alias in statement.names)
    ]


Function = ast.FunctionDef | ast.AsyncFunctionDef


def entry_points(tree: ast.Module, key: str, name: str) -> Iterator[Function]:
    """Yield the functions and methods that a reference under `key` in cog.yaml may mean."""
    methods = ("train",) if key == "train" else ("run", "predict")
    for node in tree.body:
        if isinstance(node, Function) and node.name == name:
            yield node
        elif isinstance(node, ast.ClassDef) and node.name == name:
            yield from (item for item in node.body if isinstance(item, Function) and item.name in methods)


def _missing(file: str, function: Function) -> Iterator[Finding]:
    if function.returns is None:
        yield Finding(f"{function.name}() has no return type annotation", file, function.lineno)
    given = function.args
    for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
        if argument.annotation is None and argument.arg != "self":
            yield Finding(
                f'parameter "{argument.arg}" of {function.name}() has no type annotation',
                file,
                argument.lineno,
            )
