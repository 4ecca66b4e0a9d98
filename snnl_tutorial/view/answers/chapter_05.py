"""Chapter 5, layer sum."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from snnl_tutorial.loss.entanglement import entanglement
from snnl_tutorial.loss.layers import record_activations
from snnl_tutorial.loss.soft_nearest_neighbor import soft_nearest_neighbor_loss
from snnl_tutorial.view.exercises import compare, describe, require


def exercise_1(answer: Any) -> None:
    """The primary loss plus the factor times the weighted sum."""
    mistakes = {
        0.30 + 0.1 * (2.0 + 1.0): "The second layer has weight one half.",
        0.30 + 2.0 + 0.5: "Multiply the layer sum by the factor.",
        0.1 * (0.30 + 2.0 + 0.5): "The factor weighs the layers, not the primary loss.",
        0.30 + 0.1 * (2.0 + 0.5) / 2: "It is the sum over the layers, not the mean.",
        0.1 * (2.0 + 0.5): "Add the primary loss.",
    }
    compare(answer, 0.30 + 0.1 * (2.0 + 0.5 * 1.0), mistakes)


def exercise_2(answer: Any) -> None:
    """Minus the logarithm of 49 partners among 499 candidates."""
    mistakes = {
        math.log(10): "A row is neither its own candidate nor its own partner.",
        49 / 499: "That is the probability. The loss is minus its logarithm.",
        -math.log(499 / 49): "The sign: a loss is not negative.",
        math.log2(499 / 49): "That is the logarithm to base 2.",
    }
    compare(answer, math.log(499 / 49), mistakes)


def exercise_3(answer: Any, images: Tensor, labels: Tensor) -> None:
    """A layer that looks entangled at T = 0.1 and is not at its best T."""
    is_network = isinstance(answer, nn.Module)
    require(is_network, f"answer must be a network; got {describe(answer)}.")
    with torch.no_grad(), record_activations(answer, ["hidden.3"]) as activations:
        answer(images)
    rows = activations["hidden.3"]
    fixed = soft_nearest_neighbor_loss(rows, labels, temperature=0.1)
    best = entanglement(rows, labels, permutations=1)
    require(
        best.value < 0.5 * best.chance,
        f"It is entangled: {best.value:.2f} at its best temperature, "
        f"with {best.chance:.2f} by chance.",
    )
    require(
        fixed > 0.8 * best.chance,
        f"At T = 0.1 its loss is {fixed:.2f}: below 80% of chance, {best.chance:.2f}.",
    )
