"""The exact loss in tiles: no N x M matrix is ever whole. (chapter 11)

The batch is cut into blocks of rows. A tile holds what one block has to say to
another, and is used while it still lies in the processor's cache. Three ideas:

- A sum of exponentials can be built tile by tile; if they could under- or overflow,
  the largest exponent so far is kept beside it (Milakov and Gimelshein, 2018).
- The gradient in a logit is a number of its row times the exponential, so backward
  needs two numbers a row and can compute each tile anew (Rabe and Staats, 2021).
- Without references the distances are symmetric: a tile above the diagonal serves
  its rows and, transposed, its columns.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.distance import inner_product_form

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

    Returns:
        (N,) losses, 0 at rows that are no anchors, and (N,) bool.

    Example:
        >>> rows, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
        >>> tiled_losses(rows, labels, 1.0, "cosine", block_size=3)[0]
        tensor([1.0986, 1.0986, 1.0986, 1.0986])

    Derived in chapter 11.
    """
    itself = ref_embeddings is None
    left, right, reach = inner_product_form(embeddings, ref_embeddings, distance)
    safe = is_safe(reach, temperature, left.dtype)
    # Both sides get half of 1/T: so do their gradients, also where one serves for both.
    if isinstance(temperature, Tensor):
        scale = temperature.to(left).rsqrt()
    else:
        scale = float(temperature) ** -0.5
    left, right = left * scale, None if right is left else right * scale
    right = left if right is None else right
    block = block_size or (BLOCK if left.device.type == "cpu" else GPU_BLOCK)
    needed = left.element_size() * len(left) * len(right) // (2 if itself else 1)
    keep = safe and block_size is None and needed <= KEPT_BYTES
    keep = keep and torch.is_grad_enabled()
    classes = class_numbers(labels, ref_labels, left)
    biases = biases_of(labels, ref_labels, ignore_index, left)
    losses, anchors = TiledLosses.apply(
        left, right, (*classes, *biases, itself, safe, block), keep
    )
    return losses, anchors


def is_safe(
    reach: float | None, temperature: float | Tensor, dtype: torch.dtype
) -> bool:
    """Whether exp can neither over- nor underflow, whatever the pair.

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
    return reach / temperature < (40 if dtype == torch.float32 else 350)


def very_low(dtype: torch.dtype) -> float:
    """Stands for log 0: its exp is 0, and a few of them add up without overflow."""
    return torch.finfo(dtype).min / 8


def class_numbers(
    labels: Tensor, ref_labels: Tensor | None, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Labels of rows and columns as small numbers, in the dtype of `like`.

    A label can be any 64-bit integer, too large for a float; its place among the
    sorted labels cannot. And equal floats are found faster than equal integers.
    """
    both = labels.long()
    if ref_labels is not None:
        both = torch.cat([both, ref_labels.long()])
    numbers = torch.searchsorted(both.sort().values, both).to(like.dtype)
    return numbers[: len(labels)], numbers[0 if ref_labels is None else len(labels) :]


def biases_of(
    labels: Tensor, ref_labels: Tensor | None, ignore_index: int, like: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """Added to the logits: very low where a row is unlabeled. None if none is."""
    both = [labels] if ref_labels is None else [labels, ref_labels]
    unlabeled = [one.long() == ignore_index for one in both]
    if like.device.type == "cpu" and not any(bool(one.any()) for one in unlabeled):
        return None, None
    biases = [one.to(like.dtype) * very_low(like.dtype) for one in unlabeled]
    return biases[0], biases[-1]


class Tiles(NamedTuple):
    """What it takes to write down any tile.

    Attributes:
        left: (N, K).
        right: (M, K); the logits are left @ right.T.
        left_class: (N,), a number for each class.
        right_class: (M,).
        left_bias: (N,), see `biases_of`, or None.
        right_bias: (M,) or None.
        itself: the columns are the rows: the diagonal is left out.
        safe: exp of a logit neither over- nor underflows.
        block: rows and columns of a tile.
    """

    left: Tensor
    right: Tensor
    left_class: Tensor
    right_class: Tensor
    left_bias: Tensor | None
    right_bias: Tensor | None
    itself: bool
    safe: bool
    block: int

    @property
    def mirrored(self) -> bool:
        """Whether a tile serves its columns, too. (Their maxima would differ.)"""
        return self.itself and self.safe

    def places(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of each tile; none below the diagonal if mirrored."""
        for i in range(0, len(self.left), self.block):
            for j in range(i if self.mirrored else 0, len(self.right), self.block):
                yield slice(i, i + self.block), slice(j, j + self.block)

    def logits(self, i: slice, j: slice) -> Tensor:
        """One tile; very low on the diagonal and at unlabeled rows."""
        tile = self.left[i] @ self.right[j].T
        if self.left_bias is not None and self.right_bias is not None:
            tile += self.left_bias[i, None]
            tile += self.right_bias[j]
        if self.itself and i == j:
            tile.fill_diagonal_(very_low(tile.dtype))
        return tile

    def scratch(self) -> list[Tensor]:
        """Room for three tiles: new memory for each step's would cost more."""
        rows, columns = (
            min(self.block, len(self.left)),
            min(self.block, len(self.right)),
        )
        return [self.left.new_empty(rows, columns) for _ in range(3)]

    def masks(self, i: slice, j: slice, scratch: list[Tensor]) -> list[Tensor]:
        """1.0 where classes are equal, 1.0 where they differ, and room for a tile.

        Floats: a product with them takes a tenth of a product with booleans.
        """
        mine, theirs = self.left_class[i, None], self.right_class[j]
        rows, columns = len(mine), len(theirs)
        if scratch[0].shape != (rows, columns):  # at the border
            scratch = [space[:rows, :columns] for space in scratch]
        same, other, room = scratch
        torch.eq(mine, theirs, out=same)
        torch.ne(mine, theirs, out=other)
        return scratch


class Slopes(NamedTuple):
    """What backward needs of each row: the gradient of its loss in its logits.

    That in a partner's logit s is -pull exp(s - own_shift), that in another's is
    push exp(s - every_shift).

    Attributes:
        pull: (N,).
        push: (N,).
        own_shift: (N,); None stands for zeros.
        every_shift: (N,) or None.
    """

    pull: Tensor
    push: Tensor
    own_shift: Tensor | None = None
    every_shift: Tensor | None = None


def plain_sums(tiles: Tiles, keep: bool) -> tuple[Tensor, Tensor, Slopes, list[Tensor]]:
    r"""Losses, anchors, slopes, and the tiles of exponentials if they are to be kept.

    The gradient of log(1 + O/S) in a partner's logit s is -(O/Z) exp(s) / S, in
    another's exp(s) / Z, where Z = S + O: nowhere are nearly equal numbers subtracted.
    """
    own, other = tiles.left.new_zeros(2, len(tiles.left))  # S and O
    scratch, kept = tiles.scratch(), []
    for i, j in tiles.places():
        weights = tiles.logits(i, j).exp_()
        partners, others, _ = tiles.masks(i, j, scratch)
        partners *= weights
        others *= weights
        own[i].add_(partners.sum(dim=1))
        other[i].add_(others.sum(dim=1))
        if tiles.mirrored and i != j:
            own[j].add_(partners.sum(dim=0))
            other[j].add_(others.sum(dim=0))
        if keep:
            kept.append(weights)
    alone = own == 0
    own.masked_fill_(alone, torch.inf)  # then the rest of such a row is 0
    odds, push = other / own, (own + other).reciprocal()
    return odds.log1p(), ~alone, Slopes(odds * push, push), kept


def guarded_sums(tiles: Tiles) -> tuple[Tensor, Tensor, Slopes]:
    """The same in logarithms: exp is taken of differences to the largest logit."""
    lowest = very_low(tiles.left.dtype)
    largest = tiles.left.new_full((2, len(tiles.left)), lowest)
    totals, scratch = torch.zeros_like(largest), tiles.scratch()
    for i, j in tiles.places():
        logits = tiles.logits(i, j)
        for kind, mask in enumerate(tiles.masks(i, j, scratch)[:2]):
            seen = mask.sub_(1).mul_(-lowest).add_(logits)  # very low where mask was 0
            new = torch.maximum(largest[kind, i], seen.amax(dim=1))
            totals[kind, i] *= (largest[kind, i] - new).exp()
            totals[kind, i] += seen.sub_(new[:, None]).exp_().sum(dim=1)
            largest[kind, i] = new
    anchors = largest[0] > lowest / 2
    own, other = (largest + totals.log()).clamp(min=lowest)
    odds = other - own
    losses = torch.logaddexp(odds, torch.zeros_like(odds)).where(anchors, 0)
    push = anchors.to(odds.dtype)
    slopes = Slopes(push * odds.sigmoid(), push, own, torch.logaddexp(own, other))
    return losses, anchors, slopes


class TiledLosses(torch.autograd.Function):
    """Losses and anchors of the rows, with a backward of its own."""

    @staticmethod
    def forward(
        ctx: Any, left: Tensor, right: Tensor, layout: tuple[Any, ...], keep: bool
    ) -> tuple[Tensor, Tensor]:
        tiles = ctx.tiles = Tiles(left, right, *layout)
        ctx.kept = []
        with torch.autocast(left.device.type, enabled=False):
            if tiles.safe:
                losses, anchors, ctx.slopes, ctx.kept = plain_sums(tiles, keep)
            else:
                losses, anchors, ctx.slopes = guarded_sums(tiles)
        ctx.mark_non_differentiable(anchors)
        return losses, anchors

    @staticmethod
    def backward(ctx: Any, weights: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True
            raise RuntimeError(
                "the tiled loss has no second derivative; give it a callable distance, "
                "such as distance=cosine_distance, and autograd finds one"
            )
        wanted = ctx.needs_input_grad[1] and not ctx.tiles.mirrored
        with torch.autocast(weights.device.type, enabled=False):
            left, right = gradients(ctx.tiles, ctx.slopes, weights, ctx.kept, wanted)
        return left, right, None, None


def gradients(
    tiles: Tiles, slopes: Slopes, weights: Tensor, kept: list[Tensor], both: bool
) -> tuple[Tensor, Tensor | None]:
    """Of the weighted sum of the losses: in left, and in right if both are wanted."""
    pull, push = weights * slopes.pull, weights * slopes.push  # (N,)
    left = torch.zeros_like(tiles.left)
    right = torch.zeros_like(tiles.right) if both else None
    scratch = tiles.scratch()
    for number, (i, j) in enumerate(tiles.places()):
        partners, others, room = tiles.masks(i, j, scratch)
        if kept:
            weights = kept[number]
        else:
            weights = tiles.logits(i, j)
            if slopes.own_shift is not None and slopes.every_shift is not None:
                weights -= torch.mul(partners, slopes.own_shift[i, None], out=room)
                weights -= torch.mul(others, slopes.every_shift[i, None], out=room)
            weights.exp_()
        if tiles.mirrored:  # the force of i on j and that of j on i
            partners *= torch.add(pull[i, None], pull[j], out=room)
            others *= torch.add(push[i, None], push[j], out=room)
        else:
            partners *= pull[i, None]
            others *= push[i, None]
        forces = others.sub_(partners).mul_(weights)
        left[i].addmm_(forces, tiles.right[j])
        if tiles.mirrored and i != j:
            left[j].addmm_(forces.T, tiles.right[i])
        if right is not None:
            right[j].addmm_(forces.T, tiles.left[i])
    return left, right
