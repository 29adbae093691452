"""`python -m lscube`, and the program `lscube`."""

import os
import signal
import sys


def run() -> None:
    """Run the command line and leave with its exit code."""
    # TensorFlow speaks up about this machine's processor on import; its errors still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # As Ctrl-C does: what is half made is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        from lscube.cli import main

        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    run()
