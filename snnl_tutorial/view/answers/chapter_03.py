"""Chapter 3, class mask."""

from typing import Any

import torch

from snnl_tutorial.view.exercises import as_numbers, compare, require, require_function


def exercise_1(answer: Any) -> None:
    """In uint8, -100 is 256 - 100."""
    mistakes = {
        -100: "uint8 has no number below 0: what has become of it?",
        100: "The sign is not just dropped. What comes before 0?",
        155: "One off: -1 becomes 255.",
        255: "That is what -1 becomes.",
    }
    compare(answer, 256 - 100, mistakes)


def exercise_2(answer: Any) -> None:
    """The smallest N with 0.99^(N - 1) <= 0.01."""
    expected = next(size for size in range(1, 1000) if 0.99 ** (size - 1) <= 0.01)
    mistakes = {
        expected - 1: "A row has N - 1 others: it is no partner of itself.",
        expected + 1: "One row fewer will do, too.",
        100: "One row a class on average leaves more than a third alone.",
        45: "That is for ten classes.",
    }
    compare(answer, expected, mistakes)


def exercise_3(answer: Any) -> None:
    """A sampler after whose draw every row has a partner."""
    require_function(answer)
    labels = torch.arange(5000) % 100
    for size in (64, 10):
        rows = as_numbers(answer(labels, size), (size,), f"answer(labels, {size})")
        inside = ((rows >= 0) & (rows < len(labels)) & (rows == rows.round())).all()
        require(inside, "Return row numbers: whole, from 0 to len(labels) - 1.")
        twice = size - len(rows.unique())
        require(twice == 0, f"{twice} of the {size} rows are drawn again.")
        members = labels[rows.long()].bincount()
        alone = int((members == 1).sum())
        require(alone == 0, f"{alone} of the {size} rows are alone in their class.")
