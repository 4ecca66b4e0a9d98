"""Peak memory: a batch of 65,536, and the entanglement of all 60,000 MNIST images.

python -m benchmarks.memory              the table in data/results/memory.csv
python -m benchmarks.memory --mnist DIR  with MNIST's raw idx files from there

Every figure comes from a process of its own and is counted above the inputs.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks.measure import (
    GIB,
    batch,
    in_own_process,
    peak_memory,
    print_table,
    step,
    store,
)
from snnl_tutorial import entanglement, soft_nearest_neighbor_loss
from snnl_tutorial.datasets.cache import read_source
from snnl_tutorial.datasets.idx import read_idx
from snnl_tutorial.datasets.registry import full_set
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
)

LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "ours": soft_nearest_neighbor_loss,
    "tiles": partial(soft_nearest_neighbor_loss, block_size=512),  # none is kept
    "published": published_soft_nearest_neighbor_loss,
}


def measure_loss(name: str, rows: int, columns: int, device: str) -> dict[str, float]:
    """Seconds and peak bytes of forward and backward in this process."""
    run = step(LOSSES[name], *batch(rows, columns, device))
    step(LOSSES[name], *batch(8, columns, device))()  # loads what a first call loads
    start = time.perf_counter()
    peak = peak_memory(run, device)
    return {"seconds": time.perf_counter() - start, "peak": peak}


def mnist(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """The 60,000 training images as rows in [0, 1], and their digits."""
    full = full_set("mnist")

    def read(kind: str) -> torch.Tensor:
        content = read_source(folder, full.splits["train"][kind], full)
        return torch.from_numpy(read_idx(content).copy())

    try:
        return read("images").flatten(1).float() / 255, read("labels").long()
    except (OSError, ValueError) as error:
        raise SystemExit(f"--mnist: {error}") from error


def measure_entanglement(folder: Path, device: str) -> dict[str, float]:
    """Seconds, peak bytes and what was found, in this process."""
    images, labels = (tensor.to(device) for tensor in mnist(folder))
    entanglement(images[:50], labels[:50])
    found = []
    start = time.perf_counter()
    peak = peak_memory(lambda: found.append(entanglement(images, labels)), device)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak": peak, **found[0]._asdict()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory")
    parser.add_argument("--rows", type=int, default=65_536)
    parser.add_argument("--columns", type=int, default=64)
    parser.add_argument("--mnist", type=Path, help="folder of the raw idx files")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dry-run", action="store_true", help="store nothing")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    rows, columns, device = options.rows, options.columns, options.device
    if options.one == "entanglement":
        print(json.dumps(measure_entanglement(options.mnist, device)))
        return
    if options.one:
        print(json.dumps(measure_loss(options.one, rows, columns, device)))
        return

    def measured(name: str, n: int) -> dict[str, float]:
        words = ["--one", name, "--rows", str(n), "--columns", str(columns)]
        return in_own_process("benchmarks.memory", [*words, "--device", device])

    ours = measured("ours", rows)
    small = 4096
    published = measured("published", small)["peak"] * (rows / small) ** 2
    what = f"loss and gradient, D={columns}"
    computed = f"computed from its peak at N={small}"
    table = [
        row(what, "ours", rows, ours["peak"], ours["seconds"], "measured"),
        row(what, "published", rows, published, "", computed),
    ]
    if options.mnist:
        words = ["--one", "entanglement", "--mnist", str(options.mnist.resolve())]
        found = in_own_process("benchmarks.memory", [*words, "--device", device])
        what = "entanglement of MNIST's training images"
        line = row(what, "ours", 60_000, found["peak"], found["seconds"], "measured")
        names = ("value", "temperature", "chance")
        table = [{**line, **dict.fromkeys(names, "")} for line in table]
        table.append({**line, **{name: found[name] for name in names}})
    print_table(table)
    if not options.dry_run:
        print(store("memory", table, device))


def row(
    what: str, who: str, rows: int, peak: float, seconds: float | str, how: str
) -> dict[str, object]:
    """A row of the table."""
    return {
        "what": what,
        "who": who,
        "N": rows,
        "peak_gib": peak / GIB,
        "seconds": seconds,
        "how": how,
    }


if __name__ == "__main__":
    main()
