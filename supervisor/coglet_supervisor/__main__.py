"""`python -m coglet_supervisor`: the prediction server, configured by flags and the environment."""

import sys

from coglet_supervisor.model_folder import forget_current_folder

if __name__ == "__main__":
    forget_current_folder()
    # Imported only now: a file in the current folder could shadow this module.
    from coglet_supervisor.command_line import main

    sys.exit(main(sys.argv[1:], "coglet_supervisor"))
