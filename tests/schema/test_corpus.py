"""Every case of the corpus results in the document or the error that it states."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from openapi_spec_validator import validate
from tests.schema.cases import Case, all_cases

import coglet_schema

CASES = all_cases()
DOCUMENTS = [case for case in CASES if not case.is_error]
ERRORS = [case for case in CASES if case.is_error]
# The same in every document; golden files hold them.
FIXED_COMPONENTS = {
    *("Status", "HTTPValidationError", "ValidationError"),
    *("Input", "Output", "PredictionRequest", "PredictionResponse"),
    *("TrainingInput", "TrainingOutput", "TrainingRequest", "TrainingResponse"),
}
# Expectations that do not concern one component.
WHOLE_DOCUMENT = {"text", "order", "info"}


def ids(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", DOCUMENTS, ids=ids)
def test_document(case: Case, tmp_path: Path) -> None:
    case.write_files(tmp_path)
    document = coglet_schema.generate_combined(tmp_path, case.predict_ref, case.train_ref)
    schemas = document["components"]["schemas"]
    expected = {name: json.loads(text) for name, text in case.expected.items() if name not in WHOLE_DOCUMENT}
    is_merged = bool(case.predict_ref and case.train_ref)  # then consumers must not rely on the order
    for name, component in expected.items():
        assert schemas[name] == component
        assert is_merged or list(schemas[name].get("properties", {})) == list(component.get("properties", {}))
    assert schemas.keys() - FIXED_COMPONENTS == expected.keys() - FIXED_COMPONENTS
    assert list(schemas) == json.loads(case.expected.get("order", json.dumps(list(schemas))))
    text = coglet_schema.dump(document).decode()
    for line in case.expected.get("text", "").splitlines():
        assert line in text
    coglet_schema.validate_document(document)
    validate(json.loads(text))


@pytest.mark.parametrize("case", [case for case in DOCUMENTS if "info" in case.expected], ids=ids)
def test_info(case: Case, tmp_path: Path) -> None:
    case.write_files(tmp_path)
    infos = coglet_schema.generate_infos(tmp_path, case.predict_ref, case.train_ref)
    facts = asdict(next(info for info in infos if info))
    expected = json.loads(case.expected["info"])
    assert json.loads(json.dumps({name: facts[name] for name in expected})) == expected


@pytest.mark.parametrize("case", ERRORS, ids=ids)
def test_error(case: Case, tmp_path: Path) -> None:
    case.write_files(tmp_path)
    with pytest.raises(coglet_schema.SchemaError) as caught:
        coglet_schema.generate_combined(tmp_path, case.predict_ref, case.train_ref)
    error = caught.value
    place = f"{error.location}:{error.column}" if error.place else "-"
    hint = f"\n\nhint: {error.hint}" if error.hint else ""
    assert f"{error.kind} {place}\n{error}{hint}\n" == case.expected["error"]
    assert error.describe() == (f"{error.location}: " if error.place else "") + f"{error}{hint}"
