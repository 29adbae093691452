"""Measure, print a table, write `bench.json`: `make bench`, or a row by its name."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import inventories, learning, predicting, reading, scaling
from tests.benchmarks.measure import Row, at_most, command, hardware, seconds_of


def import_seconds() -> Row:
    """`import lscube` in a fresh process, less what an empty one takes."""
    empty = seconds_of(command(sys.executable, "-c", "pass"), 10)
    full = seconds_of(command(sys.executable, "-c", "import lscube"), 10)
    bare = sorted(empty)[len(empty) // 2]
    return at_most("import_seconds", "s", 0.3, [max(0.0, value - bare) for value in full])


def help_seconds() -> Row:
    """`lscube --help`, the whole process."""
    return at_most(
        "help_seconds", "s", 0.7, seconds_of(command(sys.executable, "-m", "lscube", "--help"), 10)
    )


def demo_seconds() -> Row:
    """`lscube demo`, the whole process."""

    def demo() -> None:
        with tempfile.TemporaryDirectory() as folder:
            command(sys.executable, "-m", "lscube", "demo", "--out", f"{folder}/demo")()

    return at_most("demo_seconds", "s", 600, seconds_of(demo, 1, warm_up=0))


ROWS: dict[str, Callable[[], Row]] = {
    row.__name__: row
    for row in (
        import_seconds,
        help_seconds,
        demo_seconds,
        reading.read_native_vs_odc,
        reading.read_native_vs_rasterio,
        reading.cube_native_vs_odc,
        reading.read_6m_vs_stackstac,
        reading.read_6m_vs_odc,
        reading.cube_6m_vs_odc,
        reading.cube_memory_16x,
        reading.cube_tasks_per_chunk,
        learning.loader_vs_xbatcher,
        learning.loader_vs_memory,
        learning.loader_patches_per_second,
        learning.loader_first_epoch,
        learning.train_input_wait,
        learning.train_patches_per_second,
        predicting.predict_fast_vs_notebook,
        predicting.predict_network_share,
        predicting.km2_per_core_hour,
        predicting.predict_mode_difference,
        predicting.predict_mode_flips,
        predicting.predict_mode_mcc,
        predicting.light_vs_fast,
        predicting.light_mcc_loss,
        predicting.plan_seconds_error,
        predicting.plan_memory_error,
        scaling.predict_memory_16x,
        scaling.predict_tasks_per_chunk,
        scaling.predict_null_model,
        scaling.predict_null_scheduler_memory,
        inventories.inventory_vs_shapes,
        inventories.inventory_seconds,
        inventories.inventory_memory,
        inventories.inventory_memory_vs_shapes,
    )
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="default: all")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    print(hardware())
    print(f"{'name':26}{'median':>10} {'unit':5}{'target':>10}  {'holds':6}{'runs':>4}  min .. max")
    rows = []
    for name in options.rows or ROWS:
        row = ROWS[name]().as_dict()
        rows.append(row)
        print(
            f"{row['name']:26}{row['median']:10.3f} {row['unit']:5}{row['target']:>10}  "
            f"{'yes' if row['holds'] else 'NO':6}{row['runs']:4}  "
            f"{row['minimum']:.3f} .. {row['maximum']:.3f}",
            flush=True,
        )
    options.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
