"""Why a scenario has no figure for a server."""


class NoResult(Exception):
    """The server gave a wrong answer, none, or did not start; a time without the work is no result."""


class Skipped(Exception):
    """The server does not offer what the scenario measures; the text says how that showed."""


def require(condition: bool, complaint: str) -> None:
    """Raises `NoResult` with the complaint unless the condition holds."""
    if not condition:
        raise NoResult(complaint)
