"""Chapter 7, disentangling."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from snnl_tutorial.view.exercises import as_numbers, compare, require, require_function


def exercise_1(answer: Any) -> None:
    """The sum has 32 * 32 * 3 terms."""
    mistakes = {
        300.0 * 3072: "The other way round: the mean is the smaller term.",
        300 / 1024: "Each pixel has three colors.",
        300 / 784: "These images have 32 by 32 pixels, in three colors.",
        300 / 3: "The pixels are summed, too, not only the colors.",
    }
    compare(answer, 300 / (32 * 32 * 3), mistakes)


def exercise_2(answer: Any) -> None:
    """Binary cross-entropy, with no logarithm below -100."""
    require_function(answer)
    x = torch.tensor([[0.0, 1.0, 0.3], [1.0, 0.0, 0.8]]).double()
    guess = torch.tensor([[0.2, 0.9, 0.5], [0.7, 0.1, 0.6]]).double()
    got = as_numbers(answer(guess, x), (), "answer(rebuilt, x)").item()
    hit, miss = x * guess.log(), (1 - x) * (1 - guess).log()
    mean = -(hit + miss).mean().item()
    mistakes = {
        6 * mean: "That is the sum over all numbers, not the mean.",
        3 * mean: "That is the sum over a row's numbers, not the mean.",
        -mean: "The sign: a loss is not negative.",
        -hit.mean().item(): "The second term is missing: 1 - x counts, too.",
        (guess - x).square().mean().item(): "That is the mean squared error.",
    }
    compare(got, mean, mistakes)

    edges = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]).double()
    at_edges = answer(edges, x)
    require(
        torch.as_tensor(at_edges).isfinite().all(),
        "It is not finite where the rebuilt number is exactly 0 or 1.",
    )
    hit, miss = edges.log().clamp(min=-100), (1 - edges).log().clamp(min=-100)
    expected = -(x * hit + (1 - x) * miss).mean().item()
    compare(at_edges, expected)


def exercise_3(answer: Any, labels: Tensor, measure: Callable, alone: float) -> None:
    """At most half of the labels, and a code less entangled than without any."""
    limit = len(labels) // 2
    as_numbers(answer, tuple(labels.shape))
    is_integer = isinstance(answer, Tensor) and answer.dtype == labels.dtype
    require(is_integer, f"answer must be a tensor of {labels.dtype}.")
    answer = answer.to(labels.device)
    shown = answer != -100
    hint = "Show true labels, and -100 elsewhere."
    require((answer == labels)[shown].all(), hint)
    require(shown.sum() <= limit, f"{shown.sum()} labels are shown, {limit} may be.")
    ours = measure(answer)
    require(
        ours < alone,
        f"The code has an entanglement of {ours:.3f}, without the loss {alone:.3f}.",
    )
