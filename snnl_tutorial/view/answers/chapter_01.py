"""Chapter 1, distance matrix."""

import math
from typing import Any

import torch

from snnl_tutorial.view.exercises import as_numbers, compare, require, require_function


def exercise_1(answer: Any) -> None:
    """One minus the cosine of 60 degrees."""
    mistakes = {
        1.5: "The smaller the angle, the smaller the distance.",
        1 - math.cos(60): "math.cos takes radians: 60 degrees are a third of pi.",
        1 - math.sin(math.pi / 3): "That is one minus the sine.",
        1.0: "That is the ruler's distance of two rows of length 1.",
        math.pi / 3: "That is the angle. The distance is made of its cosine.",
    }
    compare(answer, 1 - math.cos(math.pi / 3), mistakes)


def exercise_2(answer: Any) -> None:
    """|u - v|^2 = 1 + 1 - 2 u.v = 2 (1 - u.v)."""
    mistakes = {
        0.5: "Upside down: the ruler's number is the larger one.",
        1.0: "Both lengths count: what is |u|^2 + |v|^2?",
        math.sqrt(2): "That is for the distance; the ruler squares it.",
    }
    compare(answer, 2.0, mistakes)


def exercise_3(answer: Any) -> None:
    """A distance that a scale and an offset of either argument do not change."""
    require_function(answer)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(5, 30, generator=generator, dtype=torch.float64, device="cpu")
    others = rows[:4]
    plain = as_numbers(answer(rows, others), (5, 4), "answer(rows, others)")
    require(
        plain.diagonal().abs().max() < 1e-6,
        "A row must be at distance 0 from itself. Is yours a similarity?",
    )
    require(plain.std() > 0.01, "A constant tells nothing apart.")
    changes = {"Brightness": lambda x: 3 * x, "A constant added": lambda x: x + 7}
    for name, change in changes.items():
        for changed in (answer(change(rows), others), answer(rows, change(others))):
            require(
                plain.allclose(as_numbers(changed, (5, 4))),
                f"{name} still changes it, in `rows` or in `others`.",
            )
