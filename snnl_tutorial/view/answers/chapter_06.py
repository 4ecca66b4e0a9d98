"""Chapter 6, annealing."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from snnl_tutorial.loss.temperature import Temperature
from snnl_tutorial.view.exercises import compare, describe, require


def exercise_1(answer: Any) -> None:
    """The first epoch with (1 + epoch)^-0.55 < 0.25."""
    expected = next(epoch for epoch in range(100) if (1 + epoch) ** -0.55 < 0.25)
    mistakes = {
        expected - 1: "There it is still a little above 0.25.",
        expected + 1: "Epochs count from 0, and eta is 1: it is 1 + t that counts.",
    }
    compare(answer, expected, mistakes)


def exercise_2(answer: Any) -> None:
    """5^-gamma = 0.1."""
    mistakes = {
        math.log(10) / math.log(4): "The last epoch is number 4. Where is eta?",
        math.log(10) / math.log(6): "Epochs count from 0: the last one is number 4.",
        math.log(5) / math.log(10): "Upside down: that would end at 5^-0.7 = 0.32.",
        -math.log(10) / math.log(5): "The sign: that temperature would rise.",
    }
    compare(answer, math.log(10) / math.log(5), mistakes)


def exercise_3(
    answer: Any, descend: Callable, yardsticks: Callable, ends: Mapping[str, Tensor]
) -> None:
    """A temperature that falls and ends with a lower far than the fixed run."""
    is_temperature = isinstance(answer, Temperature)
    hint = f"answer must be a temperature object; got {describe(answer)}."
    require(is_temperature, hint)
    history, points = descend(answer, draw=0)
    first, last = history[0, 0].item(), history[-1, 0].item()
    require(last < first, f"It begins at T = {first:.3f} and ends at {last:.3f}.")
    near, far = yardsticks(points)
    require(near <= 0.01, f"{near:.1%} of the points have a stranger next door.")
    limit = yardsticks(ends["fixed at 1"])[1]
    require(far < limit, f"far is {far:.4f}; with the fixed T = 1 it is {limit:.4f}.")
