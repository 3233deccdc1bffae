"""The release, as the health check and discovery report it."""

import functools
import importlib.metadata
import platform

import msgspec


class Versions(msgspec.Struct, kw_only=True, frozen=True):
    """The `version` object of the health report."""

    coglet: str
    python_sdk: str
    python: str


@functools.cache
def versions() -> Versions:
    """Return the versions of this process. SDK and runtime are one distribution."""
    try:
        release = importlib.metadata.version("pycoglet")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that was not installed
        release = "0.0.0+unknown"
    return Versions(coglet=release, python_sdk=release, python=platform.python_version())
