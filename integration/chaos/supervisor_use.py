"""What the server process itself holds: descriptors and memory."""

from dataclasses import dataclass
from typing import Final

import psutil
from testing.server import Server

# Connections that are kept open to the receiver, and what uvloop keeps for its next use.
_SPARE_DESCRIPTORS: Final = 40
# Modules that are imported when first needed, and what the allocator keeps between blocks in use. A leak of
# single predictions is seen in integration/hardening/test_load.py, which is far stricter.
_SPARE_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Use:
    """At one moment."""

    descriptors: int
    resident_bytes: int

    @classmethod
    def of(cls, server: Server) -> "Use":
        """Now."""
        process = psutil.Process(server.process.pid)
        return cls(process.num_fds(), process.memory_info().rss)

    def is_near(self, before: "Use") -> bool:
        """True when no more is held than `before`, but for what is kept for the next use."""
        return (
            self.descriptors <= before.descriptors + _SPARE_DESCRIPTORS
            and self.resident_bytes <= before.resident_bytes + _SPARE_BYTES
        )
