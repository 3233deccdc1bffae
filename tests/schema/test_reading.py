"""What generation accesses: files of the project, as text, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import coglet_schema
from coglet_schema import SchemaError, generate

# Reports, as JSON, each file that is opened and each module that is imported while a schema is generated.
WATCHER = """
import json, sys
import coglet_schema.generation, coglet_schema.syntax.parser as parser
parser._language()
import coglet_schema.document as document
document._version()
events = []
modules = set(sys.modules)
watched = ("open", "exec", "compile")
sys.addaudithook(lambda name, args: events.append(str(args[0])) if name in watched else None)
coglet_schema.generation.generate(sys.argv[1], "run.py:run")
seen, events = list(events), None
print(json.dumps({"opened": seen, "imported": sorted(set(sys.modules) - modules)}))
"""


def run_python(*arguments: str) -> str:
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return result.stdout


def test_only_the_needed_files_of_the_project_are_opened_and_nothing_is_executed(tmp_path: Path) -> None:
    files = {
        "run.py": "import unused\nfrom shapes import Box\nopen('/etc/x')\ndef run() -> Box: ...\n",
        "shapes.py": "raise SystemExit\nfrom cog import BaseModel\nclass Box(BaseModel):\n  x: int\n",
        "unused.py": "raise SystemExit\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    seen = json.loads(run_python("-c", WATCHER, str(tmp_path)))
    assert seen["opened"] == [str(tmp_path / "run.py"), str(tmp_path / "shapes.py")]
    assert seen["imported"] == []


def test_importing_the_package_does_not_load_the_parser() -> None:
    code = "import sys, coglet_schema; print([m for m in sys.modules if m[:6] in ('tree_s', 'coglet')])"
    assert run_python("-c", code) == "['coglet_schema']\n"


def test_every_public_name_can_be_loaded() -> None:
    assert all(getattr(coglet_schema, name) is not None for name in coglet_schema.__all__)
    with pytest.raises(AttributeError, match="module 'coglet_schema' has no attribute 'nothing'"):
        _ = coglet_schema.nothing


@pytest.mark.parametrize("folder", [".", "asyncio", "json", "concurrent/futures"])
def test_the_standard_library_is_python(folder: str) -> None:
    """The layout checks reject nothing that CPython accepts."""
    library = Path(os.__file__).parent
    for path in sorted((library / folder).glob("*.py")):
        with pytest.raises(SchemaError, match="predictor not found: no_such_name"):
            generate(library, f"{path.relative_to(library)}:no_such_name")
