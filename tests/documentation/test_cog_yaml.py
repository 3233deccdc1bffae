"""docs/cog-yaml.md is what the JSON schema says."""

import re

from documentation.cog_yaml import page, schema
from testing.pages import DOCS

TEXT = (DOCS / "cog-yaml.md").read_text()


def test_the_page_is_that_of_the_schema() -> None:
    assert page(schema()) == TEXT, "docs/cog-yaml.md is out of date: run scripts/docs generate"


def test_every_key_has_a_row_with_a_meaning() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \| (.*) \|$", TEXT, re.MULTILINE)
    names = [name for name, _ in rows]
    assert {"predict", "concurrency.max", "build.run[].mounts[].type", "weights[].source.uri"} <= set(names)
    assert len(names) == len(set(names))
    assert [name for name, meaning in rows if not meaning.strip("; ")] == []


def test_definitions_deprecations_and_alternatives_are_resolved() -> None:
    commands = {
        "type": ["array", "null"],
        "items": {"type": ["string", "object"], "required": ["do"], "properties": {"do": {"type": "string"}}},
    }
    node = {"properties": {"old": {"$ref": "#/$defs/commands", "description": "Runs", "deprecated": True}}}
    rows = page({**node, "$defs": {"commands": commands}}).partition("|---|---|---|\n")[2].splitlines()
    assert rows == [
        "| `old` | list of string or object | Runs; deprecated |",
        "| `old[].do` | string | required |",
    ]
