"""The names of a model's metrics that the server exports, as `COG_METRICS_EXPORT` lists them."""

import re
from typing import Final

MAX_NAMES: Final = 50
# As a model may record them (sdk/coglet/_metrics.py): at most four parts, with single `_` inside.
_PART: Final = "[A-Za-z](?:_?[A-Za-z0-9])*"
_NAME: Final = re.compile(rf"{_PART}(?:\.{_PART}){{0,3}}")
_MAX_CHARACTERS: Final = 128
_PREFIX: Final = "coglet_model_"


def exported_name(name: str) -> str:
    """Return the name under which the model's metric `name` is exported."""
    return _PREFIX + name.replace(".", "_")


def read_names(text: str) -> tuple[tuple[str, ...], list[str]]:
    """Return the names in a list that commas or spaces separate, and what is wrong with the others."""
    names: list[str] = []
    owners: dict[str, str] = {}
    problems = []
    for name in dict.fromkeys(text.replace(",", " ").split()):
        series = _series(name)
        clashes = [owners[each] for each in series if each in owners]
        if not _NAME.fullmatch(name) or len(name) > _MAX_CHARACTERS:
            problems.append(f"{name[:_MAX_CHARACTERS]!r} is not the name of a metric")
        elif clashes:
            problems.append(f"{name!r} and {clashes[0]!r} have the same name in Prometheus")
        elif len(names) == MAX_NAMES:
            problems.append(f"{name!r} is beyond the limit of {MAX_NAMES} names")
        else:
            names.append(name)
            owners |= dict.fromkeys(series, name)
    return tuple(names), problems


def _series(name: str) -> tuple[str, ...]:
    """Return all names that a summary takes."""
    exported = exported_name(name)
    return (exported, f"{exported}_count", f"{exported}_sum")
