"""Forward and backward of the loss: ours, the published form, NCALoss, and the floor.

python -m benchmarks.loss                the table in data/results/loss.csv
python -m benchmarks.loss --device cuda  on a GPU, in data/results/loss-cuda.csv
python -m benchmarks.loss --rows 128 1024 --columns 30 --repeats 21 --dry-run

The floor is two bare matrix products: rows with rows, and the result with rows. No
loss that looks at every pair can do with much less. The rows are of 10 classes.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from pytorch_metric_learning.losses import NCALoss

from benchmarks.measure import (
    GIB,
    LEAST_REPEATS,
    batch,
    medians,
    parse,
    print_table,
    step,
    store,
)
from snnl_tutorial import soft_nearest_neighbor_loss
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
)

ROWS = [128, 256, 512, 1024, 2048, 4096, 8192, 16384]
COLUMNS = [30, 500, 2000]
MATRICES = 10
"""N x N matrices that the published form and NCALoss hold at a time, about."""


def floor(rows: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Two bare products."""
    return lambda: (rows @ rows.T) @ rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loss")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--columns", type=int, nargs="+", default=COLUMNS)
    parser.add_argument("--repeats", type=int, default=7, help="at least 7 to store")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--limit", type=float, default=12.0, help="GiB for the others")
    parser.add_argument("--dry-run", action="store_true", help="store nothing")
    options = parse(parser, arguments)
    table = []
    for columns in options.columns:
        for rows in options.rows:
            x, labels = batch(rows, columns, options.device)
            contenders: dict[str, Callable[[], Any]] = {
                "ours": step(soft_nearest_neighbor_loss, x, labels)
            }
            if MATRICES * 4 * rows**2 <= options.limit * GIB:
                published = published_soft_nearest_neighbor_loss
                contenders["published"] = step(published, x, labels)
                contenders["nca"] = step(NCALoss(), x, labels)
            contenders["floor"] = floor(x)
            # Small batches are quick, and their times vary more.
            repeats = max(options.repeats, min(51, 60_000 // rows))
            if options.repeats < LEAST_REPEATS:
                repeats = options.repeats
            label = f"N={rows} D={columns}"
            seconds = medians(contenders, repeats, label, options.device)
            ours = seconds["ours"]
            others = {
                f"{name}/ours": seconds[name] / ours if name in seconds else ""
                for name in ("published", "nca")
            }
            table.append(
                {
                    "N": rows,
                    "D": columns,
                    "repeats": repeats,
                    "ours_ms": 1e3 * ours,
                    **others,
                    "ours/floor": ours / seconds["floor"],
                }
            )
    print_table(table)
    if not options.dry_run:
        print(store("loss", table, options.device))


if __name__ == "__main__":
    main()
