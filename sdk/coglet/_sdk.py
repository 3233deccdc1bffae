"""The names that `cog` and third parties import from the runtime."""

from coglet._metrics import MetricRecorder as MetricRecorder
from coglet._scope import Scope as Scope
from coglet._scope import current_scope as current_scope
from coglet._streams import _SlotLogWriter as _SlotLogWriter
from coglet._streams import _TeeWriter as _TeeWriter
