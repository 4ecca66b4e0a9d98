"""The exact loss in tiles: no N x M matrix is ever whole.

The batch is cut into blocks of rows. A tile holds what one block has to say to
another, and is used while it still lies in the processor's cache. Three ideas:

- A sum of exponentials can be built tile by tile if the largest exponent so far is
  kept beside it (Milakov and Gimelshein, 2018).
- The gradient in a logit is a number of its row times the exponential, so backward
  needs two numbers a row and can compute each tile anew (Rabe and Staats, 2021).
- Without references the distances are symmetric: a tile above the diagonal serves
  its rows and, transposed, its columns.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.distance import inner_product_form, wide_dtype

BLOCK = 512
"""Rows of a block: a tile of 512 x 512 floats is 1 MiB, what a core's cache holds."""

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
        block_size: rows of a block. `None` takes 512, and keeps the tiles for
            backward while they need less than 256 MiB.

    Returns:
        (N,) losses, 0 at rows that are no anchors, and (N,) bool.

    Example:
        >>> rows, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
        >>> tiled_losses(rows, labels, 1.0, "cosine", block_size=3)[0]
        tensor([1.0986, 1.0986, 1.0986, 1.0986])
    """
    columns = embeddings if ref_embeddings is None else ref_embeddings
    rows, offsets, factor = inner_product_form(embeddings, distance, columns)
    refs, ref_offsets = None, None
    if ref_embeddings is not None:
        refs, ref_offsets, _ = inner_product_form(ref_embeddings, distance, columns)
    classes, anchors = class_numbers(labels, ref_labels, ignore_index)
    largest = largest_distance(offsets, ref_offsets, distance)
    safe = is_safe(largest, temperature, rows.dtype)
    needed = (
        len(rows) * len(columns) * rows.element_size() // (2 if refs is None else 1)
    )
    keep = block_size is None and needed <= KEPT_BYTES
    settings = Settings(factor, classes, anchors, safe, block_size or BLOCK, keep)
    temperature = torch.as_tensor(temperature, dtype=rows.dtype, device=rows.device)
    losses = TiledLosses.apply(rows, refs, offsets, ref_offsets, temperature, settings)
    return losses, anchors


class Settings(NamedTuple):
    """What `TiledLosses` needs beside the tensors that may get a gradient."""

    factor: float
    classes: tuple[Tensor, Tensor]
    anchors: Tensor
    safe: bool
    block: int
    keep: bool


def class_numbers(
    labels: Tensor, ref_labels: Tensor | None, ignore_index: int
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Labels of rows and columns as 0, 1, 2, ... (-1: unlabeled), and the anchors.

    A label can be any 64-bit integer, too large for a float; its number cannot. This
    sorts, but never asks how many classes there are: that would stall a GPU.
    """
    both = (
        labels.long()
        if ref_labels is None
        else torch.cat([labels.long(), ref_labels.long()])
    )
    ordered, order = both.sort()
    steps = (ordered != ordered.roll(1)).long()
    numbers = torch.empty_like(both)
    numbers[order] = steps.cumsum(0) - steps[:1]
    unlabeled = both == ignore_index
    left, right = (
        slice(len(labels)),
        slice(0 if ref_labels is None else len(labels), None),
    )
    present = (~unlabeled[right]).long()
    counts = torch.zeros_like(both).scatter_add_(0, numbers[right], present)
    partners = counts[numbers[left]] - (1 if ref_labels is None else 0)
    anchors = ~unlabeled[left] & (partners > 0)
    numbers = numbers.masked_fill(unlabeled, -1)
    return (numbers[left], numbers[right]), anchors


def largest_distance(
    offsets: Tensor, ref_offsets: Tensor | None, distance: str
) -> float | None:
    """A bound on all distances, or None where looking for it would stall a GPU."""
    if distance == "cosine":
        return 2.0
    if offsets.device.type != "cpu" or offsets.numel() == 0:
        return None
    others = offsets if ref_offsets is None or len(ref_offsets) == 0 else ref_offsets
    # |x - z|^2 <= 2 |x|^2 + 2 |z|^2
    return 2 * float(offsets.detach().max() + others.detach().max())


def is_safe(
    largest: float | None, temperature: float | Tensor, dtype: torch.dtype
) -> bool:
    """Whether exp(-d/T) can neither over- nor underflow, whatever the pair."""
    unknown = isinstance(temperature, Tensor) and temperature.device.type != "cpu"
    if largest is None or unknown:
        return False
    return largest / float(torch.as_tensor(temperature).detach()) < (
        80 if dtype == torch.float32 else 700
    )


class Pairs(NamedTuple):
    r"""What it takes to write down any tile of logits.

    .. math:: s_{ij} = (f\, x_i \cdot z_j - a_i - b_j) / T

    Attributes:
        left: (N, D), f x_i.
        right: (M, D), z_j.
        left_bias: (N,), -a_i; very low where the row is unlabeled.
        right_bias: (M,), -b_j; likewise.
        temperature: 0-d, T.
        left_class: (N,), a number for each class.
        right_class: (M,).
        symmetric: the columns are the rows; the diagonal is left out.
    """

    left: Tensor
    right: Tensor
    left_bias: Tensor
    right_bias: Tensor
    temperature: Tensor
    left_class: Tensor
    right_class: Tensor
    symmetric: bool

    def tiles(self, block: int) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of each tile; none below the diagonal if symmetric."""
        for i in range(0, len(self.left), block):
            for j in range(i if self.symmetric else 0, len(self.right), block):
                yield slice(i, i + block), slice(j, j + block)

    def logits(self, i: slice, j: slice) -> Tensor:
        """One tile; very low on the diagonal and at unlabeled rows."""
        tile = torch.addmm(self.right_bias[j], self.left[i], self.right[j].T)
        tile += self.left_bias[i, None]
        tile /= self.temperature  # last, or large distances lose digits
        if self.symmetric and i == j:
            tile.fill_diagonal_(very_low(tile.dtype))
        return tile

    def masks(self, i: slice, j: slice) -> tuple[Tensor, Tensor]:
        """1.0 where classes are equal, and where they differ: floats multiply fast."""
        mine, theirs = self.left_class[i, None], self.right_class[j]
        same = self.left.new_empty(len(mine), len(theirs))
        other = torch.empty_like(same)
        return torch.eq(mine, theirs, out=same), torch.ne(mine, theirs, out=other)


def very_low(dtype: torch.dtype) -> float:
    """Stands for log 0: its exp is 0, and a few of them add up without overflow."""
    return torch.finfo(dtype).min / 8


class Sums:
    """Logarithms of sums over partners and over others, built up tile by tile.

    Attributes:
        largest: two (N,), the largest logits so far.
        totals: two (N,), the sums of exp(logit - largest) so far, in float64: there
            may be many tiles.
    """

    def __init__(self, bias: Tensor, safe: bool) -> None:
        start = 0.0 if safe else very_low(bias.dtype)
        self.largest = [torch.full_like(bias, start) for _ in range(2)]
        self.totals = [torch.zeros_like(bias, dtype=wide_dtype(bias)) for _ in range(2)]

    def add_safe(self, i: slice, j: slice | None, tile: Tensor, masks: Any) -> None:
        """Add a tile of exponentials to its rows and, if j is given, to its columns."""
        for total, mask in zip(self.totals, masks, strict=True):
            weights = mask * tile
            total[i] += weights.sum(dim=1)
            if j is not None:
                total[j] += weights.sum(dim=0)

    def add(self, i: slice, logits: Tensor, masks: Any) -> None:
        """Add a tile of logits to its rows, whatever their size."""
        for largest, total, mask in zip(self.largest, self.totals, masks, strict=True):
            seen = (mask - 1) * -very_low(logits.dtype) + mask * logits
            new = torch.maximum(largest[i], seen.amax(dim=1))
            total[i] *= (largest[i] - new).exp()
            total[i] += (seen - new[:, None]).exp().sum(dim=1)
            largest[i] = new

    def logarithms(self) -> list[Tensor]:
        lowest = very_low(self.largest[0].dtype)
        return [
            (largest + total.log()).clamp(min=lowest)
            for largest, total in zip(self.largest, self.totals, strict=True)
        ]


class TiledLosses(torch.autograd.Function):
    """Row losses with a backward of their own; `tiled_losses` is the way in."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        refs: Tensor | None,
        offsets: Tensor,
        ref_offsets: Tensor | None,
        temperature: Tensor,
        settings: Settings,
    ) -> Tensor:
        symmetric = refs is None
        columns = rows if refs is None else refs
        column_offsets = offsets if ref_offsets is None else ref_offsets
        left_class, right_class = (numbers.to(rows) for numbers in settings.classes)
        lowest = very_low(rows.dtype) * temperature.clamp(max=1)
        pairs = Pairs(
            rows * settings.factor,
            columns,
            torch.where(left_class < 0, lowest, -offsets),
            torch.where(right_class < 0, lowest, -column_offsets),
            temperature,
            left_class,
            right_class,
            symmetric,
        )
        sums, kept = Sums(pairs.left_bias, settings.safe), []
        with torch.autocast(rows.device.type, enabled=False):
            for i, j in pairs.tiles(settings.block):
                tile, masks = pairs.logits(i, j), pairs.masks(i, j)
                transposed = symmetric and i != j
                if settings.safe:
                    sums.add_safe(i, j if transposed else None, tile.exp_(), masks)
                else:
                    sums.add(i, tile, masks)
                    if transposed:
                        sums.add(j, tile.T, [mask.T for mask in masks])
                if settings.keep:
                    kept.append(tile)
        partners, others = sums.logarithms()
        losses = torch.logaddexp(others - partners, torch.zeros_like(partners))
        ctx.pairs, ctx.kept, ctx.settings = pairs, kept, settings
        ctx.save_for_backward(partners, others, temperature)
        return losses.where(settings.anchors, 0).to(rows.dtype)

    @staticmethod
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True
            raise RuntimeError(
                "the tiled loss has no second derivative; give it a callable distance, "
                "such as distance=cosine_distance, and autograd finds one"
            )
        partners, others, temperature = ctx.saved_tensors
        pairs, settings = ctx.pairs, ctx.settings
        forces = Forces(partners, others, weights, settings, pairs.left.dtype)
        left, left_sum = torch.zeros_like(pairs.left), torch.zeros_like(pairs.left_bias)
        right, right_sum = left, left_sum
        if not pairs.symmetric:
            right = torch.zeros_like(pairs.right)
            right_sum = torch.zeros_like(pairs.right_bias)
        slope = torch.zeros_like(temperature)
        with torch.autocast(weights.device.type, enabled=False):
            for index, (i, j) in enumerate(pairs.tiles(settings.block)):
                if settings.keep:
                    tile = ctx.kept[index]
                else:
                    tile = pairs.logits(i, j)
                    tile = tile.exp_() if settings.safe else tile
                force = forces.of(i, j, tile, pairs)
                left[i].addmm_(force, pairs.right[j])
                left_sum[i] += force.sum(dim=1)
                if i != j or not pairs.symmetric:
                    right[j].addmm_(
                        force.T, pairs.right[i] if pairs.symmetric else pairs.left[i]
                    )
                    right_sum[j] += force.sum(dim=0)
                if ctx.needs_input_grad[4]:
                    logits = (
                        tile.log().clamp(min=very_low(tile.dtype))
                        if settings.safe
                        else tile
                    )
                    both = 0.5 if pairs.symmetric and i == j else 1.0
                    slope += both * (force * logits).sum()
        left *= settings.factor / temperature
        gradients = [
            left,
            None,
            -left_sum / temperature,
            None,
            -slope / temperature,
            None,
        ]
        if not pairs.symmetric:
            gradients[1] = right / temperature
            gradients[3] = -right_sum / temperature
        return tuple(gradients)


class Forces:
    r"""The gradient in the logits, :math:`w_i (p_{ij} - q_{ij})`, tile by tile.

    For others it is w exp(s) / Z, for partners -w (O/Z) exp(s) / S, where S, O and
    Z = S + O are the row's sums: no difference of nearly equal numbers is taken.
    """

    def __init__(
        self,
        partners: Tensor,
        others: Tensor,
        weights: Tensor,
        settings: Settings,
        dtype: torch.dtype,
    ) -> None:
        every = torch.logaddexp(partners, others)
        weights = weights.to(every.dtype).where(settings.anchors, 0)
        share = (others - every).exp()  # O / Z
        scales, shifts = [-weights * share, weights], [partners, every]
        if settings.safe:  # then one factor a row does
            scales = [
                scale * (-shift).exp()
                for scale, shift in zip(scales, shifts, strict=True)
            ]
        self.safe = settings.safe
        self.scales = [scale.where(settings.anchors, 0).to(dtype) for scale in scales]
        self.shifts = [shift.where(settings.anchors, 0).to(dtype) for shift in shifts]

    def of(self, i: slice, j: slice, tile: Tensor, pairs: Pairs) -> Tensor:
        """One tile; with both directions of each pair in it if symmetric."""
        masks = pairs.masks(i, j)
        if self.safe:
            total = torch.zeros_like(tile)
            for scale, mask in zip(self.scales, masks, strict=True):
                both = scale[i, None] + scale[j] if pairs.symmetric else scale[i, None]
                total.addcmul_(mask, both)
            return total.mul_(tile)
        force = self.of_rows(i, tile, masks)
        if not pairs.symmetric:
            return force
        if i == j:  # its transpose is rounded otherwise: s_ij and s_ji both stand in it
            return force + force.T
        return force + self.of_rows(j, tile.T, [mask.T for mask in masks]).T

    def of_rows(self, i: slice, logits: Tensor, masks: Any) -> Tensor:
        """The rows' own forces, each pair with the scale and shift of its kind."""
        same, other = masks
        shift = same * self.shifts[0][i, None] + other * self.shifts[1][i, None]
        scale = same * self.scales[0][i, None] + other * self.scales[1][i, None]
        return scale * (logits - shift).exp()
