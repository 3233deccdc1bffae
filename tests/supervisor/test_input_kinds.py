"""Which inputs the worker must convert, for each form of schema."""

from pathlib import Path
from typing import Any

import pytest

from coglet_schema import generate
from coglet_supervisor.predictions.input_kinds import input_kinds

SOURCE = """
from typing import Literal, Optional, Union
from cog import BaseRunner, File, Input, Path, Secret

class Runner(BaseRunner):
    def run(
        self, path: Path, maybe: Optional[Path], many: list[Path], opened: File, key: Secret,
        keys: Optional[list[Secret]], count: int, sizes: list[int] = [1], choice: int = Input(choices=[1, 2]),
        pick: Literal[3, 4] = 3, text: str = "", number: float = 1, flag: bool = True,
        either: Union[int, float] = 1, style: str = Input(choices=["a"]), more: dict = {},
    ) -> str:
        return ""
"""
KINDS = {
    **dict.fromkeys(("path", "maybe", "many", "opened"), "file"),
    **dict.fromkeys(("key", "keys"), "secret"),
    **dict.fromkeys(("count", "sizes", "choice", "pick"), "integer"),
}


def test_a_schema_that_is_generated(tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text(SOURCE)
    document = generate(tmp_path, "predict.py:Runner", "predict")
    assert input_kinds(document, training=False) == KINDS


URI = {"type": "string", "format": "uri"}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"anyOf": [URI, NULL]}, "file"),
        ({"anyOf": [{"type": "array", "items": URI}, URI]}, "file"),
        ({"allOf": [{"$ref": "#/components/schemas/Key"}]}, "secret"),
        ({"type": "string", "x-cog-secret": True}, "secret"),
        ({"anyOf": [URI, {"type": "string"}]}, None),
        ({"$ref": "#/components/schemas/Endless"}, None),
        ({"$ref": "#/components/schemas/Missing"}, None),
        ({"format": ["uri"], "type": "string"}, None),
        (True, None),
        ({}, None),
    ],
)
def test_a_hand_written_schema(schema: Any, kind: str | None) -> None:
    schemas = {
        "Input": {"properties": {"x": schema}},
        "Key": {"type": "string", "format": "password"},
        "Endless": {"$ref": "#/components/schemas/Endless"},
    }
    kinds = input_kinds({"components": {"schemas": schemas}}, training=False)
    assert kinds == ({} if kind is None else {"x": kind})


def test_a_training_has_its_own_inputs() -> None:
    schemas = {"Input": {"properties": {"x": URI}}, "TrainingInput": {"properties": {"y": URI}}}
    document: dict[str, Any] = {"components": {"schemas": schemas}}
    assert input_kinds(document, training=True) == {"y": "file"}
    del schemas["TrainingInput"]
    assert input_kinds(document, training=True) == {"x": "file"}


@pytest.mark.parametrize(
    "document", [None, {}, {"components": []}, {"components": {"schemas": {"Input": 1}}}]
)
def test_a_document_that_describes_no_input(document: Any) -> None:
    assert input_kinds(document, training=False) is None
