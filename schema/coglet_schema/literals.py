"""The JSON values of literals and constant expressions."""

from coglet_schema.constants.evaluation import Evaluation
from coglet_schema.constants.values import JsonValue, NotLiteral, Sequenced, Value, to_json
from coglet_schema.names import Bound

__all__ = ["JsonValue", "NotLiteral", "evaluate", "evaluate_choices"]


def evaluate(bound: Bound, notes: list[str] | None = None) -> JsonValue:
    """Return the JSON value of a constant expression. Raises NotLiteral if it cannot be known.

    Sentences about assumptions on the machine that runs the model are appended to `notes`.
    """
    return to_json(_value(bound, notes), bound.scope.module.project)


def evaluate_choices(bound: Bound, notes: list[str] | None = None) -> list[JsonValue]:
    """Return the items of a list, tuple or other iterable, or the keys of a dict. Otherwise as `evaluate`."""
    value = _value(bound, notes)
    if not isinstance(value, list | tuple | dict | Sequenced):
        raise NotLiteral
    project = bound.scope.module.project
    return [to_json(item, project) for item in value]


def _value(bound: Bound, notes: list[str] | None) -> Value:
    evaluation = Evaluation()
    value = evaluation.value(bound)
    if notes is not None:
        notes += evaluation.notes
    return value
