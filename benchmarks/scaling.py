"""How time and memory grow with the batch: exponents fitted over N.

python -m benchmarks.scaling    the table in data/results/scaling.csv

Chapter 11 draws the figure from it.
"""

import argparse
import math

from benchmarks.measure import (
    batch,
    in_own_process,
    medians,
    print_table,
    step,
    store,
)
from snnl_tutorial import soft_nearest_neighbor_loss

ROWS = [2048, 4096, 8192, 16384, 32768, 65536]
COLUMNS = 64


def exponent(sizes: list[int], values: list[float]) -> float:
    """The slope of log(value) over log(size), by least squares."""
    x, y = ([math.log(number) for number in some] for some in (sizes, values))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    over = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return over / sum((a - mean_x) ** 2 for a in x)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--repeats", type=int, default=7, help="at least 7 to store")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dry-run", action="store_true", help="store nothing")
    options = parser.parse_args(arguments)
    table = []
    for rows in options.rows:
        run = step(soft_nearest_neighbor_loss, *batch(rows, COLUMNS, options.device))
        label = f"N={rows}"
        seconds = medians({"ours": run}, options.repeats, label, options.device)["ours"]
        words = ["--one", "ours", "--rows", str(rows), "--columns", str(COLUMNS)]
        words += ["--device", options.device]
        peak = in_own_process("benchmarks.memory", words)["peak"]
        table.append({"N": rows, "D": COLUMNS, "seconds": seconds, "peak_bytes": peak})
    print_table(table)
    sizes = [line["N"] for line in table]
    for what in ("seconds", "peak_bytes"):
        print(f"{what}: N^{exponent(sizes, [line[what] for line in table]):.2f}")
    if not options.dry_run:
        print(store("scaling", table, options.device))


if __name__ == "__main__":
    main()
