"""Name resolution: a name is a definition of the project, or imported from outside."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from coglet_schema.errors import Place, SchemaError
from coglet_schema.project import Module, Namespace
from coglet_schema.syntax.definitions import Assignment, Class, Definition, Function, Import
from coglet_schema.syntax.expressions import Attribute, Expression, Name, Subscript

# Builtins that are types a schema can express.
_BUILTINS: Final = frozenset({"str", "int", "float", "bool", "list", "dict", "set"})
# Stops chains of names that never end, such as two modules that import a name from each other.
_MAX_HOPS: Final = 50
# Looking up the bases of a class takes longer than reading a literal.
_STEPS_PER_CLASS: Final = 5


@dataclass(frozen=True)
class Scope:
    """Where names are looked up: a module, and before it a class body or a call's arguments."""

    module: Module
    local: "Mapping[str, Definition | Bound]" = field(default_factory=dict)

    def place(self, offset: int) -> Place:
        return self.module.source.place(offset)


@dataclass(frozen=True)
class Bound:
    """An expression together with the scope in which its names are resolved."""

    expression: Expression
    scope: Scope

    @property
    def place(self) -> Place:
        return self.scope.place(self.expression.start)

    @property
    def text(self) -> str:
        """The expression as written, for messages."""
        text = self.scope.module.source.slice(self.expression.start, self.expression.end)
        return text if len(text) <= 200 else text[:200] + "..."

    def with_(self, expression: Expression) -> "Bound":
        """Return another expression in the same scope."""
        return Bound(expression, self.scope)


@dataclass(frozen=True)
class ClassSymbol:
    """A class of the project."""

    definition: Class
    scope: Scope

    @property
    def body_scope(self) -> Scope:
        """The scope in which annotations and defaults of methods are evaluated."""
        # Without methods: one named like a type would hide the type, although it may be defined later.
        names = self.definition.body.names.items()
        return Scope(self.scope.module, {name: d for name, d in names if not isinstance(d, Function)})

    @property
    def nested_scope(self) -> Scope:
        """The scope of the annotations of fields: a field named like a type must not hide the type."""
        names = self.definition.body.names.items()
        return Scope(self.scope.module, {name: d for name, d in names if isinstance(d, Class)})


@dataclass(frozen=True)
class FunctionSymbol:
    """A function or method of the project."""

    definition: Function
    scope: Scope


@dataclass(frozen=True)
class ValueSymbol:
    """A constant, type alias or enum member of the project."""

    value: Bound
    owner: ClassSymbol | None = None


@dataclass(frozen=True)
class ModuleSymbol:
    """A module or folder of the project."""

    module: Module | Namespace


@dataclass(frozen=True)
class External:
    """A name that no file of the project defines."""

    dotted_name: str
    # False for a name that is neither imported nor a builtin.
    imported: bool

    @property
    def name(self) -> str:
        return self.dotted_name.rpartition(".")[2]

    @property
    def origin(self) -> str:
        return self.dotted_name.rpartition(".")[0]


Symbol = ClassSymbol | FunctionSymbol | ValueSymbol | ModuleSymbol | External


def resolve(bound: Bound, hops: int = 0) -> Symbol:
    """Follow names, attributes and aliases to their definition; other expressions resolve to themselves."""
    if hops < _MAX_HOPS:
        match bound.expression:
            case Name(name=name):
                return lookup(name, bound.scope, hops)
            case Attribute(owner=owner, name=name):
                return member(resolve(bound.with_(owner), hops + 1), name, hops)
    return ValueSymbol(bound)


def lookup(name: str, scope: Scope, hops: int = 0) -> Symbol:
    """Return what `name` means in `scope`."""
    local = scope.local.get(name)
    if isinstance(local, Bound):
        return resolve(local, hops + 1)
    if local is not None:
        return _defined(local, name, scope, hops)
    builtin = name in _BUILTINS
    return _global(name, scope.module, hops) or External(f"builtins.{name}" if builtin else name, builtin)


def member(symbol: Symbol, name: str, hops: int = 0) -> Symbol:
    """Return what `symbol.name` means."""
    match symbol:
        case ModuleSymbol(module=module):
            dotted_name = ".".join((*module.dotted_name, name))
            return _in_module(module, name, hops) or External(dotted_name, imported=True)
        case ClassSymbol():
            return _in_class(symbol, name, hops) or External(name, imported=False)
        case ValueSymbol(owner=ClassSymbol()) if name == "value":  # of an enum member
            return symbol
        case External(dotted_name=owner, imported=imported):
            return External(f"{owner}.{name}", imported)
    return External(name, imported=False)


def bases(symbol: ClassSymbol) -> list[Symbol]:
    """Return the resolved bases of a class, in order."""
    written = symbol.definition.bases
    # `Base[int]` is the class `Base`; the arguments are for the type checker.
    named = [base.base if isinstance(base, Subscript) else base for base in written]
    return [resolve(Bound(base, symbol.scope)) for base in named]


def ancestry(symbol: ClassSymbol) -> Iterator[ClassSymbol]:
    """Yield the class and its parents within the project, depth first, each once."""
    seen: set[Class] = set()
    pending = [symbol]
    while pending:
        current = pending.pop()
        if current.definition not in seen:
            current.scope.module.project.spend(_STEPS_PER_CLASS)
            seen.add(current.definition)
            yield current
            pending += [base for base in reversed(bases(current)) if isinstance(base, ClassSymbol)]


def _global(name: str, module: Module, hops: int) -> Symbol | None:
    for source in [module] if name.startswith("_") else _star_imported(module):
        definition = source.body.names.get(name)
        if definition is not None:
            return _defined(definition, name, Scope(source), hops)
    return None


def _star_imported(module: Module) -> Iterator[Module]:
    """Yield the module and those that it imports by `from ... import *`, each once."""
    seen: set[Module] = set()
    pending = [module]
    while pending:
        current = pending.pop()
        if current not in seen:
            seen.add(current)
            yield current
            targets = [_find(star, current) for star in reversed(current.body.star_imports)]
            pending += [target for target in targets if isinstance(target, Module)]


def _defined(definition: Definition, name: str, scope: Scope, hops: int) -> Symbol:
    match definition:
        case Class():
            return ClassSymbol(definition, Scope(scope.module))
        case Function():
            return FunctionSymbol(definition, scope)
        case Import():
            return _imported(definition, scope.module, hops)
        case Assignment(value=Expression() as value):
            return resolve(Bound(value, scope), hops + 1)
    return External(name, imported=False)


def _imported(statement: Import, module: Module, hops: int) -> Symbol:
    target = _find(statement, module)
    path = "." * statement.level + statement.module
    if statement.name is None:
        return ModuleSymbol(target) if target else External(path, imported=True)
    found: Symbol | None = None
    if target is module:  # `from . import shapes` in `__init__.py` means the file
        submodule = module.project.find((*module.dotted_name, statement.name))
        found = ModuleSymbol(submodule) if submodule else None
    elif target and hops < _MAX_HOPS:
        found = _in_module(target, statement.name, hops + 1)
    return found or External(f"{path}.{statement.name}", imported=True)


def _find(statement: Import, module: Module) -> Module | Namespace | None:
    above = statement.level - 1
    if above > len(module.package):
        return None
    start = module.package[: len(module.package) - above] if statement.level else ()
    path = (*start, *filter(None, statement.module.split(".")))
    try:
        return module.project.find(path)
    except SchemaError as error:
        raise error.at(module.source.place(statement.start)) from None


def _in_module(module: Module | Namespace, name: str, hops: int) -> Symbol | None:
    if isinstance(module, Module) and (found := _global(name, module, hops)):
        return found
    submodule = module.project.find((*module.dotted_name, name))
    return ModuleSymbol(submodule) if submodule else None


def _in_class(symbol: ClassSymbol, name: str, hops: int) -> Symbol | None:
    for owner in ancestry(symbol):
        definition = owner.definition.body.names.get(name)
        if definition is not None:
            found = _defined(definition, name, owner.body_scope, hops)
            return replace(found, owner=owner) if isinstance(found, ValueSymbol) else found
    return None
