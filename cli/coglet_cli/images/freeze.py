"""The output of `pip freeze` in an image, cached by the layers below the source."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_CACHE: Final = ".cog/cache/pip_freeze.json"


def cached_freeze(folder: Path, layers: Sequence[str], ask: Callable[[], str]) -> str:
    """Return the cached list of packages if it is for these layers, else call `ask` and cache its result."""
    key = hashlib.sha256("\n".join(layers).encode()).hexdigest()
    file = folder / _CACHE
    # An unusable cache file counts as absent.
    with suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(file.read_text("utf-8"))
        if known["layers"] == key:
            return str(known["packages"])
    packages = ask()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"layers": key, "packages": packages}) + "\n", "utf-8")
    return packages
