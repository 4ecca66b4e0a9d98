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
    pairs = tiles.left @ tiles.right.T
    if tiles.left_bias is not None and tiles.right_bias is not None:
        pairs += tiles.left_bias[:, None]
        pairs += tiles.right_bias
    if tiles.own_column is not None:
        pairs.diagonal(tiles.own_column).fill_(very_low(pairs.dtype))
    pairs.exp_()
    # A mask of floats: a product with booleans takes ten times as long.
    mine, theirs = tiles.left_class[:, None], tiles.right_class
    own = torch.eq(mine, theirs, out=torch.empty_like(pairs)).mul_(pairs)
    other = pairs.sub_(own)  # exact: x - x or x - 0
    own_sum, other_sum = own.sum(dim=1), other.sum(dim=1)
    alone = own_sum == 0
    own_sum.masked_fill_(alone, torch.inf)  # then the rest of such a row is 0
    odds = other_sum / own_sum
    push = (own_sum + other_sum).reciprocal_()
    return odds.log1p(), ~alone, OneTile(own, other, odds, push)


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
        force -= (pull[:, None] + pull).mul_(kept.own)
    else:
        force = kept.other * push[:, None] - kept.own * pull[:, None]
    slope = None
    if temperature is not None:
        i, j = (slice(0, len(side)) for side in (tiles.left, tiles.right))
        slope = tiles.slope_in_temperature(i, j, force, temperature)
    return force @ tiles.right, force.T @ tiles.left if both else None, slope
