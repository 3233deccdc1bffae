"""A model that runs code from the test, so that a table of cases needs one worker, not one per row."""

import textwrap
from dataclasses import dataclass
from typing import Final

from testing.prediction import Prediction
from testing.worker import Worker

# Each prediction has a working directory of its own. `body` may return, yield and, if it is async, await.
_MODEL: Final = """
    import tempfile, os

    class Runner:
        {prefix}def run(self, code: str, arguments: dict):
            os.chdir(tempfile.mkdtemp(dir=home))
            names = {{}}
            exec(code, names)
            result = names["body"](**arguments)
            {give}

    home = os.getcwd()
"""
SYNC: Final = _MODEL.format(prefix="", give="return result")
ASYNC: Final = _MODEL.format(
    prefix="async ", give="return await result if hasattr(result, '__await__') else result"
)


@dataclass(frozen=True)
class Scripted:
    """A worker with such a model. `preamble` is source that all bodies of a test share."""

    worker: Worker
    is_async: bool

    def start(self, body: str, preamble: str = "", **arguments: object) -> Prediction:
        """Start a prediction that runs `body`, the body of a function."""
        keyword = "async def" if self.is_async else "def"
        function = (
            f"{keyword} body({', '.join(arguments)}):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
        )
        code = f"{textwrap.dedent(preamble)}\n{function}\n"
        return self.worker.predict(code=code, arguments=arguments)
