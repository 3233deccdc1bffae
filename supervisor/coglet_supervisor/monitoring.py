"""The metrics of one server: what is counted, the last hour, and where both can be read."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.http.access import Access, is_loopback
from coglet_supervisor.http.counted import ResponseCounts
from coglet_supervisor.http.server import HttpServer
from coglet_supervisor.metrics.counts import Counts
from coglet_supervisor.metrics.exposition import Exposition
from coglet_supervisor.metrics.history import History
from coglet_supervisor.metrics.machine import Machine
from coglet_supervisor.pages.metrics import MetricsApp, MetricsRoute
from coglet_supervisor.predictions.observer import EndObserver
from coglet_supervisor.settings import Settings


class Monitoring:
    """Counts runs in `observers`, and requests. With `COG_METRICS=off`, it does nothing.

    `listener` is the socket of a port of its own, if the metrics have one.
    """

    def __init__(self, settings: Settings, listener: socket.socket | None) -> None:
        self._settings = settings
        self._listener = listener
        self._counts = Counts(settings.metrics_export) if settings.metrics is not False else None
        self._history = History(self._counts) if self._counts is not None else None

    @property
    def observers(self) -> Sequence[EndObserver]:
        """What observes the ends of all runs."""
        return () if self._counts is None else (self._counts,)

    @property
    def history(self) -> History | None:
        """The last hour, unless metrics are off."""
        return self._history

    @property
    def response_counts(self) -> ResponseCounts | None:
        """Where responses are counted."""
        return None if self._counts is None else self._counts.requests

    def route(self, machine: Machine) -> MetricsRoute | None:
        """Return the route GET /metrics of the server's own port, or None if it has none."""
        if self._counts is None or self._listener is not None:
            return None
        return MetricsRoute(Exposition(self._counts, machine))

    def tasks(
        self, machine: Machine, clients: ClientTasks, stopped: Callable[[], Awaitable[Any]]
    ) -> list[Coroutine[Any, Any, None]]:
        """Return what runs until `stopped()` returns: the history, and the port of its own."""
        if self._counts is None or self._history is None:
            return []
        running = [self._history.run(machine, stopped)]
        if self._listener is not None:
            settings = self._settings
            access = Access(None, is_loopback(settings.metrics_host), settings.allowed_hosts)
            app = MetricsApp(MetricsRoute(Exposition(self._counts, machine)), access)
            http = HttpServer(app, clients, settings.max_connections)
            running.append(http.serve(self._listener, stopped))
        return running
