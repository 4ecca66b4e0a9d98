"""How time and memory grow with the batch: exponents fitted over N.

python -m benchmarks.scaling    the table in data/results/scaling.csv

Chapter 11 draws the figure from it. Measured with block_size=512, where no tile is
kept; by default tiles are kept for backward while that takes less than 256 MiB, which
is faster and makes a bump in the memory. Its peak stands beside.
"""

import argparse
import math

import torch

from benchmarks.measure import (
    batch,
    in_own_process,
    medians,
    parse,
    print_table,
    step,
    store,
)
from benchmarks.memory import LOSSES, measure_loss

ROWS = [2048, 4096, 8192, 16384, 32768, 65536]
COLUMNS = 64


def exponent(sizes: list[int], values: list[float]) -> float:
    """The slope of log(value) over log(size), by least squares."""
    x, y = ([math.log(number) for number in some] for some in (sizes, values))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    over = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return over / sum((a - mean_x) ** 2 for a in x)


def peak(name: str, rows: int, device: str) -> float:
    """Peak bytes of a step: on a CPU from a process of its own, a GPU keeps count."""
    if torch.device(device).type == "cuda":
        return measure_loss(name, rows, COLUMNS, device)["peak"]
    words = ["--one", name, "--rows", str(rows), "--columns", str(COLUMNS)]
    words += ["--device", device]
    return in_own_process("benchmarks.memory", words)["peak"]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--repeats", type=int, default=7, help="at least 7 to store")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dry-run", action="store_true", help="store nothing")
    options = parse(parser, arguments)
    table = []
    for rows in options.rows:
        run = step(LOSSES["tiles"], *batch(rows, COLUMNS, options.device))
        label = f"N={rows}"
        times = medians({"tiles": run}, options.repeats, label, options.device)
        tiles, ours = (peak(name, rows, options.device) for name in ("tiles", "ours"))
        table.append(
            {
                "N": rows,
                "D": COLUMNS,
                "repeats": options.repeats,
                "seconds": times["tiles"],
                "peak_bytes": tiles,
                "peak_bytes_default": ours,
            }
        )
    print_table(table)
    sizes = [line["N"] for line in table]
    for what in ("seconds", "peak_bytes"):
        print(f"{what}: N^{exponent(sizes, [line[what] for line in table]):.2f}")
    if not options.dry_run:
        print(store("scaling", table, options.device))


if __name__ == "__main__":
    main()
