"""The exact loss in tiles: no N x M matrix is ever whole. (chapter 11)

The batch is cut into blocks of rows. A tile holds what one block has to say to
another, and is used while it still lies in the processor's cache. Three ideas:

- A sum of exponentials can be built tile by tile; if they could under- or overflow,
  the largest exponent so far is kept beside it (Milakov and Gimelshein, 2018).
- The gradient in a logit is a number of its row times the exponential, so backward
  needs two numbers a row and can compute each tile anew (Rabe and Staats, 2021).
- Without references the distances are symmetric: a tile above the diagonal serves
  its rows and, transposed, its columns.

Two cases have a shorter way: a batch that fits into one tile (`one_tile`), and one of
few classes (`few_classes`).
"""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.distance import as_real_rows
from snnl_tutorial.loss.few_classes import class_sums, forces_of_classes
from snnl_tutorial.loss.inner_product import (
    Given,
    gradient_of_given,
    inner_product_form,
)
from snnl_tutorial.loss.one_tile import OneTile, one_tile_gradients, one_tile_sums
from snnl_tutorial.loss.precision import full_precision
from snnl_tutorial.loss.tiles import Tiles, class_numbers, one_hot_classes, very_low

BLOCK = 512
"""Rows of a block: a tile of 512 x 512 floats is 1 MiB, what a core's cache holds."""

GPU_BLOCK = 4096
"""A GPU has less cache a core, but wants more work at a time."""

KEPT_BYTES = 2**28
"""Up to 256 MiB of tiles are kept for backward; beyond that they are computed anew."""


def tiled_losses(
    embeddings: Tensor,
    labels: Tensor,
    temperature: float | Tensor,
    distance: str,
    ref_embeddings: Tensor | None = None,
    ref_labels: Tensor | None = None,
    ignore_index: int = -100,
    block_size: int | None = None,
    own_column: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of each row, and which rows are anchors; equal to the dense form.

    Args:
        embeddings: as in `soft_nearest_neighbor_loss`, all of them checked already.
        labels: likewise.
        temperature: likewise.
        distance: likewise, a name.
        ref_embeddings: likewise.
        ref_labels: likewise.
        ignore_index: likewise.
        block_size: rows of a block. `None` takes 512 on a CPU and 4096 elsewhere, and
            keeps the tiles for backward while they need less than 256 MiB.
        own_column: if the rows stand among the references: from there on. A row is
            not its own neighbor.

    Returns:
        (N,) losses, 0 at rows that are no anchors, and (N,) bool.

    Example:
        >>> rows, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
        >>> tiled_losses(rows, labels, 1.0, "cosine", block_size=3)[0]
        tensor([1.0986, 1.0986, 1.0986, 1.0986])

    Derived in chapter 11.
    """
    if ref_embeddings is None:
        own_column = 0
    rows = as_real_rows(embeddings)
    refs = None if ref_embeddings is None else as_real_rows(ref_embeddings)
    left, right, reach, given = inner_product_form(rows, refs, distance, temperature)
    if distance == "sqeuclidean" and reach is not None:
        check_reach(reach, temperature, rows.dtype)
    if given is None:
        rows, refs = left, right
    elif refs is None:
        refs = rows
    safe = is_safe(reach, temperature, left.dtype)
    block = block_size or (BLOCK if left.device.type == "cpu" else GPU_BLOCK)
    mirrored = safe and ref_embeddings is None
    sides = labels, ref_labels, ignore_index, left
    several = max(len(left), len(right)) > block  # if it is one, masks are faster
    hot = one_hot_classes(*sides) if safe and several else None
    classes = (*hot, None, None) if hot else class_numbers(*sides)
    tiles = Tiles(left, right, *classes, own_column, safe, mirrored, block)
    keep = safe and block_size is None and tiles.size_in_bytes() <= KEPT_BYTES
    learned = None  # T, unless autograd knows it already
    if isinstance(temperature, Tensor) and given and temperature.requires_grad:
        learned = temperature.to(left, non_blocking=True)
    watched = rows.requires_grad or refs.requires_grad or learned is not None
    keep = keep and torch.is_grad_enabled() and watched
    losses, anchors = TiledLosses.apply(rows, refs, learned, tiles, given, keep)
    return losses, anchors


def is_safe(
    reach: float | None, temperature: float | Tensor, dtype: torch.dtype
) -> bool:
    """Whether exp can neither over- nor underflow, whatever the pair.

    Nor can the ratio of two sums of a million such exponentials, O / S: exp(70) and
    exp(680) leave that much room.

    Args:
        reach: the largest size of T s_ij, if known.
        temperature: T.
        dtype: of the logits.
    """
    unknown = isinstance(temperature, Tensor) and temperature.device.type != "cpu"
    if reach is None or unknown:  # looking would stall a GPU
        return False
    if isinstance(temperature, Tensor):
        temperature = temperature.item()
    return reach / temperature < (35 if dtype == torch.float32 else 340)


def check_reach(reach: float, temperature: float | Tensor, dtype: torch.dtype) -> None:
    """Raise where squared distances over T overflow; warn where float64 rounds them.

    Args:
        reach: the largest squared distance, or more.
        temperature: T.
        dtype: of the loss.
    """
    if isinstance(temperature, Tensor):
        if temperature.device.type != "cpu":
            return
        temperature = temperature.item()
    if not reach / temperature < torch.finfo(dtype).max:
        raise ValueError(
            "embeddings must not be so far apart that squared distances over the "
            f"temperature leave {dtype}; got up to {reach:.1e} / {temperature:.1e}"
        )
    rounding = torch.finfo(torch.float64).eps * reach / temperature
    if rounding > 0.01:
        warnings.warn(
            f"squared distances of up to {reach:.1e} are rounded by {rounding:.1e} "
            "times the temperature: scale the columns of embeddings to one size, or "
            "raise the temperature",
            stacklevel=5,
        )


class Slopes(NamedTuple):
    """What backward needs of each row: the gradient of its loss in its logits.

    That in a partner's logit s is -odds push exp(s - shift[0]), that in another's is
    push exp(s - shift[1]).

    Attributes:
        odds: (N,).
        push: (N,).
        shifts: (2, N); None stands for zeros.
    """

    odds: Tensor
    push: Tensor
    shifts: Tensor | None = None


def plain_sums(tiles: Tiles, keep: bool) -> tuple[Tensor, Tensor, Slopes, list[Tensor]]:
    r"""Losses, anchors, slopes, and the tiles of exponentials if they are to be kept.

    The gradient of log(1 + O/S) in a partner's logit s is -(O/S) exp(s) / Z, in
    another's exp(s) / Z, where Z = S + O: nowhere are nearly equal numbers subtracted.
    """
    sums = class_sums if tiles.few_classes() else mask_sums
    own, other, kept = sums(tiles, keep)
    anchors = own != 0
    own = own.where(anchors, torch.inf)  # then the rest of such a row is 0
    odds = other / own
    return odds.log1p(), anchors, Slopes(odds, (own + other).reciprocal()), kept


def mask_sums(tiles: Tiles, keep: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
    """S and O of each row, and the tiles of exponentials if they are to be kept."""
    sums = tiles.left.new_zeros(2, len(tiles.left))
    kept: list[Tensor] = []
    room = None if keep else tiles.scratch()
    for i, j in tiles.places():
        pairs = tiles.exponentials(i, j, room)  # (2, rows, columns)
        sums[:, i].add_(pairs.sum(dim=2))
        if tiles.mirrored and i != j:
            sums[:, j].add_(pairs.sum(dim=1))
        if keep:
            kept.append(pairs)
    return sums[0], sums[1], kept


def guarded_sums(tiles: Tiles) -> tuple[Tensor, Tensor, Slopes]:
    """The same in logarithms: exp is taken of differences to the largest logit."""
    lowest = very_low(tiles.left.dtype)
    largest = tiles.left.new_full((2, len(tiles.left)), lowest)
    totals, scratch = torch.zeros_like(largest), tiles.scratch()
    for i, j in tiles.places():
        # very low where the mask was 0
        seen = tiles.masks(i, j, scratch).sub_(1).mul_(-lowest).add_(tiles.logits(i, j))
        new = torch.maximum(largest[:, i], seen.amax(dim=2))
        totals[:, i] *= (largest[:, i] - new).exp()
        totals[:, i] += seen.sub_(new[:, :, None]).exp_().sum(dim=2)
        largest[:, i] = new
    anchors = ~(largest[0] <= lowest / 2)  # so that a NaN is none of the lowest
    own, other = (largest + totals.log()).clamp(min=lowest)
    odds = other - own
    losses = torch.logaddexp(odds, torch.zeros_like(odds)).where(anchors, 0)
    shifts = torch.stack([own, torch.logaddexp(own, other)])
    return losses, anchors, Slopes(odds.sigmoid(), anchors.to(odds.dtype), shifts)


class TiledLosses(torch.autograd.Function):
    """Losses and anchors of the rows, with a backward of its own."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        refs: Tensor,
        temperature: Tensor | None,
        tiles: Tiles,
        given: Given | None,
        keep: bool,
    ) -> tuple[Tensor, Tensor]:
        needed: Sequence[Tensor | None]
        ctx.whole = keep and tiles.is_one()
        with full_precision(rows):
            if ctx.whole:
                losses, anchors, needed = one_tile_sums(tiles)
            elif tiles.safe:
                losses, anchors, slopes, kept = plain_sums(tiles, keep)
                needed = (*slopes, *kept)
            else:
                losses, anchors, needed = guarded_sums(tiles)
        factors = (None, None) if given is None else given.factors
        ctx.layout, ctx.length = tiles[6:], given and given.length
        # Saved so, what is large is let go by backward, and not only with the loss.
        ctx.save_for_backward(*tiles[:6], *factors, temperature, *needed)
        ctx.mark_non_differentiable(anchors)
        ctx.set_materialize_grads(False)  # or zeros are made for the anchors
        return losses, anchors

    @staticmethod
    def backward(ctx: Any, weights: Tensor | None, _: Any) -> tuple[Tensor | None, ...]:
        if weights is None:  # nobody asks
            return (None,) * 6
        if torch.is_grad_enabled():  # create_graph=True
            raise RuntimeError(
                "the tiled loss has no second derivative; give it a callable distance, "
                "such as distance=cosine_distance, and autograd finds one"
            )
        saved = ctx.saved_tensors
        tiles = Tiles(*saved[:6], *ctx.layout)
        left_factor, right_factor, temperature, *needed = saved[6:]
        both = ctx.needs_input_grad[1] and not tiles.mirrored
        with full_precision(weights):
            if ctx.whole:
                found = one_tile_gradients(
                    tiles, OneTile(*needed), weights, both, temperature
                )
            else:
                slopes, kept = Slopes(*needed[:3]), needed[3:]
                found = gradients(tiles, slopes, weights, kept, both, temperature)
        left, right, slope = found
        if left_factor is not None:
            left = gradient_of_given(left, tiles.left, left_factor, ctx.length)
            if right is not None:
                right = gradient_of_given(right, tiles.right, right_factor, ctx.length)
        return left, right, slope, None, None, None


def gradients(
    tiles: Tiles,
    slopes: Slopes,
    weights: Tensor,
    kept: Sequence[Tensor],
    both: bool,
    temperature: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Of the weighted sum of the losses: in left; in right and in T if wanted."""
    push = weights * slopes.push
    pull = slopes.odds * push
    # The first tile of a block of rows writes (beta=0), the others add.
    new = torch.empty_like if len(tiles.left) and len(tiles.right) else torch.zeros_like
    left, right = new(tiles.left), new(tiles.right) if both else None
    slope = None if temperature is None else torch.zeros_like(temperature)
    room = None if kept else tiles.scratch()
    forces = tiles.scratch()
    if tiles.few_classes():
        row_side, column_side = forces_of_classes(tiles, push, pull)
    for number, (i, j) in enumerate(tiles.places()):
        pairs = kept[number] if kept else tiles.exponentials(i, j, room, slopes.shifts)
        scratch = forces[:, : pairs.shape[-2], : pairs.shape[-1]]
        if tiles.few_classes():
            force = torch.mm(row_side[i], column_side[j].T, out=scratch[0]).mul_(pairs)
        elif tiles.mirrored:  # the force of i on j and that of j on i
            force, attraction = scratch
            torch.add(push[i, None], push[j], out=force).mul_(pairs[1])
            torch.add(pull[i, None], pull[j], out=attraction)
            force.addcmul_(attraction, pairs[0], value=-1)
        else:
            force = torch.mul(push[i, None], pairs[1], out=scratch[0])
            force.addcmul_(pull[i, None], pairs[0], value=-1)
        left[i].addmm_(force, tiles.right[j], beta=int(j.start > 0))
        if tiles.mirrored and i != j:
            left[j].addmm_(force.T, tiles.right[i], beta=int(i.start > 0))
        if right is not None:
            right[j].addmm_(force.T, tiles.left[i], beta=int(i.start > 0))
        if temperature is not None and slope is not None:
            slope += tiles.slope_in_temperature(i, j, force, temperature)
    return left, right, slope
