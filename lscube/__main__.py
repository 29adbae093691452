"""`python -m lscube`, and the program `lscube`."""

import os
import sys


def run() -> None:
    """Run the command line and leave with its exit code."""
    # TensorFlow speaks up about this machine's processor on import; its errors still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from lscube.cli import main

    sys.exit(main())


if __name__ == "__main__":
    run()
