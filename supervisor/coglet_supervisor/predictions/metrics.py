"""Merging of a prediction's metrics: modes, and dots in names that nest."""

from typing import Any, Final, Literal

Mode = Literal["replace", "increment", "append"]
Metrics = dict[str, Any]

_MISSING: Final = object()


def merge_metric(metrics: Metrics, name: str, value: Any, mode: Mode) -> None:
    """Apply one change to `metrics` in place.

    A None value with `replace` deletes the metric, but not its parents.
    """
    *parents, leaf = name.split(".")
    if value is None and mode == "replace":
        _delete(metrics, parents, leaf)
        return
    target = _descend(metrics, parents)
    target[leaf] = _combined(target.get(leaf, _MISSING), value, mode)


def _descend(metrics: Metrics, parents: list[str]) -> Metrics:
    for part in parents:
        nested = metrics.get(part)
        if not isinstance(nested, dict):  # replaces a scalar of that name
            nested = metrics[part] = {}
        metrics = nested
    return metrics


def _delete(metrics: Metrics, parents: list[str], leaf: str) -> None:
    for part in parents:
        nested = metrics.get(part)
        if not isinstance(nested, dict):
            return
        metrics = nested
    metrics.pop(leaf, None)


def _combined(old: Any, value: Any, mode: Mode) -> Any:
    if mode == "increment":
        if old is _MISSING:
            return value
        return old + value if _is_number(old) and _is_number(value) else old
    if mode == "append":
        if old is _MISSING:
            return [value]
        if isinstance(old, list):
            old.append(value)  # in place: a metric may have thousands of values
            return old
        return [old, value]
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
