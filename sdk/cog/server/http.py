"""`python -m cog.server.http`: serves the model that the image names."""

from __future__ import annotations

import sys

from coglet import server


def main(arguments: list[str] | None = None) -> None:
    """Serve until asked to stop; the server parses the flags. Raises SystemExit with a nonzero exit code."""
    server._run_command(sys.argv[1:] if arguments is None else arguments, "python -m cog.server.http")


if __name__ == "__main__":
    main()
