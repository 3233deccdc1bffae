"""Why a scenario has no figure for a server."""


class NoResult(Exception):
    """The response was wrong or missing, or the server did not start: a measured time would mean nothing."""


class Skipped(Exception):
    """The server lacks the feature that the scenario measures; the text says how that was detected."""


def require(condition: bool, complaint: str) -> None:
    """Raise `NoResult` with the complaint unless the condition holds."""
    if not condition:
        raise NoResult(complaint)
