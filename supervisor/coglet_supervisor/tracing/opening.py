"""Opens the traces of a server, if its settings ask for them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.http.request import Application
from coglet_supervisor.outgoing.client import Outgoing
from coglet_supervisor.predictions.observer import RunObserver
from coglet_supervisor.predictions.resources import FileStore
from coglet_supervisor.predictions.tracer import NO_TRACER
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.settings import Settings

if TYPE_CHECKING:
    from coglet_supervisor.tracing.traced import Traced

log = logging.getLogger(__name__)

INSTALL: Final = "pip install 'pycoglet[otel]'"


class Untraced:
    """The parts of a server without traces: as they are."""

    runs: Final = NO_TRACER
    observers: Final[tuple[RunObserver, ...]] = ()

    def app(self, app: Application) -> Application:
        """See Traced."""
        return app

    def outgoing(self, guard: UrlGuard, name: str) -> Outgoing:
        """See Traced."""
        return Outgoing(guard)

    def store(self, store: FileStore) -> FileStore:
        """See Traced."""
        return store

    async def close(self, limit_s: float) -> None:
        """See Traced."""


async def open_tracing(settings: Settings, server_log: ServerLog) -> Traced | Untraced:
    """Return the parts with traces if they are on; else, or if that is not possible, those without.

    Importing OpenTelemetry takes half a second, in a thread.
    """
    if settings.traces == "none":
        return Untraced()
    try:
        traced = await asyncio.to_thread(_open, settings)
    except ImportError as error:
        log.warning("traces are off, because OpenTelemetry is not installed (%s): %s", error, INSTALL)
    except (ValueError, RuntimeError) as error:
        log.warning("traces are off, because OpenTelemetry cannot be set up: %s", error)
    else:
        server_log.correlate(traced.runs.log_fields)
        return traced
    return Untraced()


def _open(settings: Settings) -> Traced:
    from coglet_supervisor.tracing.traced import Traced

    return Traced(settings)
