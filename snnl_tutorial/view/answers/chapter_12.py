"""Chapter 12, entangled on purpose."""

from typing import Any

import torch

from snnl_tutorial.loss.entanglement import entanglement
from snnl_tutorial.loss.masking import neighbor_masks
from snnl_tutorial.loss.soft_nearest_neighbor import soft_nearest_neighbor_loss
from snnl_tutorial.view.exercises import compare, require, require_function, unpack


def exercise_1(answer: Any) -> None:
    """Two bins: 150 rows that are too sure, 50 that are not sure enough."""
    first, second = 0.9 - 120 / 150, 40 / 50 - 0.6
    mistakes = {
        (150 * first - 50 * second)
        / 200: "Gaps of both signs add up: take their size.",
        (first + second) / 2: "A bin counts by the number of its images.",
        160 / 200: "That is the accuracy.",
        (150 * 0.9 + 50 * 0.6) / 200: "That is the mean confidence.",
    }
    compare(answer, (150 * first + 50 * second) / 200, mistakes)


def exercise_2(answer: Any) -> None:
    """Pairs in which the outlier scores higher; a tie counts half."""
    require_function(answer)
    familiar = torch.tensor([0.1, 0.2, 0.2, 0.5])
    outliers = torch.tensor([0.2, 0.4, 0.9])
    mistakes = {
        8 / 12: "Two pairs are ties. A tie counts half.",
        10 / 12: "Two pairs are ties. A tie counts half, not whole.",
        3 / 12: "The other way round: an outlier should have the higher score.",
        2 / 12: "The other way round: an outlier should have the higher score.",
        9.0: "Divide by the number of pairs.",
    }
    compare(answer(familiar, outliers), 9 / 12, mistakes)


def exercise_3(answer: Any) -> None:
    """Classes apart at a scale that the temperature of training does not see."""
    rows, labels = unpack(answer, "rows", "labels")
    loss = soft_nearest_neighbor_loss(rows, labels, temperature=0.1).item()
    require(neighbor_masks(labels).anchors.all(), "Every row needs a partner.")
    measured = entanglement(rows, labels)
    wanted = 0.9 * measured.chance
    require(
        loss > wanted, f"At T = 0.1 the loss is {loss:.3f}, not above {wanted:.3f}."
    )
    found = f"At its best T the loss is {measured.value:.3f}, not below 0.05."
    require(measured.value < 0.05, found)
