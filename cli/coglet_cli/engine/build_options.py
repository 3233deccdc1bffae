"""How an engine builds, whatever it builds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PLATFORM: Final = "linux/amd64"


@dataclass(frozen=True)
class BuildOptions:
    """`timestamp`, in Unix time, is for tools that would else write the time of the build into files."""

    no_cache: bool = False
    platform: str = PLATFORM
    timestamp: int | None = None

    @property
    def arguments(self) -> Mapping[str, str]:
        """The build arguments of a Dockerfile."""
        return {} if self.timestamp is None else {"SOURCE_DATE_EPOCH": str(self.timestamp)}
