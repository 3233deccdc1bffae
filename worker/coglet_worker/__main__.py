"""`python -m coglet_worker`: a worker on stdin and stdout, as the supervisor starts it."""

import os

from coglet_protocol.standard_streams import fill_standard_streams
from coglet_worker.guard import start_guard


def main() -> None:
    """Runs one worker and ends the process."""
    fill_standard_streams()
    guard = start_guard(control_in=0)
    # Now, because the guard would have to keep what was imported before.
    from coglet_worker.worker import main as run_worker

    # Not `sys.exit`: what the model leaves behind could keep a process that nobody serves.
    os._exit(run_worker(guard))


if __name__ == "__main__":
    main()
