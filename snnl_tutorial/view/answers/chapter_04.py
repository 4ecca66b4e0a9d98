"""Chapter 4, log-mean."""

import math
from typing import Any

import torch

from snnl_tutorial.loss.masking import neighbor_masks
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
    soft_nearest_neighbor_loss,
)
from snnl_tutorial.view.exercises import (
    as_numbers,
    compare,
    require,
    require_function,
    unpack,
)


def exercise_1(answer: Any) -> None:
    """Minus the logarithm of 19 partners among 199 candidates."""
    expected = math.log(199 / 19)
    mistakes = {
        math.log(200 / 20): "A row is neither its own candidate nor its own partner.",
        math.log(200 / 19): "A row is not its own candidate.",
        math.log(199 / 20): "A row is not its own partner.",
        19 / 199: "That is the probability. The loss is minus its logarithm.",
        -expected: "The sign: a loss is not negative.",
        math.log2(199 / 19): "That is the logarithm to base 2.",
        math.log10(199 / 19): "That is the logarithm to base 10.",
        200 * expected: "That is the sum over the rows, not the mean.",
    }
    compare(answer, expected, mistakes)


def exercise_2(answer: Any) -> None:
    """The softplus of o - s."""
    require_function(answer)
    gap = torch.tensor([-60.0, 0.0, 200.0])
    got = as_numbers(answer(gap, torch.zeros(3)), (3,), "answer(o, s)")
    low, middle, high = got.tolist()
    require(abs(low - 60) > 1e-3, "That is log(1 + exp(s - o)): o and s are swapped.")
    require(got.min() >= 0, "The sign: a loss is not negative.")
    require(abs(middle - math.log(2)) < 1e-5, "At o = s the loss is not log 2.")
    require(abs(high - 200) < 1e-3, f"At o - s = 200 it is {high:g}, not 200.")
    right = abs(low / math.exp(-60) - 1) < 1e-4
    require(right, f"At o - s = -60 it is {low:g}: close to exp(-60) is expected.")


def exercise_3(answer: Any) -> None:
    """A tidy batch that the published form misreads."""
    rows, labels = unpack(answer, "rows", "labels")
    exact = soft_nearest_neighbor_loss(rows, labels, temperature=0.05)
    require(rows.dtype == torch.float32, f"rows must be float32; got {rows.dtype}.")
    require(len(rows) <= 60, f"At most 60 rows; got {len(rows)}.")
    require(neighbor_masks(labels).anchors.all(), "Every row needs a partner.")
    require(exact < 0.01, f"The exact loss is {exact:.4f}, not below 0.01.")
    published = published_soft_nearest_neighbor_loss(rows, labels, temperature=0.05)
    require(
        not published <= 4,
        f"The published form gives {published:.2g}. How far is the nearest partner, "
        f"and how large is exp(-d/T) beside epsilon?",
    )
