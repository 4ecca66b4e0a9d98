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

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.batch import Batch
from snnl_tutorial.loss.checks import reading_is_free, refuse_second_derivatives
from snnl_tutorial.loss.distance import as_real_rows, check_squared_range
from snnl_tutorial.loss.factors import Factors, distance_factors
from snnl_tutorial.loss.masking import TileMasks, log_zero, tile_masks
from snnl_tutorial.loss.precision import full_precision
from snnl_tutorial.loss.single_tile import SingleTileLosses

BLOCK, GPU_BLOCK = 512, 4096
"""Rows of a block. A tile of 512 x 512 floats, 1 MiB, fits a core's cache."""

KEPT_BYTES, CHUNK_BYTES = 2**28, 2**25 - 2**16
"""Up to 256 MiB of tiles are kept for backward, in chunks that the next step is given
again: from 32 MiB on, memory is new, and to map its pages takes as long as the loss."""


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
    rows, refs = as_real_rows(batch.embeddings), None
    if batch.ref_embeddings is not None:
        refs = as_real_rows(batch.ref_embeddings)
    factors = distance_factors(rows, refs, distance)
    largest = largest_logit(factors.largest, temperature)
    if isinstance(temperature, Tensor):  # a number, unless it is learned or on a GPU
        number = reading_is_free(temperature) and not temperature.requires_grad
        moved = temperature.to(factors.left, non_blocking=True)
        temperature = temperature.item() if number else moved
    if distance == "sqeuclidean" and largest is not None:
        check_squared_range(largest, rows.dtype)
    tiles = Tiles(
        factors=factors,
        temperature=temperature,
        masks=tile_masks(batch, ignore_index, factors.left.dtype),
        block=block_size or (BLOCK if rows.device.type == "cpu" else GPU_BLOCK),
        exp_in_range=exp_in_range(largest, factors.left.dtype),
    )
    single = max(len(factors.left), len(factors.right)) <= tiles.block
    if single and tiles.exp_in_range and block_size is None:
        return SingleTileLosses.apply(rows, refs, temperature, tiles)
    keep = block_size is None and torch.is_grad_enabled()
    return TiledLosses.apply(rows, refs, temperature, tiles, keep)


def largest_logit(largest: float | Tensor, temperature: float | Tensor) -> float | None:
    """A bound of the logits; `None` where it would have to be read from a GPU."""
    for value in (largest, temperature):
        if isinstance(value, Tensor) and not reading_is_free(value):
            return None
    number = temperature.item() if isinstance(temperature, Tensor) else temperature
    return float(largest) / number


def exp_in_range(largest: float | None, dtype: torch.dtype) -> bool:
    """Whether sums of a million exp(logit), and ratios of two, fit the dtype."""
    return largest is not None and largest < (35 if dtype == torch.float32 else 340)


class Tiles(NamedTuple):
    """The matrix of logits, (offset - d) / T, one tile at a time.

    Attributes:
        factors: of the distance.
        temperature: T.
        masks: who may be picked, and who is whose partner.
        block: rows and columns of a tile.
        exp_in_range: no exp of a logit leaves the range of floats.
    """

    factors: Factors
    temperature: float | Tensor
    masks: TileMasks
    block: int
    exp_in_range: bool

    @property
    def symmetric(self) -> bool:
        """Whether a tile serves its mirror image: not with two largest logits."""
        return self.factors.refs_are_rows and self.exp_in_range

    def places(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of each tile; none below the diagonal if symmetric."""
        n, m, step = len(self.masks.labels), len(self.masks.ref_labels), self.block
        for i in range(0, n, step):
            for j in range(i if self.symmetric else 0, m, step):
                yield slice(i, min(i + step, n)), slice(j, min(j + step, m))

    def memory(self, tiles: int) -> Tensor:
        """Uninitialized, for so many tiles; the allocator can reuse it as one piece."""
        left, right, block = self.factors.left, self.factors.right, self.block
        return left.new_empty(tiles, min(block, len(left)), min(block, len(right)))

    def chunks(self) -> list[Tensor]:
        """Memory for all tiles; none if they are too many to keep."""
        count = sum(1 for _ in self.places())
        nbytes = self.block**2 * self.factors.left.element_size()
        if count * nbytes > KEPT_BYTES:
            return []
        size = max(1, CHUNK_BYTES // nbytes)
        return [self.memory(min(size, count - k)) for k in range(0, count, size)]

    def walk(
        self, chunks: list[Tensor], spare: Tensor
    ) -> Iterator[tuple[slice, slice, Tensor]]:
        """Rows and columns of each tile, and its memory: the spare if none is kept."""
        # An iteration over a chunk yields its tiles; over the spare, one and the same.
        memory = itertools.chain.from_iterable(chunks or itertools.repeat(spare))
        for (i, j), tile in zip(self.places(), memory, strict=False):
            yield i, j, tile[: i.stop - i.start, : j.stop - j.start]

    def logits(self, i: slice, j: slice, out: Tensor | None = None) -> Tensor:
        """The logits between two blocks of rows; `log_zero` for no candidate."""
        products = torch.mm(self.factors.left[i], self.factors.right[j].T, out=out)
        return self.masks.exclude(products.div_(self.temperature), i, j)

    def separate(self, tile: Tensor, i: slice, j: slice, out: Tensor) -> Tensor:
        """(2, rows, columns): exponentials of partners, 0 elsewhere; then of others."""
        own, other = pair = out[:, : len(tile), : tile.shape[1]]
        self.masks.partner_weights(i, j, out=own).mul_(tile)
        torch.sub(tile, own, out=other)  # exact: x - x or x - 0
        return pair

    def weights(self, tile: Tensor, i: slice, j: slice, out: Tensor) -> Tensor:
        """(2, rows, columns): the weight of each pair as partners, and as others."""
        own, other = pair = out[:, : len(tile), : tile.shape[1]]
        torch.sub(1, self.masks.partner_weights(i, j, out=own), out=other)
        return pair

    def exponentials(
        self, tile: Tensor, i: slice, j: slice, shifts: Tensor, out: Tensor
    ) -> Tensor:
        """Like `separate`, from logits, lowered by (2, rows) shifts before exp."""
        own, other = self.weights(tile, i, j, out)
        tile.addcmul_(own, shifts[0, :, None], value=-1)
        tile.addcmul_(other, shifts[1, :, None], value=-1)
        return self.separate(tile.exp_(), i, j, out)


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
    gradients = RowGradients(ratio, (own + other).reciprocal())
    return ratio.log1p(), own != torch.inf, gradients


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
        totals[:, i] *= (largest[:, i] - new).exp()
        totals[:, i] += pair.sum(dim=2)
        largest[:, i] = new
    anchors = ~(largest[0] <= lowest / 2)  # true for a NaN: it must show in the loss
    own, other = (largest + totals.log()).clamp(min=lowest).unbind()
    losses = torch.logaddexp(other - own, torch.zeros_like(own)).where(anchors, 0)
    # With these shifts, exponentials are divided by S and by S + O already.
    shifts = torch.stack([own, torch.logaddexp(own, other)])
    gradients = RowGradients((other - own).sigmoid(), anchors.to(own), shifts)
    return losses, anchors, gradients


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
        # What is large is saved this way: backward frees it, and not only the graph. T
        # is, so that autograd notices a change in place.
        factors = tiles.factors
        learned = temperature if isinstance(temperature, Tensor) else None
        ctx.save_for_backward(factors.left, factors.right, learned, *chunks)
        empty = factors.left.new_empty(0)
        ctx.tiles = tiles._replace(factors=factors._replace(left=empty, right=empty))
        ctx.mark_non_differentiable(anchors)
        ctx.set_materialize_grads(False)
        return losses, anchors

    @staticmethod
    def backward(ctx: Any, weights: Tensor | None, _: Any) -> tuple[Tensor | None, ...]:
        if weights is None:
            return None, None, None, None, None
        refuse_second_derivatives()
        left, right, _, *chunks = ctx.saved_tensors
        factors = ctx.tiles.factors._replace(left=left, right=right)
        tiles, gradients = ctx.tiles._replace(factors=factors), ctx.gradients
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
