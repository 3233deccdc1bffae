"""Migration from predict.py with `Predictor` to run.py with `Runner`, if deprecation warnings are enabled."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Final

from coglet_cli import deprecations
from coglet_cli.doctor.edits import Edits, imports_from, uses_of
from coglet_cli.doctor.finding import CannotFix, Finding
from coglet_cli.doctor.subject import Module, Subject

_OLD: Final = "predict.py:Predictor"
_NEW: Final = "run.py:Runner"
_MANUAL: Final = "Manual migration required:"
_KEY: Final = re.compile(
    r"""^(["']?)predict\1(\s*:\s*)(["']?)predict\.py:Predictor\3(?=\s|$)""", re.MULTILINE
)

Method = ast.FunctionDef | ast.AsyncFunctionDef


def look(subject: Subject) -> Sequence[Finding]:
    """Check that the model uses the newer names, if deprecation warnings are enabled."""
    if not deprecations.are_shown():
        return []
    findings = []
    if isinstance(subject.data.get("predict"), str):
        findings.append(
            Finding(
                f"predict in {subject.config_name} is deprecated; use run with {_NEW}",
                subject.config_name,
                subject.document.line(("predict",)),
            )
        )
    for key, file, name in subject.references():
        module = subject.module(file)
        if key != "train" and module and (line := _old_name(module.tree, name)):
            text = f"{file} uses deprecated Predictor/BasePredictor/predict() names"
            findings.append(Finding(text, file, line))
    return findings


def fix(subject: Subject) -> None:
    """Replace predict.py by run.py and update the configuration.

    Raises CannotFix if the model is not in a form that can be migrated automatically.
    """
    module = _migratable(subject)
    config = subject.config_file.read_text("utf-8")
    new_config, changed = _KEY.subn(rf'run\2"{_NEW}"', config)
    if changed != 1:
        raise CannotFix(f"{_MANUAL} the predict: line in {subject.config_name} is not in the plain form")
    (subject.folder / "run.py").write_bytes(_renamed(module))
    subject.config_file.write_text(new_config, "utf-8")
    (subject.folder / module.file).unlink()


def _old_name(tree: ast.Module, name: str) -> int | None:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
            methods = {item.name for item in node.body if isinstance(item, Method)}
            if name == "Predictor" or "BasePredictor" in bases or "predict" in methods:
                return node.lineno
    return None


def _migratable(subject: Subject) -> Module:
    if subject.data.get("run") is not None:
        raise CannotFix("automatic migration cannot run when run is already set")
    if subject.data.get("predict") != _OLD:
        raise CannotFix(f"{_MANUAL} automatic migration only supports {_OLD}")
    if (subject.folder / "run.py").exists():
        raise CannotFix("cannot migrate predict.py to run.py because run.py already exists")
    if str(subject.data.get("train", "")).startswith("predict.py:"):
        raise CannotFix(f"{_MANUAL} train refers to predict.py too")
    module = subject.module("predict.py")
    if module is None:
        raise CannotFix(f"{_MANUAL} predict.py cannot be read")
    for problem in (*_class_problems(module.tree), *_import_problems(subject, module.tree)):
        raise CannotFix(f"{_MANUAL} {problem}")
    return module


def _class_problems(tree: ast.Module) -> Iterator[str]:
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == "Predictor"]
    if len(classes) != 1:
        yield f"predict.py has {len(classes)} classes named Predictor"
        return
    methods = [node.name for node in classes[0].body if isinstance(node, Method)]
    if methods.count("predict") != 1 or "run" in methods:
        yield "Predictor must have exactly one of predict() and run()"
    bases = {ast.unparse(base) for base in classes[0].bases}
    if not bases <= {"BasePredictor", "cog.BasePredictor"}:
        yield f"Predictor has another base: {', '.join(sorted(bases))}"
    taken = [name for name in ("Runner", "BaseRunner") if uses_of(tree, name)]
    if taken:
        yield f"predict.py uses the name {taken[0]} already"


def _import_problems(subject: Subject, tree: ast.Module) -> Iterator[str]:
    aliases = [alias for statement in imports_from(tree, "cog") for alias in statement.names]
    if any(alias.asname for alias in aliases if alias.name == "BasePredictor"):
        yield "BasePredictor is imported under another name"
    if any(alias.name == "BaseRunner" for alias in aliases):
        yield "predict.py imports BaseRunner already"
    for other in subject.modules():
        if any(_imports_predict(node) for node in ast.walk(other.tree)):
            yield f"{other.file} imports predict"


def _imports_predict(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        names = [node.module or "", *(alias.name for alias in node.names if node.module is None)]
        return "predict" in names
    return isinstance(node, ast.Import) and any(alias.name == "predict" for alias in node.names)


def _renamed(module: Module) -> bytes:
    edits = Edits(module.source)
    names = {"Predictor": "Runner", "BasePredictor": "BaseRunner"}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and node.name == "Predictor":
            edits.rename_definition(node, "Runner")
            for item in node.body:
                if isinstance(item, Method) and item.name == "predict":
                    edits.rename_definition(item, "run")
        elif isinstance(node, ast.Name) and node.id in names:
            edits.replace(node, names[node.id])
        elif isinstance(node, ast.alias) and node.name == "BasePredictor":
            edits.replace(node, "BaseRunner")
        elif isinstance(node, ast.Attribute) and node.attr == "predict" and _is_own(node.value):
            edits.replace_end(node, "run")
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "cog.BasePredictor":
            edits.replace_end(node, "BaseRunner")
    return edits.result()


def _is_own(value: ast.expr) -> bool:
    """Return True for `self.predict`, False for a method of another object such as `self.model.predict`."""
    return isinstance(value, ast.Name) and value.id in ("self", "Predictor")
