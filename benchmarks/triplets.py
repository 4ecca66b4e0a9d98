"""Chapter 16 at full size: losses on classes seen and unseen, and learning rates.

python -m benchmarks.triplets choice    runs/triplets/choice, the settings, printed
python -m benchmarks.triplets losses    data/results/triplet_losses.csv
python -m benchmarks.triplets rates     data/results/triplet_rates.csv

Half of the classes are seen by the training, the other half never; which, is drawn anew
at each of the five starts, and so are the rows and the first weights. Settings are
chosen on training rows of seen classes that are held out, four for each loss, at two
other starts. Finished runs are kept in a folder (-o): a benchmark that was stopped goes
on. The full sets are needed: snnl data fetch fashion-mnist, emnist-47; snnl data import
plant-seedlings.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import (
    NCALoss,
    ProxyAnchorLoss,
    SupConLoss,
    TripletMarginLoss,
)
from pytorch_metric_learning.miners import BatchHardMiner
from torch import Tensor, nn
from tqdm.auto import tqdm

from benchmarks.measure import Folder, Line, print_table, store
from snnl_tutorial.datasets.batches import ShuffledBatches
from snnl_tutorial.datasets.load import class_names, load_dataset
from snnl_tutorial.learning.evaluation import recall_at
from snnl_tutorial.learning.models import Classifier
from snnl_tutorial.loss.distance import normalize_rows
from snnl_tutorial.loss.soft_nearest_neighbor import soft_nearest_neighbor_loss
from snnl_tutorial.triplets import (
    closest_triplets,
    distance_to_ideal,
    easy_positive_loss,
    easy_positive_semihard_loss,
)
from snnl_tutorial.vision import efficientnet_lite0

Loss = Callable[[Tensor, Tensor], Tensor]

STARTS = range(5)
CHOICE_STARTS = range(100, 102)
DATASETS = ("plant-seedlings", "fashion-mnist", "emnist-47")
ROWS = 3000
"""Rows of a training, and of a judgment, at most."""
CODE, WIDTH = 64, 128
STEPS, BATCH = 300, 128


class Sample(NamedTuple):
    """Rows of seen classes to train on; new rows of seen and of unseen classes."""

    rows: Tensor
    labels: Tensor
    seen: Tensor
    seen_labels: Tensor
    unseen: Tensor
    unseen_labels: Tensor


class Head(nn.Module):
    """A loss with weights of its own, that learn ten times as fast."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = self.loss(codes, labels)
        return value


class CrossEntropy(nn.Module):
    """Of a linear layer on the codes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.output = nn.Linear(CODE, classes)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.output(codes), labels)


class HardTriplets(nn.Module):
    """Hinge loss of the farthest partner and the nearest stranger."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.miner = BatchHardMiner(distance=CosineSimilarity())
        self.loss = TripletMarginLoss(margin, distance=CosineSimilarity())

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = self.loss(codes, labels, self.miner(codes, labels))
        return value


def make_loss(name: str, knob: float, classes: int) -> nn.Module | Loss:
    """A loss by its name in the table; the knob is its temperature or margin."""
    losses: dict[str, Callable[[], nn.Module | Loss]] = {
        "ours": lambda: partial(soft_nearest_neighbor_loss, temperature=knob),
        "EP": lambda: partial(easy_positive_loss, temperature=knob),
        "EPSHN": lambda: partial(easy_positive_semihard_loss, temperature=knob),
        "EPSHN 2": lambda: partial(easy_positive_semihard_loss, order=2),
        "SupCon": lambda: SupConLoss(temperature=knob),
        "NCA": lambda: NCALoss(softmax_scale=1 / knob),
        "triplet": lambda: HardTriplets(knob),
        "proxy anchor": lambda: Head(ProxyAnchorLoss(classes, CODE, knob)),
        "cross-entropy": lambda: Head(CrossEntropy(classes)),
    }
    return losses[name]()


COLD, MARGINS = [0.1, 0.2], [0.1, 0.3]
KNOBS: dict[str, list[float]] = {
    "ours": COLD,
    "EP": COLD,
    "EPSHN": COLD,
    "EPSHN 2": [0.0],
    "SupCon": COLD,
    "NCA": [0.1, 1.0],
    "triplet": MARGINS,
    "proxy anchor": MARGINS,
    "cross-entropy": [0.0],
}
"""Temperatures or margins to choose from; a loss without has more learning rates."""
RATES = {1: [0.0003, 0.001, 0.003, 0.01], 2: [0.001, 0.003]}
CHOSEN: dict[str, dict[str, tuple[float, float]]] = {
    "plant-seedlings": {
        "ours": (0.1, 0.001),
        "EP": (0.1, 0.001),
        "EPSHN": (0.2, 0.003),
        "EPSHN 2": (0.0, 0.001),
        "SupCon": (0.2, 0.001),
        "NCA": (0.1, 0.001),
        "triplet": (0.1, 0.001),
        "proxy anchor": (0.3, 0.001),
        "cross-entropy": (0.0, 0.0003),
    },
    "fashion-mnist": {
        "ours": (0.1, 0.001),
        "EP": (0.1, 0.003),
        "EPSHN": (0.2, 0.001),
        "EPSHN 2": (0.0, 0.003),
        "SupCon": (0.2, 0.001),
        "NCA": (0.1, 0.001),
        "triplet": (0.1, 0.001),
        "proxy anchor": (0.1, 0.001),
        "cross-entropy": (0.0, 0.001),
    },
    "emnist-47": {
        "ours": (0.1, 0.001),
        "EP": (0.1, 0.001),
        "EPSHN": (0.1, 0.001),
        "EPSHN 2": (0.0, 0.003),
        "SupCon": (0.1, 0.001),
        "NCA": (0.1, 0.001),
        "triplet": (0.1, 0.001),
        "proxy anchor": (0.1, 0.001),
        "cross-entropy": (0.0, 0.001),
    },
}
"""Knob and learning rate by data set and loss, as `choice` has found them."""
SWEPT = [1e-4, 2e-4, 4e-4, 8e-4, 16e-4, 50e-4]
"""Learning rates of the source, and one more."""


def read(dataset: str, split: str, folder: Path) -> tuple[Tensor, Tensor]:
    """Pixels as rows; of photographs, 1,280 features of a network from ImageNet."""
    images, labels = load_dataset(dataset, split, "full")
    if dataset != "plant-seedlings":
        return images.flatten(1), labels
    kept = folder / f"{dataset}-{split}.npy"
    if not kept.exists():
        network = efficientnet_lite0()[:-1]  # without its head
        with torch.no_grad():
            parts = [network(x.movedim(3, 1)) for x in tqdm(images.split(64))]
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, torch.cat(parts).numpy())
    return torch.from_numpy(np.load(kept)), labels


def draw(
    data: dict[str, tuple[Tensor, Tensor]], classes: int, start: int, held_out: bool
) -> Sample:
    """The classes, and the rows, of one start; held out: judge on training rows."""
    chance = np.random.RandomState(start)
    order = torch.from_numpy(chance.permutation(classes))
    known = order[: classes // 2].sort().values

    def take(split: str, seen: bool) -> tuple[Tensor, Tensor]:
        rows, labels = data[split]
        fitting = torch.from_numpy(chance.permutation(len(rows)))
        fitting = fitting[torch.isin(labels[fitting], known) == seen]
        return rows[fitting], labels[fitting]

    rows, labels = take("train", True)
    labels = torch.searchsorted(known, labels)
    if held_out:
        edge = len(rows) // 5
        seen, rows, labels = (rows[:edge], labels[:edge]), rows[edge:], labels[edge:]
        unseen = seen
    else:
        seen, unseen = take("test", True), take("test", False)
    both = (part[:ROWS] for part in (rows, labels, *seen, *unseen))
    return Sample(*both)


def train(sample: Sample, loss: nn.Module | Loss, rate: float, start: int, sgd: bool):  # type: ignore[no-untyped-def]
    """A network x-128-64, trained for 300 steps: a function from rows to codes."""
    center, scale = sample.rows.mean(dim=0), sample.rows.std()
    network = Classifier(sample.rows.shape[1], CODE, (WIDTH,))
    groups = [{"params": list(network.parameters()), "lr": rate}]
    if isinstance(loss, Head):
        groups.append({"params": list(loss.parameters()), "lr": 10 * rate})
    optimizer: torch.optim.Optimizer = torch.optim.Adam(groups)
    if sgd:
        optimizer = torch.optim.SGD(groups, momentum=0.9)
    batches = ShuffledBatches(len(sample.rows), BATCH, start)
    done = 0
    while done < STEPS:
        for part in batches:
            codes = network((sample.rows[part] - center) / scale)
            value = loss(codes, sample.labels[part])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            done += 1
    return torch.no_grad()(lambda rows: network((rows - center) / scale))


def judge(codes: Tensor, labels: Tensor, name: str) -> Line:
    """Recall@1, the distance to the ideal triplet, and the share of strangers near."""
    codes = normalize_rows(codes)
    found = closest_triplets(codes, labels)
    near = (found.negative_similarity > 0.8).double().mean()
    return {
        f"{name} recall": recall_at(codes, labels, 1),
        f"{name} distance": distance_to_ideal(found).nanmean().item(),
        f"{name} near": near.item(),
    }


def measure(
    sample: Sample, name: str, knob: float, rate: float, start: int, sgd: bool = False
) -> Line:
    """Train with a loss and judge new rows of seen and unseen classes."""
    torch.manual_seed(start)
    loss = make_loss(name, knob, int(sample.labels.max()) + 1)
    try:
        encode = train(sample, loss, rate, start, sgd)
    except ValueError as error:  # a code that is not finite any more
        raise SystemExit(f"{name}, {knob}, {rate}: {error}") from error
    return {
        **judge(encode(sample.seen), sample.seen_labels, "seen"),
        **judge(encode(sample.unseen), sample.unseen_labels, "unseen"),
    }


def judge_rows(sample: Sample) -> Line:
    """The control: the rows themselves, without any training."""
    center = sample.rows.mean(dim=0)
    return {
        **judge(sample.seen - center, sample.seen_labels, "seen"),
        **judge(sample.unseen - center, sample.unseen_labels, "unseen"),
    }


def settings(name: str) -> list[tuple[float, float]]:
    """Four pairs of knob and learning rate."""
    knobs = KNOBS[name]
    return [(knob, rate) for knob in knobs for rate in RATES[len(knobs)]]


def choice(folder: Path) -> list[Line]:
    """The settings on held-out rows of seen classes; the best of each are printed."""
    table = []
    for dataset in DATASETS:
        data = {"train": read(dataset, "train", folder)}
        for start in tqdm(CHOICE_STARTS, desc=dataset):
            sample = draw(data, len(class_names(dataset)), start, held_out=True)
            for name in KNOBS:
                for knob, rate in settings(name):
                    key = {"dataset": dataset, "start": start, "loss": name}
                    key |= {"knob": knob, "learning_rate": rate}
                    given = sample, name, knob, rate, start
                    table.append(Folder(folder / "choice").run(key, measure, *given))
    best = []
    for dataset in DATASETS:
        for name in KNOBS:
            tried = [x for x in table if (x["dataset"], x["loss"]) == (dataset, name)]
            mean = {
                pair: statistics.fmean(
                    x["seen recall"]
                    for x in tried
                    if (x["knob"], x["learning_rate"]) == pair
                )
                for pair in settings(name)
            }
            pair = max(mean, key=lambda one: mean[one])
            line = {"dataset": dataset, "loss": name, "knob": pair[0]}
            best.append({**line, "learning_rate": pair[1], "recall": mean[pair]})
    return best


def samples(folder: Path, datasets: tuple[str, ...]):  # type: ignore[no-untyped-def]
    """Each data set's samples, one for each start."""
    for dataset in datasets:
        data = {split: read(dataset, split, folder) for split in ("train", "test")}
        for start in tqdm(STARTS, desc=dataset):
            classes = len(class_names(dataset))
            yield dataset, start, draw(data, classes, start, held_out=False)


def losses(folder: Path) -> list[Line]:
    """Each loss at its setting, and the rows themselves."""
    table = []
    for dataset, start, sample in samples(folder, DATASETS):
        key = {"dataset": dataset, "start": start, "loss": "none"}
        table.append(Folder(folder / "losses").run(key, judge_rows, sample))
        for name in KNOBS:
            knob, rate = CHOSEN[dataset][name]
            key = {"dataset": dataset, "start": start, "loss": name}
            key |= {"knob": knob, "learning_rate": rate}
            given = sample, name, knob, rate, start
            table.append(Folder(folder / "losses").run(key, measure, *given))
    return table


def rates(folder: Path) -> list[Line]:
    """Learning rates on letters: Adam's, and a hundred times as much for plain SGD."""
    table = []
    for dataset, start, sample in samples(folder, ("emnist-47",)):
        kept = Folder(folder / "rates")
        key = {"dataset": dataset, "start": start, "loss": "none"}
        table.append(kept.run(key, judge_rows, sample))
        for name in ("EP", "EPSHN", "EPSHN 2", "ours", "SupCon"):
            for sgd in (False, True) if name.startswith("EP") else (False,):
                for rate in SWEPT:
                    rate = 100 * rate if sgd else rate
                    key = {"dataset": dataset, "start": start, "loss": name}
                    key |= {"optimizer": "SGD" if sgd else "Adam"}
                    key |= {"learning_rate": round(rate, 6)}
                    given = sample, name, 0.1, rate, start, sgd
                    table.append(kept.run(key, measure, *given))
    return table


TABLES = {"choice": choice, "losses": losses, "rates": rates}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.triplets")
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/triplets"))
    options = parser.parse_args(arguments)
    for name in TABLES:
        (options.out / name).mkdir(parents=True, exist_ok=True)
    table = TABLES[options.table](options.out)
    names = list(dict.fromkeys(name for line in table for name in line))
    table = [{name: line.get(name, "") for name in names} for line in table]
    print_table(table)
    if options.table != "choice":
        print(store(f"triplet_{options.table}", table, "cpu"))


if __name__ == "__main__":
    main()
