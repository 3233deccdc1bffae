"""Metrics of a prediction: rules for names and values, and the recorder that models use."""

from __future__ import annotations

from math import isfinite

TYPE_CHECKING = False  # importing typing would double the cost of `import coglet`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, TypeAlias

MetricValue: TypeAlias = "bool | int | float | str | list[Any] | dict[str, Any] | None"
# (name, value, wire mode); the value is a copy made of plain JSON types, None deletes the metric.
Emit: TypeAlias = "Callable[[str, MetricValue, str], None]"

MAX_NAME_CHARACTERS: Final = 128
MAX_SEGMENTS: Final = 4
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LETTERS_AND_DIGITS: Final = _LETTERS | frozenset("0123456789")
_NAME_CHARACTERS: Final = _LETTERS_AND_DIGITS | {"_"}

_WIRE_MODES: Final[dict[str | None, str]] = {
    None: "replace",
    "replace": "replace",
    "incr": "increment",
    "increment": "increment",
    "append": "append",
}


class MetricRecorder:
    """Records metrics of the running prediction; dots in a name nest objects in the response.

    Outside a prediction, and after its end, every call does nothing (an invalid mode is still a `TypeError`).
    """

    __slots__ = ("_emit", "_kinds")

    _emit: Emit | None
    _kinds: dict[str, str]

    def __init__(self) -> None:
        raise TypeError("cannot create 'MetricRecorder' instances; use cog.current_scope().metrics")

    def record(self, key: str, value: MetricValue, mode: str | None = None) -> None:
        """Set, increment or append to the metric `key`; None deletes it.

        `mode` is `replace` (also None), `incr` (alias `increment`) or `append`. A metric keeps its type until
        it is deleted. Raises ValueError for a bad name, TypeError for a bad mode or value, or a change of
        type.
        """
        wire_mode = _wire_mode(mode)
        if self._emit is None:
            return
        if value is None and wire_mode == "replace":
            self.delete(key)
            return
        if key not in self._kinds:
            _check_type(key)
            _check_reserved(key)
            _check_name(key)
        kind, plain = _plain(value)
        if wire_mode == "increment" and kind not in ("int", "float"):
            raise TypeError(f"Increment mode requires int or float, got {kind}")
        self._lock_kind(key, kind, wire_mode)
        if plain is not None:
            self._emit(key, plain, wire_mode)

    def delete(self, key: str) -> None:
        """Remove the metric `key`, which may then get another type. A missing one is ignored.

        Raises TypeError if the name is not a string, ValueError if it is not allowed.
        """
        if self._emit is None:
            return
        _check_type(key)
        _check_name(key)
        self._kinds.pop(key, None)
        self._emit(key, None, "replace")

    def __setitem__(self, key: str, value: MetricValue) -> None:
        self.record(key, value)

    def __delitem__(self, key: str) -> None:
        self.delete(key)

    def __repr__(self) -> str:
        return f"MetricRecorder({'inactive' if self._emit is None else f'keys={len(self._kinds)}'})"

    def _lock_kind(self, key: str, kind: str, wire_mode: str) -> None:
        locked = self._kinds.setdefault(key, kind)
        # Items of any type may be appended to a list; every other metric keeps its first type.
        if kind != locked and not (wire_mode == "append" and locked == "list"):
            raise TypeError(f"Metric '{key}' has type {locked}, cannot set to {kind} without deleting first")


def new_recorder(emit: Emit | None) -> MetricRecorder:
    """Make a recorder for one prediction, or an inactive one if `emit` is None."""
    recorder = object.__new__(MetricRecorder)
    recorder._emit = emit
    recorder._kinds = {}
    return recorder


def _wire_mode(mode: str | None) -> str:
    try:
        return _WIRE_MODES[mode]
    except KeyError:
        raise TypeError(f"Invalid metric mode: {mode!r}. Expected 'replace', 'incr', or 'append'.") from None


def _check_type(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"metric name must be str, got {type(name).__name__}")


def _check_reserved(name: str) -> None:
    if name == "predict_time":
        raise ValueError("'predict_time' is reserved by the runtime")
    if name.startswith("cog."):
        raise ValueError("the 'cog.' prefix is reserved for system metrics")


def _check_name(name: str) -> None:
    if not name:
        raise ValueError("metric name must not be empty")
    if len(name) > MAX_NAME_CHARACTERS:
        raise ValueError(
            f"metric name must be {MAX_NAME_CHARACTERS} characters or fewer (got {len(name)} characters)"
        )
    segments = name.split(".")
    if len(segments) > MAX_SEGMENTS:
        raise ValueError(
            f"metric name must have at most {MAX_SEGMENTS} dot-separated segments (got {len(segments)})"
        )
    if not segments[0]:
        raise ValueError("metric name must not start with a dot")
    if not segments[-1]:
        raise ValueError("metric name must not end with a dot")
    for segment in segments:
        _check_segment(segment)


def _check_segment(segment: str) -> None:
    if not segment:
        raise ValueError("metric name must not contain empty segments (consecutive dots)")
    if segment[0] not in _LETTERS:
        raise ValueError(f"metric name segment '{segment}' must start with a letter")
    for character in segment:
        if character not in _NAME_CHARACTERS:
            raise ValueError(f"metric name segment '{segment}' contains invalid character '{character}'")
    if "__" in segment:
        raise ValueError(f"metric name segment '{segment}' must not contain consecutive underscores")
    if segment[-1] not in _LETTERS_AND_DIGITS:
        raise ValueError(f"metric name segment '{segment}' must end with a letter or digit")


def _plain(value: object) -> tuple[str, MetricValue]:
    """Return the type's name and a copy of `value` in plain JSON types, which later changes cannot alter.

    A float without a JSON form (NaN, infinity) becomes None: dropped at the top level, null inside a value.
    Raises TypeError for other types.
    """
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int):
        return "int", int(value)
    if isinstance(value, float):
        return "float", float(value) if isfinite(value) else None
    if isinstance(value, str):
        return "str", str(value)
    if isinstance(value, list):
        return "list", [_plain_item(item) for item in value]
    if isinstance(value, dict):
        return "dict", {_plain_key(key): _plain_item(item) for key, item in value.items()}
    raise TypeError(
        f"Unsupported metric value type: {type(value).__name__}. "
        "Expected bool, int, float, str, list, or dict."
    )


def _plain_item(item: object) -> MetricValue:
    return None if item is None else _plain(item)[1]


def _plain_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"Unsupported metric key type: {type(key).__name__}. Expected str.")
    return str(key)
