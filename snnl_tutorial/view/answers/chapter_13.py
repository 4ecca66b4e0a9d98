"""Chapter 13, relatives."""

import math
from typing import Any

import torch

from snnl_tutorial.loss.masking import neighbor_masks
from snnl_tutorial.loss.soft_nearest_neighbor import soft_nearest_neighbor_loss
from snnl_tutorial.view.exercises import (
    as_numbers,
    compare,
    require,
    require_function,
    unpack,
)


def exercise_1(answer: Any) -> None:
    """The exponential of the entropy of 1/2, 1/4, 1/4."""
    entropy = 0.5 * math.log(2) + 0.5 * math.log(4)
    mistakes = {
        3.0: "It would be 3 if all three were picked alike.",
        entropy: "That is the entropy. Perplexity is its exponential.",
        math.exp(1.5): "The entropy was in bits; the exponential has base e.",
        1.5: "That is the entropy in bits. Perplexity is 2 to the power of it.",
        math.exp(-entropy): "The sign: logarithms of probabilities are negative.",
    }
    compare(answer, math.exp(entropy), mistakes)


def exercise_2(answer: Any) -> None:
    """SupCon from probabilities, one of which is 0 outside the partners."""
    require_function(answer)
    p = torch.tensor(
        [
            [0.0, 0.5, 0.3, 0.2, 0.0],
            [0.6, 0.0, 0.1, 0.2, 0.1],
            [0.2, 0.2, 0.0, 0.5, 0.1],
            [0.1, 0.4, 0.4, 0.0, 0.1],
            [0.0, 0.1, 0.3, 0.6, 0.0],
        ],
        dtype=torch.float64,
    )
    labels = torch.tensor([0, 0, 0, 1, 1])
    partners = neighbor_masks(labels).partners
    got = answer(p.clone(), partners.clone())
    number = as_numbers(got, ()).item() if not is_nan(got) else math.nan
    require(not math.isnan(number), "It is NaN: take logarithms of partners alone.")
    logs = p.log().masked_fill(~partners, 0).sum(1)
    count = partners.sum(1)
    right = -float((logs / count).sum())
    mistakes = {
        -right: "The sign: the logarithm of a probability is negative.",
        right / 5: "Sum over the rows, not their mean.",
        -float(logs.sum()): "Divide by the number of partners, row by row.",
        -float(logs.sum() / count.sum()): "Each row has a mean of its own.",
        -float((p * partners).sum(1).log().sum()): "That is ours: the logarithm first.",
    }
    compare(number, right, mistakes)


def is_nan(value: Any) -> bool:
    """Whether this is one number, and a NaN."""
    try:
        return bool(math.isnan(float(value)))
    except (RuntimeError, TypeError, ValueError):
        return False


def exercise_3(answer: Any) -> None:
    """A row that NCA gives up, among many that are at home."""
    rows, labels = unpack(answer, "rows", "labels")
    losses = soft_nearest_neighbor_loss(
        rows, labels, temperature=1.0, distance="sqeuclidean", reduction="none"
    )
    require(neighbor_masks(labels).anchors.all(), "Every row needs a partner.")
    nca, ours = (1 - losses.neg().exp()).mean().item(), losses.mean().item()
    require(nca <= 0.1, f"The mean NCA loss is {nca:.3f}, above 0.1.")
    require(ours >= 1, f"The mean of our loss is {ours:.3f}, below 1.")
