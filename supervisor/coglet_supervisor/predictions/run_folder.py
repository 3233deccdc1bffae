"""The folder of one run: a large input, and output files until they are delivered."""

import os
import shutil
from pathlib import Path
from typing import Final

from coglet_supervisor.cleaning import clean_up
from coglet_supervisor.client_tasks import StartTask


class RunFolder:
    """A folder in `parent` that is created when the first file is written.

    Named by number: a prediction id, which clients may choose, is never used as a path.
    """

    def __init__(self, parent: Path, sequence: int, start_task: StartTask) -> None:
        self.path: Final = f"{parent}/{sequence}"
        self._start_task = start_task

    def remove(self) -> None:
        """Remove it with all its files, which may take until after the call. Idempotent."""
        try:
            os.rmdir(self.path)
        except FileNotFoundError:
            pass  # nothing was spilled or copied
        except OSError:
            self._start_task(clean_up(lambda: shutil.rmtree(self.path, ignore_errors=True)))
