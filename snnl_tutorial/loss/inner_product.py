"""A named distance as an inner product. (chapter 11)"""

from typing import NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.distance import (
    at_length,
    check_distance,
    middle,
    wide_dtype,
)


class Given(NamedTuple):
    """How the sides came from the rows, where autograd has not watched.

    Attributes:
        factors: (N, 1) and (M, 1); a side is the given rows times these.
        length: of the rows of a side, 0-d if T is on a GPU; a row of zeros stays zero.
    """

    factors: tuple[Tensor, Tensor]
    length: float | Tensor


class InnerProductForm(NamedTuple):
    """Rows whose inner products are the logits.

    Attributes:
        left: (N, K).
        right: (M, K).
        bound: of T times a product of theirs, or `None` where to look for it would
            stall a GPU.
        given: what `gradient_of_given` needs; `None` if autograd knows.
    """

    left: Tensor
    right: Tensor
    bound: float | None
    given: Given | None = None


def inner_product_form(
    rows: Tensor,
    refs: Tensor | None,
    distance: str,
    temperature: float | Tensor = 1.0,
) -> InnerProductForm:
    r"""A named distance over T as an inner product.

    .. math:: l_i \cdot r_j = (c - d_{ij}) / T

    where c is 1 for `"cosine"` and 0 for `"sqeuclidean"`, whose rows get two columns
    more: (2x, -1, -a) and (z, b, 1), with their squared lengths a and b. Both sides
    get half of 1/T, and so half of its gradient, too; but not for `"cosine"`, where
    autograd does not watch.

    Args:
        rows: (N, D) real, from `as_real_rows`.
        refs: (M, D), or `None`: the rows themselves.
        distance: `"cosine"` or `"sqeuclidean"`.
        temperature: T.

    Returns:
        An `InnerProductForm`. Without references, both sides have the same gradient.

    Example:
        >>> form = inner_product_form(torch.eye(2), None, "sqeuclidean")
        >>> form.left @ form.right.T
        tensor([[ 0., -2.],
                [-2.,  0.]], dtype=torch.float64)
    """
    check_distance(distance)
    both = [rows] if refs is None else [rows, refs]
    if distance == "cosine" and isinstance(temperature, Tensor):
        temperature = temperature.detach()
    scale: float | Tensor
    if isinstance(temperature, Tensor) and not is_known(temperature):
        # Where it is: to move a number to a GPU would make the program wait.
        scale = temperature.to(rows.dtype).rsqrt()
    else:
        scale = float(temperature) ** -0.5
    if distance == "sqeuclidean":
        return squared_euclidean_form(both, scale)
    sides, factors = zip(*(at_length(x.detach(), scale) for x in both), strict=True)
    given = Given((factors[0], factors[-1]), scale)
    return InnerProductForm(sides[0], sides[-1], 1.0, given)


def squared_euclidean_form(
    both: list[Tensor], scale: float | Tensor
) -> InnerProductForm:
    """See `inner_product_form`."""
    wide = wide_dtype(both[0])
    center = middle(both[-1].to(wide))  # distances do not see a shift
    both = [rows.to(wide) - center for rows in both]
    left, right = both[0], both[-1]
    a, b = (rows.square().sum(dim=1, keepdim=True) for rows in (left, right))
    bound = None
    if a.device.type == "cpu" and a.numel() and b.numel():
        # |x - z|^2 <= 2 |x|^2 + 2 |z|^2
        bound = 2 * float(a.detach().max() + b.detach().max())
    ones = torch.ones_like
    left = torch.cat([2 * left, -ones(a), -a], dim=1) * scale
    right = torch.cat([right, b, ones(b)], dim=1) * scale
    return InnerProductForm(left, right, bound)


def gradient_of_given(
    gradient: Tensor, side: Tensor, factor: Tensor, length: float | Tensor
) -> Tensor:
    """Gradient in x, from that in a side u = x c / |x| of fixed length c.

    Autograd would find the same in thrice the time: c/|x| times the part of the
    gradient that is perpendicular to u, for along u the length does not change.

    Args:
        gradient: (N, K) in u; overwritten.
        side: u.
        factor: (N, 1), c / |x|; 0 for a row of zeros, which has no direction.
        length: c.
    """
    along = (gradient * side).sum(dim=1, keepdim=True)
    share = -1.0
    if isinstance(length, Tensor):
        along /= length**2
    else:
        share /= length**2
    return gradient.addcmul_(along, side, value=share).mul_(factor)


def is_known(temperature: Tensor) -> bool:
    """Whether this is no more than a number: on the CPU, without a gradient."""
    return temperature.device.type == "cpu" and not temperature.requires_grad
