"""`coglet.api`: the public names of `cog`, for models written against the older shim."""

from __future__ import annotations

import cog
from cog import __all__ as __all__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cog import *  # noqa: F403
else:

    def __getattr__(name):
        return getattr(cog, name)  # on access, because deprecated names then print a notice
