r"""Train the models that ship with lscube, on chips, pairs and simulated twins.

An interrupted training goes on when it is called again; its patches and its state lie in OUT.training.

Example:
  python pipelines/train_shipped_model.py pipelines/configs/shipped.toml --chips CHIPS --places PLACES.csv \
      --pairs PAIRS --surfaces SURFACES --twins TWINS --out OUT
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lscube import shipping
from lscube.errors import LscubeError, exit_code
from lscube.settings import load_curriculum


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("curriculum", type=Path, help="TOML file with [stock] and [school]")
    parser.add_argument("--chips", type=Path, required=True, help="folder with the NPZ files")
    parser.add_argument("--places", type=Path, required=True, help="where the chips lie (CSV)")
    parser.add_argument("--pairs", type=Path, help="folder with pairs (NPZ)")
    parser.add_argument("--surfaces", type=Path, help="folder with surface models (GeoTIFF)")
    parser.add_argument("--twins", type=Path, required=True, help="folder of simulated twins")
    parser.add_argument("--from", dest="parent", type=Path, help="saved model to begin from")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to make, with standard and light in it"
    )
    parser.add_argument("--test", action="store_true", help="score on the test data; do so once")
    options = parser.parse_args(argv)
    try:
        curriculum = load_curriculum(options.curriculum)
        materials = shipping.Materials(
            options.chips, options.places, options.twins, options.pairs, options.surfaces
        )
        stocks = shipping.prepare(curriculum, materials, options.out)
        models = shipping.train(curriculum, stocks, options.out, print, options.parent)
        for model in models:
            print(f"{model.folder.name}: threshold {model.card.threshold:g}, {model.card.scores}")
        if options.test:
            shipping.test(curriculum, models, materials)
    except LscubeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return exit_code(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
