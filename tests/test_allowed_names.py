"""scripts/allowed_names.py lists only names that exist: a stale one would hide a new unused name."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = "protocol schema sdk worker supervisor cli testing tests integration bench documentation".split()


def test_each_name_that_may_be_unused_exists() -> None:
    allowed = ast.parse((ROOT / "scripts" / "allowed_names.py").read_text())
    names = [node.attr for node in ast.walk(allowed) if isinstance(node, ast.Attribute)]
    assert len(names) == len(set(names))
    files = [ROOT / "conftest.py", *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))]
    written = {word for file in files for word in re.findall(r"\w+", file.read_text())}
    assert set(names) <= written, "no longer in the sources"
