"""Where the command line keeps what it can make again: environments and weights."""

from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str]) -> Path:
    """`COG_CACHE_DIR`, else `cog` in the user's cache folder (XDG Base Directory Specification 0.8)."""
    if own := environ.get("COG_CACHE_DIR"):
        return Path(own).expanduser().absolute()
    xdg = Path(environ.get("XDG_CACHE_HOME", ""))
    # The specification has relative paths ignored.
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "cog"
