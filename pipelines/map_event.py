"""Map one event: train on a part of it (or take a saved model), map it, evaluate the rest.

Example:
  python pipelines/map_event.py pipelines/configs/iburi-2018.toml --model standard --data DATA --out OUT
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lscube import jobs, load_job, load_model
from lscube.cluster import connect
from lscube.cube import unreadable_items
from lscube.errors import PARTIAL, LscubeError, exit_code
from lscube.logs import say


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path, help="TOML file with the job's settings")
    parser.add_argument("--data", type=Path, help="folder that the job's paths start from")
    parser.add_argument("--model", type=Path, help="saved model; without it one is trained")
    parser.add_argument(
        "--cluster", "--scheduler", help="where it maps, as `lscube predict --cluster`"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    options = parser.parse_args(argv)
    try:
        job = load_job(options.job, options.data)
        options.out.mkdir(parents=True, exist_ok=True)
        folder = options.model or options.out / "model"
        # A model that a run before this one finished is not trained again.
        model = (
            load_model(folder) if options.model or folder.exists() else jobs.train([job], folder)
        )
        store = options.out / "probability.zarr"
        with connect(options.cluster or job.cluster, say) as client:
            mapped = jobs.predict(job, model, store, client)
        if job.labels:
            written = (options.out / name for name in ("scores.json", "quicklook.png"))
            scores = jobs.evaluate(job, store, *written, [folder])
            print(f"MCC {scores['mcc']:.3f}, brightness threshold {scores['baseline']['mcc']:.3f}")
    except LscubeError as error:
        say(f"Error: {error}")
        return exit_code(error)
    if lost := unreadable_items(mapped):
        print(f"Incomplete: items that could not be read: {lost}", file=sys.stderr)
    return PARTIAL if lost else 0


if __name__ == "__main__":
    sys.exit(main())
