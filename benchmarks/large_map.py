"""A map of more than half a million rows, and a network that repeats it.

python -m benchmarks.large_map -o runs/large_map    data/results/large_map.csv

The rows are MNIST's 60,000 training images and, of each, the eight copies shifted by
one pixel: 128 principal components. The new rows are the 10,000 test images, so none
is a copy of a mapped one. Finished steps are kept in the folder: a run that was stopped
goes on. The full set is needed: snnl data fetch mnist.
"""

import argparse
import json
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from torch import Tensor

from benchmarks.measure import in_own_process, peak_memory, print_table, store
from snnl_tutorial.datasets.load import load_dataset
from snnl_tutorial.files import open_atomically, write_atomically
from snnl_tutorial.maps.repeat import MapNetwork, RepeatedMap, repeat_map
from snnl_tutorial.maps.scores import gap_share, neighbor_accuracy
from snnl_tutorial.maps.tsne import fit_map

COLUMNS = 128
COUNTS = [50_000, 100_000, 200_000, 540_000]
"""Rows of the maps, for the curve of cost."""
HIDDEN = (512, 512, 512)
LEAST_GAIN, STRETCH, HOURS = 0.001, 5, 2
"""The network trains until R2 gains less in so many epochs, or so long."""


def save_array(path: Path, array: np.ndarray) -> None:
    with open_atomically(path) as file:
        np.save(file, array)


def save_rows(folder: Path) -> None:
    """The rows, the new rows, and their labels, as files."""
    if (folder / "new_labels.npy").exists():
        return
    images, labels = load_dataset("mnist", "train", "full")
    new_images, new_labels = load_dataset("mnist", "test", "full")
    pca = PCA(COLUMNS, svd_solver="covariance_eigh").fit(images.flatten(1).numpy())
    steps = sorted(product((-1, 0, 1), repeat=2), key=lambda step: step != (0, 0))
    rows = [
        pca.transform(images.roll(step, dims=(1, 2)).flatten(1).numpy())  # dark edges
        for step in steps
    ]
    save_array(folder / "rows.npy", np.concatenate(rows).astype(np.float32))
    save_array(folder / "labels.npy", labels.repeat(len(steps)).numpy())
    new = pca.transform(new_images.flatten(1).numpy())
    save_array(folder / "new_rows.npy", new.astype(np.float32))
    save_array(folder / "new_labels.npy", new_labels.numpy())


def read(folder: Path, name: str) -> Tensor:
    """A stored array, of which only what is used is read into memory."""
    return torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c"))


def scores(folder: Path, points: Tensor, placed: Tensor) -> dict[str, float]:
    """Neighbors and gaps of the new rows' places."""
    labels = read(folder, "labels")[: len(points)]
    known = points, labels, placed.to(points), read(folder, "new_labels")
    return {
        "neighbors": round(neighbor_accuracy(*known), 4),
        "gap_share": round(gap_share(points, placed.to(points)), 4),
    }


def measure_map(folder: Path, count: int) -> list[dict[str, Any]]:
    """Fit a map of so many rows, store it, and place the new rows on it."""
    rows, new_rows = read(folder, "rows")[:count].clone(), read(folder, "new_rows")
    found: list[Any] = []
    start = time.perf_counter()
    peak = peak_memory(lambda: found.append(fit_map(rows)))
    fitted = {"step": "fit_map", "rows": count}
    fitted |= {"seconds": time.perf_counter() - start, "peak_bytes": peak}
    start = time.perf_counter()
    placed = found[0].transform(new_rows)
    moved = {"step": "transform", "rows": count}
    moved |= {"seconds": time.perf_counter() - start}
    moved |= scores(folder, found[0].points, placed)
    save_array(folder / f"map-{count}.npy", found[0].points.numpy())
    return [fitted, moved]


def train_network(folder: Path) -> tuple[RepeatedMap, dict[str, Any]]:
    """Train in stretches of epochs; a stopped training goes on after its last one."""
    rows, points = read(folder, "rows").clone(), read(folder, f"map-{COUNTS[-1]}")
    torch.manual_seed(0)
    network = MapNetwork(COLUMNS, HIDDEN)
    diary = folder / "network-stretches.json"
    done: list[dict[str, float]] = (
        json.loads(diary.read_text()) if diary.exists() else []
    )
    while not done or going_on(done):
        epochs = STRETCH * (len(done) + 1)
        start = time.perf_counter()
        repeated = repeat_map(
            network, rows, points, epochs=epochs, checkpoint=folder / "network.pt"
        )
        took = time.perf_counter() - start
        places = repeated.transform(rows)
        r2 = r2_score(points, places, multioutput="variance_weighted")
        print(f"{epochs} epochs, {took:.0f} s more: R2 {r2:.4f}", flush=True)
        done.append({"seconds": took, "r2": r2})
        write_atomically(diary, json.dumps(done).encode())
    epochs = STRETCH * len(done)
    repeated = repeat_map(
        network, rows, points, epochs=epochs, checkpoint=folder / "network.pt"
    )  # as the checkpoint has it
    seconds = sum(stretch["seconds"] for stretch in done)
    line = {"step": "repeat_map", "rows": len(rows), "seconds": seconds}
    return repeated, {**line, "epochs": epochs, "r2": round(done[-1]["r2"], 4)}


def going_on(done: list[dict[str, float]]) -> bool:
    """Whether the last stretch has gained enough, and there is time for another."""
    before = done[-2]["r2"] if len(done) > 1 else 0.0
    spent = sum(stretch["seconds"] for stretch in done)
    return done[-1]["r2"] - before >= LEAST_GAIN and spent <= HOURS * 3600


def measure_network(folder: Path) -> list[dict[str, Any]]:
    """Train the network, and place the new rows, once and a hundred times."""
    repeated, trained = train_network(folder)
    new_rows = read(folder, "new_rows")
    found: list[Tensor] = []
    table = [trained]
    for copies in (1, 100):
        many = new_rows.repeat(copies, 1)
        start = time.perf_counter()
        peak = peak_memory(lambda many=many: found.append(repeated.transform(many)))  # type: ignore[misc]
        line = {"step": "place", "rows": len(many), "peak_bytes": peak}
        table.append({**line, "seconds": time.perf_counter() - start})
    table[1] |= scores(folder, read(folder, f"map-{COUNTS[-1]}"), found[0])
    return table


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_map")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/large_map"))
    parser.add_argument(
        "--one", help="a number of rows, or network; for its own process"
    )
    options = parser.parse_args(arguments)
    folder = options.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    save_rows(folder)
    if options.one:
        network = options.one == "network"
        done = (
            measure_network(folder)
            if network
            else measure_map(folder, int(options.one))
        )
        print(json.dumps({"table": done}))
        return
    table = []
    for one in [*map(str, COUNTS), "network"]:
        kept = folder / f"{one}.json"
        if not kept.exists():
            words = ["--one", one, "--out", str(folder)]
            measured = in_own_process("benchmarks.large_map", words)
            write_atomically(kept, json.dumps(measured["table"]).encode())
        table += json.loads(kept.read_text())
    names = [
        "step",
        "rows",
        "seconds",
        "peak_bytes",
        "epochs",
        "r2",
        "neighbors",
        "gap_share",
    ]
    table = [{name: line.get(name, "") for name in names} for line in table]
    for line in table:
        line["seconds"] = round(line["seconds"], 1)
    print_table(table)
    print(store("large_map", table, "cpu"))


if __name__ == "__main__":
    main()
