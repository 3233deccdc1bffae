"""Checks of cog.yaml."""

import ast
from collections.abc import Sequence

from coglet_cli.config.document import InvalidYaml, parse_document
from coglet_cli.config.load import DEPRECATED, find_problems
from coglet_cli.config.problem import key_name
from coglet_cli.doctor.finding import Finding
from coglet_cli.doctor.subject import Subject, parse_python
from coglet_cli.project.schema import NoModel


def look_parse(subject: Subject) -> Sequence[Finding]:
    """Check that the file exists and is YAML."""
    name = subject.config_name
    try:
        parse_document(subject.config_file.read_text("utf-8"))
    except FileNotFoundError:
        return [Finding(f"{name} not found", remediation="run `cog init` to start one here")]
    except OSError as error:
        return [Finding(f"{name} cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return [Finding(f"{name} has invalid YAML: not UTF-8 text: {error.reason}")]
    except InvalidYaml as error:
        return [Finding(f"{name} has invalid YAML: {error}")]
    return []


def look_schema(subject: Subject) -> Sequence[Finding]:
    """Check that all values are valid."""
    name, document = subject.config_name, subject.document
    return [
        Finding(f"{name} validation failed: {problem.text(name)}", name, document.line(problem.path))
        for problem in find_problems(document, subject.folder)
    ]


def look_deprecated(subject: Subject) -> Sequence[Finding]:
    """Check that no field is deprecated."""
    document, name = subject.document, subject.config_name
    return [
        Finding(
            f'"{key_name(path, name)}" is deprecated: use "{replacement}" instead', name, document.line(path)
        )
        for path, replacement in DEPRECATED.items()
        if path in document.lines
    ]


def look_reference(subject: Subject) -> Sequence[Finding]:
    """Check that the references in `run` and `train` exist, and that there is at least one."""
    if not any(subject.data.get(key) for key in ("run", "predict", "train")):
        missing = NoModel()
        return [Finding(missing.message, subject.config_name, remediation=missing.hint)]
    return [
        Finding(message, subject.config_name, subject.document.line((key,)))
        for key, file, name in subject.references()
        if (message := reference_fault(subject, file, name))
    ]


def reference_fault(subject: Subject, file: str, name: str) -> str | None:
    """Return why `file:name` does not refer to anything, None if it does."""
    if not (subject.folder / file).is_file():
        return f"{file} not found"
    try:
        tree = parse_python((subject.folder / file).read_bytes())
    except (SyntaxError, ValueError) as error:
        return f"{file} cannot be read: {error}"
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    others = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if name in (*classes, *others, *_bound(tree)):
        return None
    return f'class "{name}" not found in {file}; found: {", ".join(classes or others) or "none"}'


def _bound(tree: ast.Module) -> list[str]:
    """Return the names that a module binds by assignment or import, as in `Runner = make_runner()`."""
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return [
        *(target.id for target in targets if isinstance(target, ast.Name)),
        *(alias.asname or alias.name for node in imports for alias in node.names),
    ]
