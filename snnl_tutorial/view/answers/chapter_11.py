"""Chapter 11, any size."""

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
    """The root of the number of float32 that fit."""
    numbers = 80 * 2**30 // 4
    mistakes = {
        math.isqrt(numbers) + 1: "That is rounded up: it does not fit.",
        math.isqrt(80 * 10**9 // 4): "One GiB has 2^30 bytes, a little more than 10^9.",
        math.isqrt(80 * 2**30): "A float32 has four bytes.",
        math.isqrt(80 * 2**30 // 8): "A float32 has four bytes, not eight.",
        numbers: "So many numbers fit. The matrix has N times N.",
    }
    compare(answer, math.isqrt(numbers), mistakes)


def exercise_2(answer: Any) -> None:
    """The gradient of the sum of log(1 + O/S), against autograd."""
    require_function(answer)
    labels = torch.arange(12, device="cpu") % 3
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(12, 12, generator=generator, dtype=torch.float64, device="cpu")
    same = labels[:, None] == labels
    itself = torch.eye(12, dtype=torch.bool, device="cpu")
    partners, strangers = same & ~itself, ~same
    got = as_numbers(
        answer(logits.clone(), partners, strangers), (12, 12), "The gradient"
    )
    logits.requires_grad_()
    own, other = (logits.exp() * mask for mask in (partners, strangers))
    (other.sum(1) / own.sum(1)).log1p().sum().backward()
    right = logits.grad
    assert right is not None
    require(not got.allclose(-right), "The sign: what lowers the loss is negative.")
    require(not got.allclose(right / 12), "Take the gradient of the sum, not the mean.")
    hint = "A row's pair with itself is in neither mask: it gets 0."
    require((got.diagonal() == 0).all(), hint)
    for name, mask in (("strangers", strangers), ("partners", partners)):
        require(got[mask].allclose(right[mask]), f"The slopes of the {name} are off.")


def exercise_3(answer: Any) -> None:
    """Two tidy halves that contradict each other."""
    rows, labels = unpack(answer, "rows", "labels")
    require(len(rows) <= 40, f"At most 40 rows; got {len(rows)}.")
    half = len(rows) // 2
    for name, part in (("first", slice(half)), ("second", slice(half, None))):
        loss = soft_nearest_neighbor_loss(rows[part], labels[part], temperature=0.1)
        has_partners = neighbor_masks(labels[part]).anchors.all()
        require(has_partners, f"In the {name} half, a row has no partner.")
        require(loss < 0.1, f"The {name} half has a loss of {loss:.3f}.")
    whole = soft_nearest_neighbor_loss(rows, labels, temperature=0.1)
    require(whole > 0.5, f"The whole has a loss of only {whole:.3f}.")
