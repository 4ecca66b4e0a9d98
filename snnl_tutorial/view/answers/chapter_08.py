"""Chapter 8, clusters and neighbors."""

from typing import Any

from torch import Tensor

from snnl_tutorial.learning.evaluation import cluster, clustering_accuracy
from snnl_tutorial.view.exercises import as_numbers, compare, require, require_function


def exercise_1(answer: Any) -> None:
    """The one cluster has the name of one class in ten."""
    mistakes = {
        0.0: "The cluster has a name: that of one class.",
        10.0: "A share is between 0 and 1.",
        1.0: "The cluster has one name. How many images have that class?",
        0.9: "That is the share that is named wrongly.",
    }
    compare(answer, 1 / 10, mistakes)


def exercise_2(answer: Any, labels: Tensor) -> None:
    """As many clusters as classes, each of one class."""
    found = as_numbers(answer, tuple(labels.shape))
    clusters = found.unique()
    pure = all(len(labels[found == number].unique()) == 1 for number in clusters)
    require(pure, "There is a cluster with points of both classes.")
    fewest = len(labels.unique())
    require(len(clusters) == fewest, "The purity is 1. Fewer clusters will do, too.")


def exercise_3(answer: Any, images: Tensor, labels: Tensor, seed: int) -> None:
    """Rows whose clusters match the classes better than those of the pixels."""
    require_function(answer)
    pixels = images.flatten(1)
    rows = answer(pixels.clone())
    right = isinstance(rows, Tensor) and rows.ndim == 2 and len(rows) == len(images)
    require(right, f"answer(rows) must be a tensor of {len(images)} rows.")
    plain, ours = (
        clustering_accuracy(labels, cluster(x, 10, init="k-means++", seed=seed))
        for x in (pixels, rows)
    )
    require(
        ours >= plain + 0.05,
        f"The accuracy is {ours:.3f}; that of the pixels is {plain:.3f}.",
    )
