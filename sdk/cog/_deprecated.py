"""Deprecated names; `cog.__getattr__` prints the notice at the first access."""

from __future__ import annotations

from coglet._scope import current_scope

NOTICES = {
    "ExperimentalFeatureWarning": (
        "cog: ExperimentalFeatureWarning is deprecated and will be removed in a future release. Remove "
        "`ExperimentalFeatureWarning` from your imports and any associated "
        "`warnings.filterwarnings(...)` calls."
    ),
    "emit_metric": (
        "cog: emit_metric() is deprecated and will be removed in a future release. "
        "Use current_scope().record_metric(name, value) instead."
    ),
}


class ExperimentalFeatureWarning(FutureWarning):
    """No longer issued; models import it to filter it."""


def emit_metric(name: str, value: float) -> None:
    """Record a metric: the former spelling of `current_scope().record_metric(name, value)`."""
    current_scope().record_metric(name, value)
