"""`python -m coglet_worker`: a worker on stdin and stdout, as the supervisor starts it."""

import os

from coglet_protocol.standard_streams import fill_standard_streams
from coglet_worker.guard import start_guard


def main() -> None:
    """Run one worker and exit the process."""
    fill_standard_streams()
    guard = start_guard(control_in=0)
    # Not at the top: the guard is forked and would keep in memory all that was imported before.
    from coglet_worker.worker import main as run_worker

    # Not `sys.exit`: what the model leaves behind could keep the process alive.
    os._exit(run_worker(guard))


if __name__ == "__main__":
    main()
