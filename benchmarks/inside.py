"""Chapter 17 with five starts: what hiding a part of a photograph costs.

python -m benchmarks.inside hiding        data/results/inside_hiding.csv

The 408 photographs of plant seedlings that come with the package; each start draws anew
which of them train, and the first weights. Finished runs are kept in a folder (-o): a
benchmark that was stopped goes on. Needs the extra `vision`.
"""

import argparse
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate
from tqdm.auto import tqdm

from benchmarks.maps import Folder, Line
from benchmarks.measure import print_table, store
from snnl_tutorial.attribution import class_activation_map
from snnl_tutorial.datasets.load import load_dataset
from snnl_tutorial.vision import efficientnet_lite0

STARTS = range(5)
SIDES = (128, 160, 224)
TEST = 10
"""Photographs of each species that are kept for the test."""
EPOCHS = 6


def through(layers: nn.Module, images: Tensor) -> Tensor:
    """What the layers put out, batch by batch."""
    with torch.no_grad():
        return torch.cat([layers(part) for part in images.split(40)])


def split(labels: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows to test on, balanced."""
    order = torch.from_numpy(np.random.RandomState(start).permutation(len(labels)))
    rows = [order[labels[order] == c] for c in labels.unique()]
    return torch.cat([r[TEST:] for r in rows]), torch.cat([r[:TEST] for r in rows])


def fine_tune(
    network: nn.Sequential, cached: Tensor, labels: Tensor, start: int
) -> nn.Sequential:
    """Train a new head and the last block on what comes out of the block before."""
    torch.manual_seed(start)
    tuned = deepcopy(network)
    tuned.head = nn.Linear(1280, int(labels.max()) + 1)
    last = tuned.get_submodule("blocks.15")
    upper = nn.Sequential(last, *list(tuned)[3:]).requires_grad_()
    optimizer = torch.optim.Adam(upper.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels)).split(32):
            loss = cross_entropy(upper(cached[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return tuned.requires_grad_(False)


def enlarge(maps: Tensor, side: int) -> Tensor:
    """(N, h, w) maps in the size of the images."""
    return interpolate(maps[:, None], size=(side, side), mode="bilinear")[:, 0]


def highest_quarter(heights: Tensor) -> Tensor:
    """Which quarter of the pixels is the highest, in each image."""
    edge = heights.flatten(1).quantile(0.75, dim=1)
    return heights > edge[:, None, None]


def measure(network: nn.Sequential, side: int, start: int) -> Line:
    """Fine-tune, and hide five quarters of each new photograph."""
    images, labels = photographs(side)
    old, new = split(labels, start)
    tuned = fine_tune(
        network, cached_activations(network, side)[old], labels[old], start
    )
    x, filling = images[new], images[old].mean(dim=(0, 2, 3))[:, None, None]
    logits = through(tuned, x)
    said = logits.argmax(dim=1)

    def sure(of: Tensor) -> Tensor:  # of what it said of the whole photograph
        return through(tuned, of).softmax(dim=1).gather(1, said[:, None])[:, 0]

    own = class_activation_map(tuned, x, "features", "head")
    maps = enlarge(own[torch.arange(len(x)), said], side)
    draw = torch.Generator().manual_seed(start)
    noise = torch.rand(len(x), *own.shape[2:], generator=draw)
    axis = torch.linspace(-1, 1, side).square()
    quarters = {
        "top of the map": maps,
        "lowest of the map": -maps,
        "random": enlarge(noise, side),
        "top of another's map": maps.roll(len(x) // 2 + 1, 0),
        "the middle": -(axis + axis[:, None]).expand_as(maps),
    }
    before = sure(x)
    red, green, blue = x.unbind(dim=1)
    plant = 2 * green - red - blue > 0.1
    peak = maps.flatten(1).argmax(dim=1, keepdim=True)
    found = {
        "accuracy": float((said == labels[new]).double().mean()),
        "sure": float(before.mean()),
        "peak_on_plant": float(plant.flatten(1).gather(1, peak).double().mean()),
        "middle_on_plant": float(plant[:, side // 2, side // 2].double().mean()),
    }
    for name, heights in quarters.items():
        hidden = torch.where(highest_quarter(heights)[:, None], filling, x)
        found[name] = float((before - sure(hidden)).mean())
    return found


CACHE: dict[int, Tensor] = {}


def photographs(side: int) -> tuple[Tensor, Tensor]:
    """All that come with the package, enlarged, and their species."""
    parts = [load_dataset("plant-seedlings", name) for name in ("train", "test")]
    images = torch.cat([part.images for part in parts]).permute(0, 3, 1, 2)
    labels = torch.cat([part.labels for part in parts])
    return interpolate(images, size=(side, side), mode="bilinear"), labels


def cached_activations(network: nn.Sequential, side: int) -> Tensor:
    """What comes out of the block before the last, of all photographs."""
    if side not in CACHE:
        blocks = list(network.get_submodule("blocks").children())
        lower = nn.Sequential(*list(network)[:2], *blocks[:15])
        CACHE[side] = through(lower, photographs(side)[0])
    return CACHE[side]


def hiding(folder: Folder) -> list[Line]:
    """One line for each side of the images and start: a cost for each quarter."""
    network = efficientnet_lite0().requires_grad_(False)
    table = []
    for side in SIDES:
        for start in tqdm(STARTS):
            key = {"side": side, "start": start}
            table.append(folder.run(key, measure, network, side, start))
    return table


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inside")
    parser.add_argument("table", choices=["hiding"])
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/inside"))
    options = parser.parse_args(arguments)
    folder = Folder(options.out / options.table)
    folder.path.mkdir(parents=True, exist_ok=True)
    table = hiding(folder)
    print_table(table)
    print(store(f"inside_{options.table}", table, "cpu"))


if __name__ == "__main__":
    main()
