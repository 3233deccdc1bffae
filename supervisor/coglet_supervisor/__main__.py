"""`python -m coglet_supervisor`: the prediction server, configured by flags and the environment."""

import sys

from coglet_supervisor.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], "coglet_supervisor"))
