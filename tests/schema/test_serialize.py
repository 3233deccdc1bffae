"""The bytes of whole documents, which must not change for clients of either mode."""

import json
from pathlib import Path

import pytest

from coglet_schema import build_document, dump, generate, generate_combined, generate_info

GOLDEN = Path(__file__).parent / "golden"
MODEL = """
from cog import ConcatenateIterator, Input, streaming

@streaming
def run(zoo: str = Input(choices=["b", "a"]), ant: str = "<&>\u2028é") -> ConcatenateIterator[str]: ...

def train(n: dict = {"b": 1, "a": 2}) -> str: ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run.py").write_text(MODEL)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "predict_ref", "train_ref"),
    [
        ("predict", "run.py:run", None),
        ("train", None, "run.py:train"),
        ("merged", "run.py:run", "run.py:train"),
    ],
)
def test_documents_have_the_golden_bytes(
    folder: Path, name: str, predict_ref: str | None, train_ref: str | None
) -> None:
    document = generate_combined(folder, predict_ref, train_ref)
    document["info"]["version"] = "dev"
    assert dump(document) == (GOLDEN / f"{name}.json").read_bytes()


def test_a_single_document_keeps_the_order_of_inputs_and_sorts_the_rest(folder: Path) -> None:
    text = dump(generate(folder, "run.py:run")).decode()
    assert text.index('"zoo"') < text.index('"ant"')
    assert '{"default":"\\u003c\\u0026\\u003e\\u2028é","title":"Ant","type":"string","x-order":1}' in text


def test_a_merged_document_is_sorted_throughout(folder: Path) -> None:
    merged = json.loads(dump(generate_combined(folder, "run.py:run", "run.py:train")))
    assert list(merged["components"]["schemas"]["Input"]["properties"]) == ["ant", "zoo"]
    assert list(merged["paths"]) == sorted(merged["paths"])


def test_schemas_of_other_authors_can_be_written_too() -> None:
    schema = {"type": "object", "additionalProperties": False}
    document = {"paths": {}, "components": {"schemas": {"Input": schema}}}
    expected = (
        '{"components":{"schemas":{"Input":{"additionalProperties":false,"type":"object"}}},"paths":{}}'
    )
    assert dump(document).decode() == expected


def test_the_modes_are_ways_to_the_same_documents(folder: Path) -> None:
    info = generate_info(folder, "run.py:train", "train")
    assert generate(folder, "run.py:train", "train") == build_document(None, info)
    assert generate_combined(folder, None, "run.py:train") == build_document(None, info)
