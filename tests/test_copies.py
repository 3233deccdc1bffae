"""Modules that exist as equal copies in two components, which cannot import each other."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sdk/cog/_media_types.py", "schema/coglet_schema/media_types.py"),
        ("sdk/cog/_model_folder.py", "supervisor/coglet_supervisor/model_folder.py"),
    ],
)
def test_the_copies_are_equal(one: str, other: str) -> None:
    assert (ROOT / one).read_text() == (ROOT / other).read_text()
