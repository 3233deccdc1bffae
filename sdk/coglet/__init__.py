"""The runtime as model code sees it: cancels, the running prediction, and a server to start."""

from coglet import _sdk as _sdk  # models look for it after `import coglet` alone
from coglet._build import __build__
from coglet._exceptions import CancelationException
from coglet._runtime import active as active
from coglet._version import __version__
from coglet.server import server  # replaces the submodule: `coglet.server` is this object

__all__ = ["CancelationException", "__build__", "__version__", "server"]
