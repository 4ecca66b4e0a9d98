"""A batch that is one tile: p - q of chapter 4, in fewer operations than by tiles."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from snnl_tutorial.loss.checks import refuse_second_derivatives
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
        i, j = ctx.place = slice(0, len(rows)), slice(0, len(tiles.factors.right))
        own, other = pair = tiles.memory(2)
        with full_precision(rows):
            tiles.logits(i, j, out=other).exp_()
        tiles.masks.partner_weights(i, j, out=own).mul_(other)
        other.sub_(own)  # exact: x - x or x - 0
        own_sum, other_sum = pair.sum(dim=2).unbind()
        own_sum.masked_fill_(own_sum == 0, torch.inf)  # no anchor: its loss is 0
        anchors = own_sum != torch.inf
        ratio = other_sum / own_sum
        # T is saved so that autograd notices a change in place before backward.
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
        (i, j), (own, other, ratio, normalizer, _) = ctx.place, ctx.saved_tensors
        tiles, factors, grad_temperature = ctx.tiles, ctx.tiles.factors, None
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
                total = (forces * factors.distances(i, j)).sum() / tiles.temperature
                grad_temperature = total / 2 if tiles.symmetric else total
        return *factors.gradients(left, right), grad_temperature, None
