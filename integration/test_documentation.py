"""The code of the documentation, as a newcomer types it: its files, its commands, and what they print.

A block that is not run says why, in a line that readers see. tests/documentation/test_blocks.py has rules.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from testing import official_client
from testing.newcomer import newcomer
from testing.pages import DOCS, ROOT, blocks_of

FILES: Final = Path(__file__).parent / "models" / "pages"
LITSERVE: Final = os.environ.get("PYCOGLET_LITSERVE_PYTHON", "")
BENTOML: Final = os.environ.get("PYCOGLET_BENTOML_PYTHON", "")

pytestmark = [
    pytest.mark.ours("docs/documentation.md"),
    pytest.mark.skipif(not shutil.which("curl"), reason="without curl: run scripts/test"),
]


@dataclass(frozen=True)
class Surroundings:
    """What a page assumes: the name of the folder, and the `python` of its reader, with its programs."""

    folder: str = "my-model"
    python: str = sys.executable
    programs: Sequence[str] = ()


NOT_CODE: Final = {"", "http"}
ASSUMED: Final = {
    "getting-started.md": Surroundings("greeter", official_client.PYTHON),
    "hosted-api.md": Surroundings("my-model", official_client.PYTHON),
    "moving-from-litserve.md": Surroundings(python=LITSERVE),
    "moving-from-bentoml.md": Surroundings(python=BENTOML, programs=["bentoml"]),
}
PAGES: Final = [
    page
    for page in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    if any(block.not_run is None and block.language not in NOT_CODE for block in blocks_of(page))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_is_true(page: Path, tmp_path: Path) -> None:
    assumed = ASSUMED.get(page.name, Surroundings())
    if not assumed.python:
        pytest.skip(f"the environment for {page.name} is made by scripts/test")
    folder = tmp_path / assumed.folder
    folder.mkdir()
    if (FILES / page.stem).is_dir():
        shutil.copytree(FILES / page.stem, folder, dirs_exist_ok=True)
    programs = [Path(assumed.python).with_name(name) for name in assumed.programs]
    with newcomer(folder, assumed.python, programs) as person:
        for block in blocks_of(page):
            if block.not_run is None and block.language not in NOT_CODE:
                person.follow(block)
