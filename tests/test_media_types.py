"""One table of media types, in the two components that cannot import each other."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_copies_are_equal() -> None:
    copies = [ROOT / "sdk/cog/_media_types.py", ROOT / "schema/coglet_schema/media_types.py"]
    first, second = (copy.read_text() for copy in copies)
    assert first == second
