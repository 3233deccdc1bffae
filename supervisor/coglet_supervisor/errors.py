"""What the supervisor tells a person who can act on it."""


class StartupError(Exception):
    """The server cannot start; the text says why and what to change. Exit code 1."""
