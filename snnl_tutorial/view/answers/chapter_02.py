"""Chapter 2, sampling probability."""

import math
from typing import Any

import torch
from torch import Tensor

from snnl_tutorial.loss.distance import cosine_distance
from snnl_tutorial.loss.masking import other_rows
from snnl_tutorial.loss.sampling import sampling_probability
from snnl_tutorial.view.exercises import as_numbers, compare, require


def exercise_1(answer: Any) -> None:
    """Each T divides the odds by e, and 0.5 - 0.2 is 3 T."""
    mistakes = {
        math.exp(-3): "Upside down: the nearer one is likelier.",
        3.0: "So many times T is the other one farther. What does each T do?",
        2.5: "That is the ratio of the distances. The odds hang on their difference.",
        math.exp(0.3): "Divide the difference by the temperature.",
        8.0: "Each T divides the odds by e, not by 2.",
        1000.0: "Each T divides the odds by e, not by 10.",
    }
    compare(answer, math.exp((0.5 - 0.2) / 0.1), mistakes)


def exercise_2(answer: Any, images: Tensor, query: int) -> None:
    """The temperature at which the query has 5 effective neighbors."""
    temperature = as_numbers(answer, ())
    require(temperature > 0, "A temperature is above 0.")
    found = effective_numbers(images, temperature)[query]
    require(found >= 4.99, f"There it has {found:.3f} neighbors. Make it warmer.")
    require(found <= 5.01, f"There it has {found:.3f} neighbors. Make it colder.")


def exercise_3(answer: Any, images: Tensor) -> None:
    """A temperature for each image, at which it has 5 effective neighbors."""
    temperatures = as_numbers(answer, (len(images), 1))
    require((temperatures > 0).all(), "Every temperature is above 0.")
    found = effective_numbers(images, temperatures)
    off = (found - 5).abs()
    require(
        off.max() < 0.01,
        f"{(off >= 0.01).sum()} of {len(images)} images do not have 5 neighbors; "
        f"the one farthest off has {found[off.argmax()]:.3f}.",
    )


def effective_numbers(images: Tensor, temperature: Tensor) -> Tensor:
    """(N,) effective numbers of neighbors, in float64."""
    distances = cosine_distance(images.detach().cpu().double())
    others = other_rows(len(distances))
    probability = sampling_probability(distances, temperature, others)
    return torch.special.entr(probability).sum(dim=1).exp()
