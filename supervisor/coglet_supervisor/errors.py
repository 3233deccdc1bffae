"""Errors that the operator of the server can fix."""


class StartupError(Exception):
    """The server cannot start (exit code 1). The text says why and what to change."""
