"""Resource use of the server process itself: descriptors and memory."""

from dataclasses import dataclass
from typing import Final

import psutil
from testing.server import Server

# Keep-alive connections to the receiver, and descriptors that uvloop keeps for reuse.
_ALLOWED_DESCRIPTORS: Final = 40
# Modules that are imported lazily, and fragmentation in the allocator. A leak of
# single predictions is seen in integration/hardening/test_load.py, which is far stricter.
_ALLOWED_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Use:
    """A snapshot."""

    descriptors: int
    resident_bytes: int

    @classmethod
    def of(cls, server: Server) -> "Use":
        """Take a snapshot of the server process."""
        process = psutil.Process(server.process.pid)
        return cls(process.num_fds(), process.memory_info().rss)

    def is_near(self, before: "Use") -> bool:
        """Return whether no more is held than `before`, apart from the allowances for caches."""
        return (
            self.descriptors <= before.descriptors + _ALLOWED_DESCRIPTORS
            and self.resident_bytes <= before.resident_bytes + _ALLOWED_BYTES
        )
