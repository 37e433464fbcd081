"""`python -m watchfloor`, where the command is not on the path."""

import sys

from watchfloor.cli import main

if __name__ == "__main__":
    sys.exit(main())
