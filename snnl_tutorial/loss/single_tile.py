"""A batch that is one small tile: p - q of chapter 4, written out whole.

A small step takes its time for the number of its operations, not for their size, and
without the bookkeeping of tiles there are fewer.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from snnl_tutorial.loss.precision import full_precision

if TYPE_CHECKING:
    from snnl_tutorial.loss.tiled import Tiles


class SingleTileLosses(torch.autograd.Function):
    """`tiled.TiledLosses` for a single tile whose exponentials are in range."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        refs: Tensor | None,
        temperature: float | Tensor,
        tiles: "Tiles",
    ) -> tuple[Tensor, Tensor]:
        ctx.tiles = tiles
        i, j = slice(0, len(rows)), slice(0, len(tiles.factors.right))
        pair = tiles.memory(2)
        own, other = pair.unbind()
        with full_precision(rows):
            tiles.logits(i, j, out=other).exp_()
        tiles.masks.partner_weights(i, j, out=own).mul_(other)
        other.sub_(own)  # exact: x - x or x - 0
        own_sum, other_sum = pair.sum(dim=2).unbind()
        own_sum.masked_fill_(own_sum == 0, torch.inf)  # the rest of such a row is 0
        anchors = own_sum != torch.inf
        ratio = other_sum / own_sum
        learned = temperature if isinstance(temperature, Tensor) else None
        ctx.save_for_backward(own, other, ratio, own_sum.add_(other_sum), learned)
        ctx.mark_non_differentiable(anchors)
        ctx.set_materialize_grads(False)
        return ratio.log1p(), anchors

    @staticmethod
    def backward(ctx: Any, weights: Tensor | None, _: Any) -> tuple[Tensor | None, ...]:
        if weights is None:
            return None, None, None, None
        refuse_second_derivatives()
        own, other, ratio, normalizer, _ = ctx.saved_tensors
        tiles, factors, slope = ctx.tiles, ctx.tiles.factors, None
        # p - q: p in another class; in the row's own -(O/S) p, so that nothing nearly
        # equal is subtracted.
        push = weights / normalizer / tiles.temperature
        pull = ratio * push
        if tiles.symmetric:  # what row i does to row j, and j to i
            forces = (push[:, None] + push).mul_(other)
            forces.addcmul_(pull[:, None] + pull, own, value=-1)
        else:
            forces = (push[:, None] * other).addcmul_(pull[:, None], own, value=-1)
        with full_precision(forces):
            left = forces @ factors.right
            right = None if tiles.symmetric else forces.T @ factors.left
            if ctx.needs_input_grad[2]:
                distances = factors.distances(slice(0, None), slice(0, None))
                slope = (forces * distances).sum() / tiles.temperature
                slope = slope / 2 if tiles.symmetric else slope
        return *factors.gradients(left, right), slope, None


def refuse_second_derivatives() -> None:
    """Raise in a backward that is recorded, as by `create_graph=True`."""
    if torch.is_grad_enabled():
        raise RuntimeError(
            "the tiled loss has no second derivative; give it a callable distance, "
            "such as distance=cosine_distance, and autograd finds one"
        )
