"""A batch that fits into one tile: the same sums and gradients, written out whole.

A small batch costs more time in the number of operations than in their size. Without
the bookkeeping of tiles, there are half as many.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.tiles import Tiles, very_low


class OneTile(NamedTuple):
    """What backward needs.

    Attributes:
        own: (N, M) exp of the logits of partners, 0 elsewhere.
        other: (N, M) that of the others.
        odds: (N,) sum of other / sum of own.
        push: (N,) 1 / the sum of both.
    """

    own: Tensor
    other: Tensor
    odds: Tensor
    push: Tensor


def one_tile_sums(tiles: Tiles) -> tuple[Tensor, Tensor, OneTile]:
    """Losses, anchors and what backward needs; see `blockwise.plain_sums`."""
    room = tiles.left.new_empty(2, len(tiles.left), len(tiles.right))
    own, other = room
    if tiles.left_bias is None or tiles.right_bias is None:
        torch.mm(tiles.left, tiles.right.T, out=other)
    else:
        torch.addmm(tiles.right_bias, tiles.left, tiles.right.T, out=other)
        other += tiles.left_bias[:, None]
    if tiles.own_column is not None:
        other.diagonal(tiles.own_column).fill_(very_low(other.dtype))
    other.exp_()
    # A mask of floats: a product with booleans takes ten times as long.
    mine, theirs = tiles.left_class[:, None], tiles.right_class
    torch.eq(mine, theirs, out=own).mul_(other)
    other.sub_(own)  # exact: x - x or x - 0
    own_sum, other_sum = room.sum(dim=2)
    anchors = own_sum != 0
    own_sum = own_sum.where(anchors, torch.inf)  # then the rest of such a row is 0
    odds = other_sum / own_sum
    push = (own_sum + other_sum).reciprocal_()
    return odds.log1p(), anchors, OneTile(own, other, odds, push)


def one_tile_gradients(
    tiles: Tiles,
    kept: OneTile,
    weights: Tensor,
    both: bool,
    temperature: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """See `blockwise.gradients`."""
    push = weights * kept.push
    pull = kept.odds * push
    if tiles.mirrored:  # the force of i on j and that of j on i
        force = (push[:, None] + push).mul_(kept.other)
        force.addcmul_(pull[:, None] + pull, kept.own, value=-1)
    else:
        force = kept.other * push[:, None]
        force.addcmul_(pull[:, None], kept.own, value=-1)
    slope = None
    if temperature is not None:
        i, j = (slice(0, len(side)) for side in (tiles.left, tiles.right))
        slope = tiles.slope_in_temperature(i, j, force, temperature)
    return force @ tiles.right, force.T @ tiles.left if both else None, slope
