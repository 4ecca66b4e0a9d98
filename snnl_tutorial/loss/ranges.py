"""Whether logits, their exp, and gradients stay in the range of floats. (chapter 11)"""

from typing import TypeGuard

import torch
from torch import Tensor

from snnl_tutorial.loss.checks import reading_is_free, warn

TOLERANCE = 0.01
"""Of the rounding of a distance over T, which is the relative error of its exp."""


def largest_logit(largest: float | Tensor, temperature: float | Tensor) -> float | None:
    """A bound of the logits; `None` where it would have to be read from a GPU."""
    for value in (largest, temperature):
        if isinstance(value, Tensor) and not reading_is_free(value):
            return None
    number = temperature.item() if isinstance(temperature, Tensor) else temperature
    return float(largest) / number


def is_cold(temperature: float | Tensor, dtype: torch.dtype) -> bool:
    """Whether cosine distances over T, of about 1/T, are rounded too much."""
    largest = largest_logit(1.0, temperature)
    return largest is not None and torch.finfo(dtype).eps * largest > TOLERANCE


def exp_in_range(largest: float | None, dtype: torch.dtype) -> bool:
    """Whether sums of a million exp(logit), and ratios of two, fit the dtype."""
    return largest is not None and largest < (35 if dtype == torch.float32 else 340)


def check_range(largest: float, rows: torch.dtype, distances: torch.dtype) -> None:
    """Raise where distances over T overflow; warn where they are rounded too much.

    Args:
        largest: the largest distance over T, or more.
        rows: the dtype of the loss.
        distances: the dtype in which they are computed.
    """
    if not largest < torch.finfo(rows).max:
        raise ValueError(
            "embeddings must not be so far apart that distances over the temperature "
            f"leave {rows}; got up to {largest:.1e}"
        )
    rounding = torch.finfo(distances).eps * largest
    if rounding > TOLERANCE:
        warn(
            f"distances over the temperature, of up to {largest:.1e}, are rounded by "
            f"{rounding:.1e}: raise the temperature, or scale the columns of "
            "embeddings to one size"
        )


def check_slope(largest: float, temperature: Tensor, dtype: torch.dtype) -> None:
    """Raise where the gradient in T, of up to a distance over T squared, overflows.

    Args:
        largest: the largest distance over T, or more.
        temperature: T, on the CPU.
        dtype: of the loss.
    """
    t, own = float(temperature.detach()), temperature.dtype
    slope = largest / t
    if not slope < min(torch.finfo(own).max, torch.finfo(dtype).max):
        raise ValueError(
            "temperature, which has a gradient, must not be so low that a distance "
            f"over its square leaves {own} or {dtype}; got {t:.1e}, which gives up to "
            f"{slope:.1e}"
        )


def has_gradient(temperature: float | Tensor) -> TypeGuard[Tensor]:
    """Whether T is a tensor that wants a gradient."""
    return isinstance(temperature, Tensor) and temperature.requires_grad
