"""Keeps modules of the model's folder out of the server's imports: a `json.py` is for the worker alone.

`python -m` puts the current folder, which is the model's, at the front of `sys.path`.
"""

import os
import sys

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def forget_current_folder() -> None:
    """Remove the current folder from `sys.path`, and modules that were imported from it already."""
    if getattr(sys.flags, "safe_path", sys.flags.isolated) or not sys.path:
        return
    folder = os.getcwd()
    if sys.path[0] == folder != _OURS:
        del sys.path[0]
        for name, module in list(sys.modules.items()):
            if os.path.dirname(getattr(module, "__file__", None) or "") == folder:
                del sys.modules[name]
