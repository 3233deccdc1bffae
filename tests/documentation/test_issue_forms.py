"""The forms for issues have what GitHub requires, and name pages that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from testing.pages import ROOT

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
KINDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


@pytest.mark.parametrize(
    "path", [form for form in FORMS if form.name != "config.yml"], ids=lambda path: path.stem
)
def test_a_form_is_complete(path: Path) -> None:
    form: Any = yaml.safe_load(path.read_text())
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert fields
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["type"] in KINDS and field["attributes"]["label"] for field in fields)
    for name in re.findall(r"\b(?:docs/)?[\w-]+\.md\b", path.read_text()):
        assert (ROOT / name).exists(), name
