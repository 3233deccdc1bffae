"""The packages of an image, as pip lists them; asked once for the layers below the source."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_CACHE: Final = ".cog/cache/pip_freeze.json"


def remembered(folder: Path, layers: Sequence[str], ask: Callable[[], str]) -> str:
    """What `ask` said when an image last had these layers; asked now for others."""
    key = hashlib.sha256("\n".join(layers).encode()).hexdigest()
    file = folder / _CACHE
    # Whatever cannot be used is the same as nothing.
    with suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(file.read_text("utf-8"))
        if known["layers"] == key:
            return str(known["packages"])
    packages = ask()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"layers": key, "packages": packages}) + "\n", "utf-8")
    return packages
