"""Evaluates expressions by our code and by Python, and compares the values."""

import warnings
from pathlib import Path
from typing import Any, Final

from coglet_schema.constants.evaluation import Evaluation
from coglet_schema.constants.values import Sequenced, Unknown
from coglet_schema.names import Bound, Scope
from coglet_schema.project import Project
from coglet_schema.syntax.definitions import Assignment

PREAMBLE: Final = """
import math, sys, textwrap
A = 3
B = [1, 2.5, "x"]
C = {"small": 1, "large": 2, 3: None}
D = "Some Text"
E = (True, -4)
"""


def evaluated(expression: str, folder: Path, preamble: str = PREAMBLE) -> Any:
    """Return our value of `expression` after the preamble. Raises NotLiteral or SchemaError."""
    folder.joinpath("run.py").write_text(f"{preamble}\nVALUE = {expression}\n")
    module = Project(folder).open("run.py")
    definition = module.body.names["VALUE"]
    assert isinstance(definition, Assignment)
    assert definition.value is not None
    return Evaluation().value(Bound(definition.value, Scope(module)))


def by_python(expression: str) -> Any:
    """Return Python's value of `expression` after the preamble. Raises what the expression raises."""
    names: dict[str, Any] = {}
    exec(PREAMBLE, names)
    with warnings.catch_warnings(action="ignore"):
        return eval(expression, names)


def alike(ours: Any, theirs: Any) -> bool:
    """Return whether the values are equal as far as known; iterables by their items, a set in any order."""
    if isinstance(ours, Unknown):
        return True
    if isinstance(theirs, set | frozenset):
        return isinstance(ours, Sequenced) and set(ours) == theirs
    if isinstance(ours, Sequenced):
        return not isinstance(theirs, list | tuple) and alike(list(ours), list(theirs))
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(alike, ours, theirs))
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(map(alike, ours.values(), theirs.values()))
    return bool(ours == theirs) or repr(ours) == repr(theirs)
