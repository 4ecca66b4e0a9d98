"""Chapter 15 at full size: networks that repeat a map, places of new rows, yoked maps.

python -m benchmarks.maps networks --news FILE    data/results/map_networks.csv
python -m benchmarks.maps places --news FILE      data/results/map_places.csv
python -m benchmarks.maps yokes                   data/results/map_yokes.csv

Five starts, each with rows, first weights and first places drawn anew. Finished runs
are kept in a folder (-o): a benchmark that was stopped goes on. FILE holds the arrays x
(N, D) and y (N,): in our case 128 numbers for each of 7,600 news texts, and its topic.
The full sets are needed, too: snnl data fetch fashion-mnist, emnist-47.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor
from torch import Tensor
from tqdm.auto import tqdm

from benchmarks.measure import Folder, Line, print_table, store
from snnl_tutorial.datasets.load import load_dataset
from snnl_tutorial.learning.evaluation import agreement, cluster
from snnl_tutorial.learning.models import encode_all
from snnl_tutorial.learning.protocol import draw_task, learn
from snnl_tutorial.maps.parametric import ParametricMap
from snnl_tutorial.maps.repeat import MapNetwork, RepeatedMap, repeat_map
from snnl_tutorial.maps.scores import gap_share, linearity, neighbor_accuracy
from snnl_tutorial.maps.tsne import FittedMap, fit_map
from snnl_tutorial.maps.yoked import yoked_tsne

Place = Callable[[FittedMap, "Sample", int], tuple[Tensor, Callable[[], Tensor]]]
"""Prepares to place new rows: returns a map, and a function that places them on it."""

STARTS = range(5)
NEW = 1000
"""Rows that no map has seen."""
ROWS = {"news": 2000, "emnist-47": 6000}
HIDDEN = (256, 256, 256)
NETS: dict[str, Line] = {
    "tanh, sigmoid": {},
    "tanh, linear": {"output": "linear"},
    "elu, linear": {"activation": "elu", "output": "linear"},
    "elu, linear, two branches": {
        "activation": "elu",
        "output": "linear",
        "branches": 2,
    },
}
RATES = [0.001, 0.01, 0.03]
STRENGTHS = [0.0, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 1e-2]


class Sample(NamedTuple):
    """Rows to map, and rows that come later."""

    rows: Tensor
    labels: Tensor
    new_rows: Tensor
    new_labels: Tensor


def draw(dataset: str, start: int, news: Path | None) -> Sample:
    """Rows of one start: news as they are, images by their 50 principal components."""
    count = ROWS[dataset]
    if dataset == "news":
        if news is None:
            raise SystemExit("this benchmark needs --news FILE")
        with np.load(news, allow_pickle=False) as file:
            x, y = torch.from_numpy(file["x"]).float(), torch.from_numpy(file["y"])
        order = np.random.RandomState(start).permutation(len(x))
        first, later = order[:count], order[count : count + NEW]
        return Sample(x[first], y[first].long(), x[later], y[later].long())
    task = draw_task(dataset, count, count, seed=start)
    chosen = np.random.RandomState(start).permutation(len(task.new_images))[:NEW]
    images, new_images = task.images.flatten(1), task.new_images[chosen].flatten(1)
    pca = PCA(50, svd_solver="full").fit(images.numpy())
    rows = torch.from_numpy(pca.transform(images.numpy()))
    new_rows = torch.from_numpy(pca.transform(new_images.numpy()))
    return Sample(rows, task.classes, new_rows, task.new_classes[chosen])


def place_scores(points: Tensor, sample: Sample, placed: Tensor) -> Line:
    """Neighbors and gaps of the new rows' places on a map."""
    known = points, sample.labels, placed.to(points), sample.new_labels
    return {
        "neighbors": neighbor_accuracy(*known),
        "gap_share": gap_share(points, placed.to(points)),
    }


def train_network(
    sample: Sample, points: Tensor, start: int, settings: Line
) -> RepeatedMap:
    """Repeat a map with a network of this kind, the batch a part of the rows."""
    kind = {
        k: v for k, v in settings.items() if k in ("activation", "output", "branches")
    }
    torch.manual_seed(start)
    return repeat_map(
        MapNetwork(sample.rows.shape[1], HIDDEN, **kind),
        sample.rows,
        points,
        scaling=settings.get("scaling", "columns"),
        epochs=settings.get("epochs", 40),
        batch_size=len(sample.rows) // settings.get("parts", 64),
        learning_rate=settings.get("learning_rate", 1e-3),
        seed=start,
    )


def measure_network(sample: Sample, points: Tensor, start: int, settings: Line) -> Line:
    """What a network repeats of the map, and where it puts new rows."""
    if settings.get("shuffled"):
        generator = torch.Generator().manual_seed(start)
        points = points[torch.randperm(len(points), generator=generator)]
    begin = time.perf_counter()
    repeated = train_network(sample, points, start, settings)
    line = {"seconds": time.perf_counter() - begin}
    places = repeated.transform(sample.rows)
    line["r2"] = r2_score(points, places, multioutput="variance_weighted")
    line["linearity"] = linearity(places)
    line["trained_neighbors"] = neighbor_accuracy(places, sample.labels)
    return line | place_scores(points, sample, repeated.transform(sample.new_rows))


def measure_map(sample: Sample, points: Tensor) -> Line:
    """The map itself, and clusters found on it and among the rows."""
    line = {"linearity": linearity(points)}
    line["trained_neighbors"] = neighbor_accuracy(points, sample.labels)
    for name, rows in {"map": points, "rows": sample.rows}.items():
        found = cluster(rows, 4, "k-means++", starts=50)
        line[f"{name}_clusters"] = agreement(sample.labels, found)["acc"]
    return line


def networks(folder: Folder, news: Path | None) -> list[Line]:
    """The source's nets and settings, one thing at a time."""
    variants: dict[str, Line] = {
        f"{net} @ {rate:g}": {**kind, "learning_rate": rate}
        for net, kind in NETS.items()
        for rate in RATES
    }
    variants |= {
        "no scaling": {"scaling": "none"},
        "one global scale": {"scaling": "global"},
        "batch N/8, 40 epochs": {"parts": 8},
        "batch N/8, as many steps": {"parts": 8, "epochs": 320},
        "whole batch, 40 epochs": {"parts": 1},
        "shuffled places": {"shuffled": True},
        "shuffled places, 200 epochs": {"shuffled": True, "epochs": 200},
        "200 epochs": {"epochs": 200},
    }
    table = []
    for start in tqdm(STARTS):
        sample = draw("news", start, news)
        points = fit_map(sample.rows, seed=start).points

        key = {"start": start, "network": "the map"}
        table.append(folder.run(key, measure_map, sample, points))
        for name, settings in variants.items():
            key = {"start": start, "network": name}
            given = sample, points, start, settings
            table.append(folder.run(key, measure_network, *given))
    return table


def places(folder: Folder, news: Path | None) -> list[Line]:
    """Five ways to place new rows, beside the places they have if mapped with all."""
    table = []
    for dataset in ROWS:
        for start in tqdm(STARTS, dataset):
            sample = draw(dataset, start, news)
            fitted = fit_map(sample.rows, seed=start)
            for name, place in PLACES.items():
                key = {"start": start, "dataset": dataset, "method": name}
                given = place, fitted, sample, start
                table.append(folder.run(key, measure_place, *given))
    return table


def measure_place(
    place: Place,
    fitted: FittedMap,
    sample: Sample,
    start: int,
) -> Line:
    """Scores of a method, seconds to prepare it, and seconds for 1,000 new rows."""
    begin = time.perf_counter()
    points, ask = place(fitted, sample, start)
    prepared = time.perf_counter() - begin
    begin = time.perf_counter()
    placed = ask()
    seconds = time.perf_counter() - begin
    line = {"fit_seconds": prepared, "seconds": seconds}
    return line | place_scores(points, sample, placed)


def by_neighbors(count: int) -> Any:
    """The mean place of the nearest rows; of one, it is a look-up."""

    def place(fitted: FittedMap, sample: Sample, start: int) -> Any:
        del start
        search = KNeighborsRegressor(count).fit(sample.rows, fitted.points)
        return fitted.points, lambda: torch.from_numpy(search.predict(sample.new_rows))

    return place


def by_network(fitted: FittedMap, sample: Sample, start: int) -> Any:
    repeated = train_network(sample, fitted.points, start, {})
    return fitted.points, lambda: repeated.transform(sample.new_rows)


def by_parametric(form: str) -> Any:
    """A network that makes a map of its own."""

    def place(fitted: FittedMap, sample: Sample, start: int) -> Any:
        del fitted
        parametric = ParametricMap(HIDDEN, form, steps=2000, batch_size=128, seed=start)
        parametric.fit(sample.rows)
        points = parametric.transform(sample.rows).double()
        return points, lambda: parametric.transform(sample.new_rows)

    return place


def by_mapping_all(fitted: FittedMap, sample: Sample, start: int) -> Any:
    """No method: the new rows are mapped along with the others."""
    del fitted
    rows = torch.cat([sample.rows, sample.new_rows])
    points = fit_map(rows, seed=start).points
    old = len(sample.rows)
    return points[:old], lambda: points[old:]


PLACES = {
    "mapped with all": by_mapping_all,
    "transform": lambda fitted, sample, start: (
        fitted.points,
        lambda: fitted.transform(sample.new_rows),
    ),
    "look-up": by_neighbors(1),
    "mean of 10": by_neighbors(10),
    "network": by_network,
    "parametric, InfoNCE": by_parametric("infonce"),
    "parametric, KL": by_parametric("kl"),
}


def measure_yoke(
    rows_a: Tensor,
    rows_b: Tensor,
    labels: Tensor,
    strength: float,
    start: int,
    initial: str,
) -> Line:
    """What a yoke costs and brings, and how well the maps' neighbors know a label."""
    maps = yoked_tsne(rows_a, rows_b, strength, seed=start, initial=initial)
    return {
        "kl_a": maps.kl_a,
        "kl_b": maps.kl_b,
        "displacement": maps.displacement,
        "neighbors_a": neighbor_accuracy(maps.map_a, labels),
        "neighbors_b": neighbor_accuracy(maps.map_b, labels),
    }


def yokes(folder: Folder, news: Path | None) -> list[Line]:
    """Fashion images and their codes by two losses, at several strengths."""
    del news
    table = []
    for start in tqdm(STARTS):
        task = draw_task("fashion-mnist", 1000, 1000, seed=start)
        model = learn(task, "snnl-code", network="small", steps=200, seed=start)
        test, classes = load_dataset("fashion-mnist", "test", "full")
        chosen = np.random.RandomState(start).permutation(len(test))[:400]
        images, labels = test[chosen].flatten(1), classes[chosen]
        codes = encode_all(model, images)
        control = learn(
            task, "autoencoder-classifier", network="small", steps=200, seed=start
        )
        theirs = encode_all(control, images)
        order = np.random.RandomState(start).permutation(400)
        pairs = {
            "pixels, codes": (images, codes, "pca"),
            "pixels, codes, common start": (images, codes, "common"),
            "pixels, codes shuffled": (images, codes[order], "pca"),
            "pixels twice": (images, images, "random"),
            "codes, cross-entropy's": (codes, theirs, "pca"),
            "codes twice": (codes, codes, "random"),
        }
        for name, (one, other, initial) in pairs.items():
            for strength in STRENGTHS:
                key = {"start": start, "pair": name, "strength": strength}
                given = one, other, labels, strength, start, initial
                table.append(folder.run(key, measure_yoke, *given))
    return table


TABLES = {"networks": networks, "places": places, "yokes": yokes}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.maps")
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--news", type=Path, help="FILE.npz with x and y")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/maps"))
    options = parser.parse_args(arguments)
    folder = Folder(options.out / options.table)
    folder.path.mkdir(parents=True, exist_ok=True)
    table = TABLES[options.table](folder, options.news)
    names = list(dict.fromkeys(name for line in table for name in line))
    table = [{name: line.get(name, "") for name in names} for line in table]
    print_table(table)
    print(store(f"map_{options.table}", table, "cpu"))


if __name__ == "__main__":
    main()
