"""The version of the command line."""

from datetime import UTC, datetime
from importlib import metadata

DISTRIBUTION = "pycoglet"


def version_line() -> str:
    """Return `cog version 0.1.0 (built 2026-01-31T12:00:00Z)`, with the time of installation."""
    distribution = metadata.distribution(DISTRIBUTION)
    stamp = _installed_at(distribution)
    return f"cog version {distribution.version}" + (f" (built {stamp})" if stamp else "")


def _installed_at(distribution: metadata.Distribution) -> str | None:
    for file in distribution.files or ():
        if file.name == "METADATA":
            seconds = file.locate().stat().st_mtime  # type: ignore[attr-defined]
            return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return None
