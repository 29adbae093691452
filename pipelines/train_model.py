"""Train a model on one event's inventory and save it.

Example: python pipelines/train_model.py job.toml --data DATA --out MODEL
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lscube import jobs, load_job
from lscube.errors import LscubeError, exit_code


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path, help="TOML file with the job's settings")
    parser.add_argument("--data", type=Path, help="folder that the job's paths start from")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model to make")
    options = parser.parse_args(argv)
    try:
        model = jobs.train([load_job(options.job, options.data)], options.out)
    except LscubeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return exit_code(error)
    print(f"Validation loss {model.card.scores['val_loss']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
