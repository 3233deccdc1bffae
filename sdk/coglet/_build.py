"""Information about this build, in the shape that callers of the Rust runtime read."""

from __future__ import annotations

from coglet._version import __version__


class BuildInfo:
    """Origin of this runtime. Frozen; a pure-Python build has no compiler and records no commit."""

    __slots__ = ()

    version: str = __version__
    git_sha: str = "unknown"
    dirty: bool = False
    build_time: str = "unknown"
    rustc_version: str = "none"

    def __repr__(self) -> str:
        names = ("version", "git_sha", "dirty", "build_time", "rustc_version")
        return f"BuildInfo({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


__build__ = BuildInfo()
