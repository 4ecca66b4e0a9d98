"""Chapter 14, knobs."""

from typing import Any

import torch

from snnl_tutorial.loss.entanglement import entanglement
from snnl_tutorial.view.exercises import compare, require, require_function


def exercise_1(answer: Any) -> None:
    """The root of the mean squared distance of rows with 1,024 columns."""
    mistakes = {
        2 * 1024.0: "That is the mean squared distance. Take its root.",
        1024.0: "A difference of two columns has variance 2; and take the root.",
        1024**0.5: "A difference of two columns has variance 2, not 1.",
        2 * 1024**0.5: "The root is of the whole product, 2 times 1,024.",
    }
    compare(answer, (2 * 1024) ** 0.5, mistakes)


def exercise_2(answer: Any) -> None:
    """T of a kernel whose width is a fifth of the median distance."""
    require_function(answer)
    rows = torch.tensor(
        [[0.0, 0.0], [3.0, 4.0], [6.0, 8.0], [0.0, 1.0], [9.0, 0.0], [2.0, 2.0]],
        dtype=torch.float64,
    )
    distances = torch.pdist(rows)
    median = float(distances.median())
    with_itself = float(torch.cdist(rows, rows).median())
    mistakes = {
        2 * (with_itself / 5) ** 2: "A row's distance from itself is not one of them.",
        (median / 5) ** 2: "T is twice the squared width.",
        median / 5: "That is the width. T is twice its square.",
        2 * median**2: "A fifth of the median, before it is squared.",
        2 * median**2 / 5: "A fifth of the median, before it is squared.",
        2 * (float(distances.mean()) / 5) ** 2: "The median, not the mean.",
    }
    compare(answer(rows.clone()), 2 * (median / 5) ** 2, mistakes)


def exercise_3(answer: Any, rows: torch.Tensor, labels: torch.Tensor) -> None:
    """By how many rows the labels have slipped."""
    measured = [
        entanglement(rows, labels.roll(-k), distance="sqeuclidean").value
        for k in range(10)
    ]
    right = measured.index(min(measured))
    mistakes = {
        float(-right): "The other way round: how far have the labels moved on?",
        0.0: "As they are, the labels are at the level of chance.",
        float(10 - right): "The other way round: how far have the labels moved on?",
    }
    require(not isinstance(answer, bool), "A number of rows is wanted.")
    compare(answer, float(right), mistakes)
