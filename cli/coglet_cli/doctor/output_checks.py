"""A check of the model's outputs: text returned where a file is declared."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from typing import Final

from coglet_cli.doctor.finding import Finding
from coglet_cli.doctor.python_checks import Function, entry_points
from coglet_cli.doctor.subject import Subject, parse_python

_FILES: Final = frozenset({"Path", "File"})
_ITERATORS: Final = frozenset({"Iterator", "AsyncIterator", "Generator", "AsyncGenerator"})
_LISTS: Final = frozenset({"list", "List"})
_TEXT_METHODS: Final = frozenset({"format", "join", "replace"})
# A URL is a valid file output: clients fetch it.
_URLS: Final = ("http://", "https://", "data:")


def look_texts(subject: Subject) -> Sequence[Finding]:
    """Check that the model does not return text where a file is declared: clients would get the text."""
    return [
        Finding(
            f"{function.name}() returns text where it declares a file: clients get this text, not the file",
            module.file,
            text.lineno,
            "wrap it in `Path(...)`",
        )
        for key, file, name in subject.references()
        if (module := subject.module(file))
        for function in entry_points(module.tree, key, name)
        for text in _texts_for_files(function)
    ]


def _texts_for_files(function: Function) -> Iterator[ast.expr]:
    names = _names_of_texts(function)
    for value in _declared_files(function):
        if _is_text(value, names):
            yield value


def _declared_files(function: Function) -> Iterator[ast.expr]:
    """Yield the expressions whose values are declared as files."""
    match _unquoted(function.returns):
        case ast.Subscript(value=generic, slice=items):
            first = items.elts[0] if isinstance(items, ast.Tuple) and items.elts else items
            if not _is_named(_unquoted(first), _FILES):
                return
            if _is_named(generic, _ITERATORS):
                yield from _yielded(function)
            elif _is_named(generic, _LISTS):
                for value in _returned(function):
                    yield from value.elts if isinstance(value, ast.List) else ()
        case annotation if _is_named(annotation, _FILES):
            yield from _returned(function)


def _returned(function: Function) -> Iterator[ast.expr]:
    return (node.value for node in _own_nodes(function) if isinstance(node, ast.Return) and node.value)


def _yielded(function: Function) -> Iterator[ast.expr]:
    return (node.value for node in _own_nodes(function) if isinstance(node, ast.Yield) and node.value)


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of the function, without those of functions and classes defined inside it."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending += ast.iter_child_nodes(node)


def _names_of_texts(function: Function) -> Set[str]:
    """Return the variables of the function to which only text is assigned."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in _own_nodes(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                assigned.setdefault(name, []).append(value)
    stored = Counter(
        node.id
        for node in _own_nodes(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    return {
        name
        for name, values in assigned.items()
        if stored[name] == len(values) and all(_is_text(value, frozenset()) for value in values)
    }


def _is_text(value: ast.expr, names: Set[str]) -> bool:
    """Return True if the value is certainly text and not a URL; `names` are the variables with text."""
    if _is_url(value):
        return False
    match value:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.Name(id=name):
            return name in names
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _is_text(left, names) or _is_text(right, names)
        case ast.BinOp(left=left, op=ast.Mod()):
            return _is_text(left, names)
        case ast.IfExp(body=body, orelse=other):
            return _is_text(body, names) or _is_text(other, names)
        case ast.Call(func=ast.Name(id="str")):
            return True
        case ast.Call(func=ast.Attribute(value=owner, attr=method)):
            return ast.unparse(value.func) == "os.path.join" or (
                method in _TEXT_METHODS and _is_text(owner, names)
            )
    return False


def _is_url(value: ast.expr) -> bool:
    match value:
        case ast.Constant(value=str() as text):
            return text.startswith(_URLS)
        case ast.JoinedStr(values=[first, *_]):
            return _is_url(first)
        case ast.BinOp(left=left):
            return _is_url(left)
    return False


def _unquoted(annotation: ast.expr | None) -> ast.expr | None:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            body = parse_python(annotation.value.strip()).body
        except (SyntaxError, ValueError):
            return None
        return body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
    return annotation


def _is_named(annotation: ast.expr | None, names: Set[str]) -> bool:
    match annotation:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in names
    return False
