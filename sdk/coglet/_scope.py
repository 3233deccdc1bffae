"""The running prediction as model code sees it, and the context variable that binds code to it.

The worker calls `activate` before `run`, and `deactivate` when the prediction has ended. Code that runs in a
copy of the context (asyncio tasks, `asyncio.to_thread`) keeps the scope of its own prediction; there is no
fallback to another one.
"""

from __future__ import annotations

from contextvars import ContextVar

from coglet._metrics import MetricRecorder, new_recorder

TYPE_CHECKING = False  # importing typing would double the cost of `import coglet`
if TYPE_CHECKING:
    from coglet._metrics import Emit, MetricValue


class Scope:
    """Context and metrics of one prediction; get it from `cog.current_scope()`.

    Outside a prediction, and after its end, it is inactive: recording does nothing.
    """

    __slots__ = ("_context", "_emit", "_recorder")

    _context: dict[str, str]
    _emit: Emit | None
    _recorder: MetricRecorder | None

    def __init__(self) -> None:
        raise TypeError("cannot create 'Scope' instances; use cog.current_scope()")

    @property
    def context(self) -> dict[str, str]:
        """The request's `context`: the same dict for the whole prediction, empty outside one."""
        return self._context

    @property
    def metrics(self) -> MetricRecorder:
        """The recorder of this prediction."""
        # Made on first use: most predictions record nothing, and each one calls activate().
        if self._recorder is None:
            self._recorder = new_recorder(self._emit)
        return self._recorder

    def record_metric(self, key: str, value: MetricValue, mode: str | None = None) -> None:
        """Record a metric: shortcut for `scope.metrics.record(...)`."""
        self.metrics.record(key, value, mode)

    def __repr__(self) -> str:
        return f"Scope({self.metrics!r})"

    def _close(self) -> None:
        """Make this scope and its recorder inactive, also if the model has kept references to them."""
        self._emit = None
        if self._recorder is not None:
            self._recorder._emit = None


active_scope: ContextVar[Scope | None] = ContextVar("coglet_active_scope", default=None)


def current_scope() -> Scope:
    """Return the scope of the prediction that this code runs for, or an inactive one; never None."""
    return active_scope.get() or _new_scope({}, None)


def activate(context: dict[str, str], emit: Emit) -> Scope:
    """Bind the current execution context to a new prediction.

    `emit(name, value, mode)` is called for each accepted change of a metric, in the thread that made it.
    `mode` is `replace`, `increment` or `append`; `value` is a private copy in plain JSON types, None for a
    deletion.
    """
    scope = _new_scope(context, emit)
    active_scope.set(scope)
    return scope


def deactivate(scope: Scope) -> None:
    """Make `scope` inactive everywhere and unbind the current execution context."""
    scope._close()
    active_scope.set(None)


def _new_scope(context: dict[str, str], emit: Emit | None) -> Scope:
    scope = object.__new__(Scope)
    scope._context = context
    scope._emit = emit
    scope._recorder = None
    return scope
