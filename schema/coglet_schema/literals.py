"""The JSON values of literals and constant expressions."""

from coglet_schema.constants.evaluation import Evaluation
from coglet_schema.constants.values import JsonValue, NotLiteral, Sequenced, Value, to_json
from coglet_schema.names import Bound

__all__ = ["JsonValue", "NotLiteral", "evaluate", "evaluate_choices"]


def evaluate(bound: Bound, notes: list[str] | None = None) -> JsonValue:
    """The JSON value of a constant expression. Raises NotLiteral.

    `notes` takes sentences about what was assumed of the machine that runs the model.
    """
    return to_json(_value(bound, notes), bound.scope.module.project)


def evaluate_choices(bound: Bound, notes: list[str] | None = None) -> list[JsonValue]:
    """Like `evaluate`, for a list, a tuple or whatever else gives items; of a dict its keys."""
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
