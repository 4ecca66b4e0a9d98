"""Chapter 15, maps."""

import math
from typing import Any

import torch

from snnl_tutorial.maps.scores import displacement, shared_neighbors
from snnl_tutorial.view.exercises import compare, require, require_function, unpack


def exercise_1(answer: Any) -> None:
    """The least mean squared error of equal rows at (0, 0), (0, 0) and (3, 0)."""
    mistakes = {
        0.0: "Equal rows get equal places, and here they would need two.",
        1.5: "That is at the place of two of them. The best is the mean of all three.",
        1.125: "That is halfway between the two. The best is the mean of all three.",
        6.0: "That is the sum. There are three rows, of two coordinates each.",
        2.0: "Each row has two coordinates; the second ones cost nothing.",
    }
    compare(answer, 1.0, mistakes)


def exercise_2(answer: Any) -> None:
    """The share of new points farther from the map than any of its points."""
    require_function(answer)
    points = torch.tensor(
        [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 2.0]],
        dtype=torch.float64,
    )
    new = torch.tensor(
        [[0.5, 0.5], [2.4, 0.8], [9.0, 9.0], [4.0, 1.0], [2.5, 3.9], [0.2, 0.1]],
        dtype=torch.float64,
    )
    mistakes = {
        1.0: "A point of the map is not its own nearest.",
        1 / 2: "The longest of the distances to the nearest, not their mean.",
        1 / 6: "Each point's distance to its nearest, not to the farthest.",
        2 / 3: "That is the share that falls on the map.",
    }
    compare(answer(points.clone(), new.clone()), 1 / 3, mistakes)


def exercise_3(answer: Any) -> None:
    """Two maps with the same neighbors and other places."""
    first, second = unpack(answer, "first", "second")
    require(len(first) >= 20, "Take at least 20 points.")
    far = displacement(first, second)
    shared = shared_neighbors(first, second, 5)
    require(shared > 1 - 1e-9, f"They share {shared:.2f} of five neighbors, not all.")
    require(far >= 1, f"The displacement is {far:.2f}, below 1.")
    spread = math.log(float(second.std() / first.std()))
    require(abs(spread) < 0.1, "The maps must have the same size.")
