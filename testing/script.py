"""Sends functions of a test to the script models, which run them as their prediction.

So a test shows in one place what the model does and what the client sees. A function is sent as its source
text: it can use what it imports itself, `memory` (a dict that lives as long as the model), and its arguments.
"""

import inspect
import textwrap
from collections.abc import Callable
from typing import Any, Final

# What the annotations of such functions may name.
_HEAD: Final = "from collections.abc import AsyncIterator, Iterator\nfrom typing import Any"


def script(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """The input that makes a script model run `function` with these arguments."""
    source = textwrap.dedent(inspect.getsource(function))
    code = f"{_HEAD}\n{source}\npredict = {function.__name__}\n"
    return {"code": code, "arguments": arguments}


def returning(expression: str, *imports: str) -> dict[str, Any]:
    """The input that makes a sync script model import modules and return the value of an expression."""
    lines = [f"import {module}" for module in imports]
    return {"code": "\n".join([*lines, f"def predict():\n    return {expression}"])}
