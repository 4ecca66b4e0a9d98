"""A named distance as one matrix product, and the way back to the rows. (chapter 11)"""

from typing import NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.distance import mean_row, unit_rows, wide_dtype


class Factors(NamedTuple):
    r"""Two matrices whose product is a constant minus the distances.

    .. math::
        1 - d_{ij} = \frac{x_i}{|x_i|} \cdot \frac{z_j}{|z_j|}
        \quad\text{or}\quad
        -d_{ij} = (2x_i,\ -1,\ -|x_i|^2) \cdot (z_j,\ |z_j|^2,\ 1)

    Attributes:
        left: (N, K).
        right: (M, K); `left @ right.T` is offset - d.
        offset: 1 for the cosine distance, 0 for the squared Euclidean one.
        largest: a bound of `|offset - d|`; 0-d where it depends on the rows.
        refs_are_rows: whether there are no other references.
        left_scale, right_scale: (N, 1) `1 / |x|` and (M, 1) `1 / |z|`, for the cosine.
    """

    left: Tensor
    right: Tensor
    offset: float
    largest: float | Tensor
    refs_are_rows: bool
    left_scale: Tensor | None = None
    right_scale: Tensor | None = None

    def distances(self, i: slice, j: slice) -> Tensor:
        """The distances between two blocks of rows."""
        return self.offset - self.left[i] @ self.right[j].T

    def gradients(self, left: Tensor, right: Tensor | None) -> list[Tensor | None]:
        """Gradients in rows and references, from those in the factors (overwritten)."""
        if self.left_scale is None or self.right_scale is None:
            # Columns: those of the row, then two more.
            rows = 2 * left[:, :-2] - self.left[:, :-2] * left[:, -1:]
            if right is not None:
                right = right[:, :-2] + 2 * self.right[:, :-2] * right[:, -2:-1]
        else:
            rows = perpendicular(left, self.left).mul_(self.left_scale)
            if right is not None:
                right = perpendicular(right, self.right).mul_(self.right_scale)
        if self.refs_are_rows and right is not None:
            return [rows + right, None]
        return [rows, right]


def distance_factors(
    rows: Tensor, refs: Tensor | None, distance: str, wide: bool = False
) -> Factors:
    """The `Factors` of a named distance between real rows; no gradient is recorded.

    Args:
        rows: (N, D).
        refs: (M, D), if not the rows themselves.
        distance: its name.
        wide: whether to compute in float64, as squared Euclidean distances always are.
    """
    dtype = wide_dtype(rows) if wide or distance == "sqeuclidean" else rows.dtype
    refs_are_rows, rows = refs is None, rows.detach().to(dtype)
    refs = rows if refs is None else refs.detach().to(dtype)
    if distance == "cosine":
        left, left_scale = unit_rows(rows)
        right, right_scale = (left, left_scale) if refs_are_rows else unit_rows(refs)
        return Factors(left, right, 1.0, 1.0, refs_are_rows, left_scale, right_scale)
    center = mean_row(refs)  # a shift changes no distance, only the rounding
    rows, refs = rows - center, refs - center
    a, b = (x.square().sum(dim=1, keepdim=True) for x in (rows, refs))
    left = torch.cat([2 * rows, -torch.ones_like(a), -a], dim=1)
    right = torch.cat([refs, b, torch.ones_like(b)], dim=1)
    # |x - z|^2 <= 2 |x|^2 + 2 |z|^2
    largest = 2 * (a.max() + b.max()) if len(a) and len(b) else 0.0
    return Factors(left, right, 0.0, largest, refs_are_rows)


def perpendicular(gradient: Tensor, unit: Tensor) -> Tensor:
    """Removes the gradient along the unit row: a longer x has the same x / |x|."""
    along = (gradient * unit).sum(dim=1, keepdim=True)
    return gradient.addcmul_(along, unit, value=-1)
