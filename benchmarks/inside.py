"""Chapter 17 with more starts and more photographs: what hiding a part of one costs.

python -m benchmarks.inside hiding        data/results/inside_hiding.csv
python -m benchmarks.inside full          data/results/inside_full.csv

The first takes the 408 photographs of plant seedlings that come with the package; each
start draws anew which of them train, and the first weights. The second fine-tunes the
last five blocks on all 4,027 (snnl data import plant-seedlings), with and without our
loss; each start draws the first weights and the order. Finished runs are kept in a
folder (-o): a benchmark that was stopped goes on. Needs the extra `vision`.
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
from snnl_tutorial.learning.evaluation import recall_at
from snnl_tutorial.loss.soft_nearest_neighbor import soft_nearest_neighbor_loss
from snnl_tutorial.vision import efficientnet_lite0

SIDES = (128, 160, 224)
TEST = 10
"""Photographs of each species that are kept for the test."""
EPOCHS = 6
FULL_EPOCHS = 6


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


def hide(
    tuned: nn.Sequential, x: Tensor, labels: Tensor, filling: Tensor, start: int
) -> Line:
    """Hide five quarters of each photograph; what does each cost?"""
    side = x.shape[-1]
    said = through(tuned, x).argmax(dim=1)

    def sure(of: Tensor) -> Tensor:  # of what it said of the whole photograph
        return through(tuned, of).softmax(dim=1).gather(1, said[:, None])[:, 0]

    own = torch.cat(
        [class_activation_map(tuned, part, "features", "head") for part in x.split(40)]
    )
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
        "accuracy": float((said == labels).double().mean()),
        "sure": float(before.mean()),
        "peak_on_plant": float(plant.flatten(1).gather(1, peak).double().mean()),
        "middle_on_plant": float(plant[:, side // 2, side // 2].double().mean()),
    }
    for name, heights in quarters.items():
        hidden = torch.where(highest_quarter(heights)[:, None], filling, x)
        found[name] = float((before - sure(hidden)).mean())
    return found


def measure(network: nn.Sequential, side: int, start: int) -> Line:
    """Fine-tune the last block on some photographs, and hide parts of the others."""
    images, labels = photographs(side)
    old, new = split(labels, start)
    cached = cached_activations(network, side)
    tuned = fine_tune(network, cached[old], labels[old], start)
    filling = images[old].mean(dim=(0, 2, 3))[:, None, None]
    return hide(tuned, images[new], labels[new], filling, start)


def learn_all(
    network: nn.Sequential, cached: Tensor, labels: Tensor, start: int, factor: float
) -> nn.Sequential:
    """Train the last five blocks and a new head, with our loss beside if it counts."""
    torch.manual_seed(start)
    tuned = deepcopy(network)
    tuned.head = nn.Linear(1280, int(labels.max()) + 1)
    blocks = list(tuned.get_submodule("blocks").children())
    body = nn.Sequential(*blocks[11:], *list(tuned)[3:-1]).requires_grad_()
    tuned.head.requires_grad_()
    weights = [*body.parameters(), *tuned.head.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-3)
    batches = FULL_EPOCHS * -(-len(labels) // 64)
    slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.01, batches)
    for _ in tqdm(range(FULL_EPOCHS)):
        for rows in torch.randperm(len(labels)).split(64):
            x = cached[rows]
            for axis in (2, 3):  # a plant has no left and no top
                coin = torch.rand(len(x))[:, None, None, None] < 0.5
                x = torch.where(coin, x.flip(axis), x)
            codes = body(x)
            loss = cross_entropy(tuned.head(codes), labels[rows])
            if factor:
                loss = loss + factor * soft_nearest_neighbor_loss(codes, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            slower.step()
    return tuned.requires_grad_(False)


def measure_full(network: nn.Sequential, factor: float, start: int) -> Line:
    """Fine-tune on all photographs that are there to train on; hide parts of others."""
    sets = [load_dataset("plant-seedlings", name, "full") for name in ("train", "test")]
    images, new = (part.images.permute(0, 3, 1, 2) for part in sets)
    if 0 not in CACHE:
        blocks = list(network.get_submodule("blocks").children())
        lower = nn.Sequential(*list(network)[:2], *blocks[:11])
        CACHE[0] = through(lower, images)
    tuned = learn_all(network, CACHE[0], sets[0].labels, start, factor)
    filling = images.mean(dim=(0, 2, 3))[:, None, None]
    codes = through(nn.Sequential(*list(tuned)[:-1]), new)
    recall = recall_at(codes, sets[1].labels, 1)
    return {"recall": recall, **hide(tuned, new, sets[1].labels, filling, start)}


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


def hiding(folder: Folder, starts: int) -> list[Line]:
    """One line for each side of the images and start: a cost for each quarter."""
    network = efficientnet_lite0().requires_grad_(False)
    table = []
    for side in SIDES:
        for start in tqdm(range(starts)):
            key = {"side": side, "start": start}
            table.append(folder.run(key, measure, network, side, start))
    return table


def full(folder: Folder, starts: int) -> list[Line]:
    """One line for each start, without our loss and with it."""
    network = efficientnet_lite0().requires_grad_(False)
    return [
        folder.run(
            {"factor": factor, "start": start}, measure_full, network, factor, start
        )
        for start in range(starts)
        for factor in (0.0, 1.0)
    ]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inside")
    parser.add_argument("table", choices=["hiding", "full"])
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/inside"))
    options = parser.parse_args(arguments)
    folder = Folder(options.out / options.table)
    folder.path.mkdir(parents=True, exist_ok=True)
    make = {"hiding": hiding, "full": full}[options.table]
    table = make(folder, options.starts)
    print_table(table)
    print(store(f"inside_{options.table}", table, "cpu"))


if __name__ == "__main__":
    main()
