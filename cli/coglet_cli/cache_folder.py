"""The cache folder of the command line: Python environments and weights, which can be recreated."""

from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return `COG_CACHE_DIR`, else `cog` in the user's cache folder.

    Source: XDG Base Directory Specification 0.8.
    """
    if own := environ.get("COG_CACHE_DIR"):
        return Path(own).expanduser().absolute()
    xdg = Path(environ.get("XDG_CACHE_HOME", ""))
    # The specification says to ignore relative paths.
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "cog"
