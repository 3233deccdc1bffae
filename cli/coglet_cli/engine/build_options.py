"""Options that apply to every build."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PLATFORM: Final = "linux/amd64"


@dataclass(frozen=True)
class BuildOptions:
    """The options of a build. `timestamp` (Unix time) is passed to tools that write the time into files."""

    no_cache: bool = False
    platform: str = PLATFORM
    timestamp: int | None = None

    @property
    def arguments(self) -> Mapping[str, str]:
        """Build arguments for the Dockerfile."""
        return {} if self.timestamp is None else {"SOURCE_DATE_EPOCH": str(self.timestamp)}
