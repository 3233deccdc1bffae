"""`python -m coglet_cli` is `cog`."""

import sys

from coglet_cli.main import main

sys.exit(main())
