"""Errors of the communication between supervisor and worker."""

from coglet_protocol.limits import MAX_FRAME_BYTES


class ProtocolError(Exception):
    """Base of all wire errors; the stream it came from is unusable."""


class FrameTooLarge(ProtocolError):
    """The peer announced, or the caller wanted to send, a payload above the frame limit."""

    def __init__(self, length_bytes: int) -> None:
        super().__init__(f"frame of {length_bytes} bytes, the limit is {MAX_FRAME_BYTES}")


class VersionMismatch(ProtocolError):
    """Supervisor and worker come from releases that do not understand each other."""

    def __init__(self, ours: int, theirs: int) -> None:
        super().__init__(
            f"protocol version {theirs} received, this side uses version {ours}; "
            "install the same pycoglet in the worker's and the supervisor's environment"
        )


class SpillError(ProtocolError):
    """A payload that was passed in a file could not be read; concerns one prediction only."""
