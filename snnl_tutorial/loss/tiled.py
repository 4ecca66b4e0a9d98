"""The exact loss in tiles: a large N x M matrix is never held whole. (chapter 11)

A tile holds the logits between two blocks of rows, and is used while it lies in the
processor's cache. Three ideas:

- A sum of exponentials can be built tile by tile. Where exp could leave the range of
  floats, the largest logit so far is kept beside it (Milakov and Gimelshein, 2018).
- The gradient in a logit is its exponential times a number of its row, so backward
  needs two numbers a row, and can compute each tile anew (Rabe and Staats, 2021).
- Without references the distances are symmetric: a tile above the diagonal serves its
  rows and, transposed, its columns.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss import ranges
from snnl_tutorial.loss.batch import Batch
from snnl_tutorial.loss.checks import reading_is_free, refuse_second_derivatives
from snnl_tutorial.loss.distance import real_rows
from snnl_tutorial.loss.factors import distance_factors
from snnl_tutorial.loss.masking import log_zero, tile_masks
from snnl_tutorial.loss.precision import full_precision
from snnl_tutorial.loss.tiles import Tiles

BLOCK, GPU_BLOCK = 512, 4096
"""Rows of a block. A tile of 512 x 512 floats, 1 MiB, fits a core's cache."""

EMPTY = torch.empty(0, dtype=torch.float32, device="cpu")


def tiled_losses(
    batch: Batch,
    temperature: float | Tensor,
    distance: str,
    ignore_index: int = -100,
    block_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of each row, 0 if it is no anchor, and whether it is one: (N,) each.

    The same as `whole_matrix_losses`, to rounding, for a named distance. Arguments as
    in `soft_nearest_neighbor_loss`, checked already. Derived in chapter 11.
    """
    rows, refs = real_rows(batch.embeddings), None
    if batch.ref_embeddings is not None:
        refs = real_rows(batch.ref_embeddings)
    wide = ranges.is_cold(temperature, rows.dtype)
    factors = distance_factors(rows, refs, distance, wide)
    largest = ranges.largest_logit(factors.largest, temperature)
    if largest is not None:
        if ranges.has_gradient(temperature):
            furthest = largest + factors.offset / float(temperature.detach())
            ranges.check_slope(furthest, temperature, rows.dtype)
        ranges.check_range(largest, rows.dtype, factors.left.dtype)
    on_gpu = isinstance(temperature, Tensor) and not reading_is_free(temperature)
    if isinstance(temperature, Tensor) and (on_gpu or temperature.requires_grad):
        temperature = temperature.to(factors.left, non_blocking=True)
    else:
        temperature = float(temperature)
    tiles = Tiles(
        factors=factors,
        temperature=temperature,
        masks=tile_masks(batch, ignore_index, factors.left.dtype),
        block=block_size or (BLOCK if rows.device.type == "cpu" else GPU_BLOCK),
        exp_in_range=ranges.exp_in_range(largest, factors.left.dtype),
    )
    single = max(len(factors.left), len(factors.right)) <= tiles.block
    if single and tiles.exp_in_range and block_size is None:
        return SingleTileLosses.apply(rows, refs, temperature, tiles)
    keep = block_size is None and torch.is_grad_enabled()
    return TiledLosses.apply(rows, refs, temperature, tiles, keep)


class RowGradients(NamedTuple):
    """What backward needs of each row: the gradient of log(1 + O/S) in its logits.

    S sums exp(s) over the partners, O over the others. In a partner's logit it is
    -(O/S) exp(s) / (S + O), in another's exp(s) / (S + O): the p - q of chapter 4, with
    nothing nearly equal subtracted.

    Attributes:
        ratio: (N,) O/S; with shifts, O / (S + O).
        inverse_normalizer: (N,) 1 / (S + O); with shifts, 1. Without an anchor, 0.
        shifts: (2, N), log S and log(S + O), which are subtracted from the logits of
            partners and of others before exp; `None` where exp is in range.
    """

    ratio: Tensor
    inverse_normalizer: Tensor
    shifts: Tensor | None = None


def plain_sums(
    tiles: Tiles, chunks: list[Tensor]
) -> tuple[Tensor, Tensor, RowGradients]:
    """Losses, anchors and gradients, where exp is in range."""
    sums = tiles.factors.left.new_zeros(2, len(tiles.factors.left))
    scratch = tiles.memory(3)
    for i, j, tile in tiles.walk(chunks, spare=scratch[2:]):
        tiles.logits(i, j, out=tile).exp_()
        pair = tiles.separate(tile, i, j, out=scratch[:2])
        sums[:, i].add_(pair.sum(dim=2))
        if tiles.symmetric and i != j:
            sums[:, j].add_(pair.sum(dim=1))
    own, other = sums.unbind()
    own.masked_fill_(own == 0, torch.inf)  # the rest of such a row is then 0
    ratio = other / own
    return ratio.log1p(), own != torch.inf, RowGradients(ratio, 1 / (own + other))


def online_sums(tiles: Tiles) -> tuple[Tensor, Tensor, RowGradients]:
    """The same in logarithms: the largest logit so far is kept beside each sum."""
    left, lowest = tiles.factors.left, log_zero(tiles.factors.left.dtype)
    largest = left.new_full((2, len(left)), lowest)
    totals, scratch = torch.zeros_like(largest), tiles.memory(3)
    for i, j, tile in tiles.walk([], spare=scratch[2:]):
        tiles.logits(i, j, out=tile)
        pair = tiles.weights(tile, i, j, out=scratch[:2])
        pair.sub_(1).mul_(-lowest).add_(tile)  # logits of partners, then of others
        new = torch.maximum(largest[:, i], pair.amax(dim=2))
        pair = tiles.exponentials(tile, i, j, new, out=scratch[:2])
        totals[:, i] = totals[:, i] * (largest[:, i] - new).exp() + pair.sum(dim=2)
        largest[:, i] = new
    anchors = ~(largest[0] <= lowest / 2)  # true for a NaN: it must show in the loss
    own, other = (largest + totals.log()).clamp(min=lowest).unbind()
    losses = torch.logaddexp(other - own, torch.zeros_like(own)).where(anchors, 0)
    # With these shifts, exponentials are divided by S and by S + O already.
    shifts = torch.stack([own, torch.logaddexp(own, other)])
    gradients = RowGradients((other - own).sigmoid(), anchors.to(own), shifts)
    return losses, anchors, gradients


class SingleTileLosses(torch.autograd.Function):
    """`TiledLosses` for a single tile with exp in range, in fewer operations."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        refs: Tensor | None,
        temperature: float | Tensor,
        tiles: Tiles,
    ) -> tuple[Tensor, Tensor]:
        left, right = tiles.factors.left, tiles.factors.right
        i, j = ctx.place = slice(0, len(left)), slice(0, len(right))
        own, other = pair = tiles.memory(2)
        with full_precision(rows):
            tiles.logits(i, j, out=other).exp_()
        tiles.masks.partner_weights(i, j, out=own).mul_(other)
        other.sub_(own)  # exact: x - x or x - 0
        own_sum, other_sum = pair.sum(dim=2).unbind()
        own_sum.masked_fill_(own_sum == 0, torch.inf)  # no anchor: its loss is 0
        anchors = own_sum != torch.inf
        ratio = other_sum / own_sum
        normalizer = own_sum.add_(other_sum)
        learned = temperature if isinstance(temperature, Tensor) else None
        ctx.tiles = tiles.with_rows(EMPTY, EMPTY)
        ctx.save_for_backward(left, right, own, other, ratio, normalizer, learned)
        ctx.mark_non_differentiable(anchors)
        ctx.set_materialize_grads(False)
        return ratio.log1p(), anchors

    @staticmethod
    def backward(ctx: Any, weights: Tensor | None, _: Any) -> tuple[Tensor | None, ...]:
        if weights is None:
            return None, None, None, None
        refuse_second_derivatives()
        left, right, own, other, ratio, normalizer, _ = ctx.saved_tensors
        tiles, grad_temperature = ctx.tiles.with_rows(left, right), None
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
            grad_left = forces @ right
            grad_right = None if tiles.symmetric else forces.T @ left
            if ctx.needs_input_grad[2]:
                total = (forces * tiles.factors.distances(*ctx.place)).sum()
                grad_temperature = total / (1 + tiles.symmetric) / tiles.temperature
        return *tiles.factors.gradients(grad_left, grad_right), grad_temperature, None


class TiledLosses(torch.autograd.Function):
    """Losses and anchors of the rows, with a backward of its own."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        refs: Tensor | None,
        temperature: float | Tensor,
        tiles: Tiles,
        keep: bool,
    ) -> tuple[Tensor, Tensor]:
        """`tiles` holds all that is needed; the rest are here to get gradients."""
        chunks: list[Tensor] = []
        with full_precision(rows):
            if tiles.exp_in_range:
                chunks = tiles.chunks() if keep and any(ctx.needs_input_grad) else []
                losses, anchors, ctx.gradients = plain_sums(tiles, chunks)
            else:
                losses, anchors, ctx.gradients = online_sums(tiles)
        # Saved, what is large is freed by backward, and a change of T is noticed.
        left, right = tiles.factors.left, tiles.factors.right
        learned = temperature if isinstance(temperature, Tensor) else None
        ctx.tiles = tiles.with_rows(EMPTY, EMPTY)
        ctx.save_for_backward(left, right, learned, *chunks)
        ctx.mark_non_differentiable(anchors)
        ctx.set_materialize_grads(False)
        return losses, anchors

    @staticmethod
    def backward(ctx: Any, weights: Tensor | None, _: Any) -> tuple[Tensor | None, ...]:
        if weights is None:
            return None, None, None, None, None
        refuse_second_derivatives()
        left, right, _, *chunks = ctx.saved_tensors
        tiles, gradients = ctx.tiles.with_rows(left, right), ctx.gradients
        factors = tiles.factors
        push = weights * gradients.inverse_normalizer / tiles.temperature  # of others
        pull = gradients.ratio * push  # of partners
        grad_left, grad_temperature = torch.zeros_like(left), left.new_zeros(())
        grad_right = None if tiles.symmetric else torch.zeros_like(right)
        scratch = tiles.memory(3)
        with full_precision(left):
            for i, j, tile in tiles.walk(chunks, spare=scratch[2:]):
                if not chunks:
                    tiles.logits(i, j, out=tile)
                if gradients.shifts is None:
                    tile = tile if chunks else tile.exp_()
                    pair = tiles.separate(tile, i, j, scratch[:2])
                else:
                    shifts = gradients.shifts[:, i]
                    pair = tiles.exponentials(tile, i, j, shifts, scratch[:2])
                own, force = pair.unbind()
                if tiles.symmetric:  # what i does to j, and j to i
                    # May be the tile, which is no longer needed.
                    both = scratch[2, : len(own), : own.shape[1]]
                    force.mul_(torch.add(push[i, None], push[j], out=both))
                    torch.add(pull[i, None], pull[j], out=both)
                    force.addcmul_(both, own, value=-1)
                else:
                    force.mul_(push[i, None]).addcmul_(pull[i, None], own, value=-1)
                grad_left[i].addmm_(force, right[j])
                if grad_right is not None:
                    grad_right[j].addmm_(force.T, left[i])
                elif i != j:
                    grad_left[j].addmm_(force.T, right[i])
                if ctx.needs_input_grad[2]:
                    # Not force times logit: a row's forces cancel only up to rounding,
                    # which the offset in the logit would magnify.
                    twice = 2 if tiles.symmetric and i == j else 1
                    grad_temperature += (force * factors.distances(i, j)).sum() / twice
        rows, refs = factors.gradients(grad_left, grad_right)
        slope = grad_temperature / tiles.temperature
        return rows, refs, slope if ctx.needs_input_grad[2] else None, None, None
