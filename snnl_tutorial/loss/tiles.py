"""One tile of logits, and who is whose partner in it."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

MOST_CLASSES = 20
"""With more, products with one-hot classes took longer than masks (two CPU cores)."""


def very_low(dtype: torch.dtype) -> float:
    """Stands for log 0: its exp is 0, and a few of them add up without overflow."""
    return torch.finfo(dtype).min / 8


def all_labels(labels: Tensor, ref_labels: Tensor | None) -> Tensor:
    """(N,), or (N + M,) with references: int64."""
    if ref_labels is None:
        return labels.long()
    return torch.cat([labels.long(), ref_labels.long()])


def one_hot_classes(
    labels: Tensor, ref_labels: Tensor | None, ignore_index: int, like: Tensor
) -> tuple[Tensor, Tensor] | None:
    """1.0 at the class of each row and column, zeros at unlabeled ones.

    Returns:
        (N, C) and (M, C); `None` if there are more than 20 classes, or on a GPU, where
        to count them would make the program wait.
    """
    if labels.device.type != "cpu":
        return None
    both = all_labels(labels, ref_labels)
    values, numbers = both.unique(return_inverse=True)
    labeled = values != ignore_index
    if labeled.sum() > MOST_CLASSES:
        return None
    hot = labeled.to(like.dtype).diag().index_select(0, numbers)
    return hot[: len(labels)], hot if ref_labels is None else hot[len(labels) :]


def class_numbers(
    labels: Tensor, ref_labels: Tensor | None, ignore_index: int, like: Tensor
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """A number for the class of each row and column, and what unlabeled rows add.

    On a CPU the numbers are floats, which are compared faster than integers; a label
    too large for a float is replaced by its place among the sorted labels.

    Returns:
        (N,) and (M,) numbers; (N,) and (M,) biases, very low where a row is unlabeled,
        or None if none is. (On a GPU, to look would make the program wait: there, the
        biases always are.)
    """
    both = all_labels(labels, ref_labels)
    numbers, biases, any_unlabeled = both, None, True
    if both.device.type == "cpu":
        low, high = (int(bound) for bound in both.aminmax()) if len(both) else (0, 0)
        if not (low > -(2**24) and high < 2**24):  # float32 tells the others apart
            numbers = torch.searchsorted(both.sort().values, both)
        numbers = numbers.to(like.dtype)
        any_unlabeled = low <= ignore_index <= high
    if any_unlabeled:
        biases = torch.eq(both, ignore_index, out=like.new_empty(len(both)))
        biases *= very_low(like.dtype)
    if ref_labels is None:
        return numbers, numbers, biases, biases
    lengths = [len(labels), len(ref_labels)]
    if biases is None:
        return *numbers.split(lengths), None, None
    return *numbers.split(lengths), *biases.split(lengths)


class Tiles(NamedTuple):
    """What it takes to write down any tile.

    Attributes:
        left: (N, K).
        right: (M, K); the logits are left @ right.T.
        left_class: (N, C), 1.0 at the class; (N,), a number each, if classes are many.
        right_class: (M, C) or (M,).
        left_bias: (N,), very low where a row is unlabeled; None if none is, or if the
            classes are one-hot (an unlabeled row is zeros there).
        right_bias: (M,) or None.
        own_column: of the first row, which is not its own neighbor, or None.
        safe: exp of a logit neither over- nor underflows.
        mirrored: the columns are the rows, and a tile serves both. (Not if it is not
            safe: their largest logits would differ.)
        block: rows and columns of a tile.
    """

    left: Tensor
    right: Tensor
    left_class: Tensor
    right_class: Tensor
    left_bias: Tensor | None
    right_bias: Tensor | None
    own_column: int | None
    safe: bool
    mirrored: bool
    block: int

    def few_classes(self) -> bool:
        """Whether the classes are one-hot."""
        return self.left_class.dim() == 2

    def depth(self) -> int:
        """How many tiles hold the exponentials of one place."""
        return 1 if self.few_classes() else 2

    def is_one(self) -> bool:
        """Whether all fits into one tile."""
        return max(len(self.left), len(self.right)) <= self.block

    def size_in_bytes(self) -> int:
        """Of the exponentials of all tiles."""
        pairs = sum((i.stop - i.start) * (j.stop - j.start) for i, j in self.places())
        return self.left.element_size() * self.depth() * pairs

    def places(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of each tile; none below the diagonal if mirrored."""
        rows, columns = (blocks(len(x), self.block) for x in (self.left, self.right))
        for i in rows:
            for j in columns:
                if not self.mirrored or i.start <= j.start:
                    yield i, j

    def logits(self, i: slice, j: slice, out: Tensor | None = None) -> Tensor:
        """One tile; very low for a row with itself, and where a bias is."""
        tile = torch.mm(self.left[i], self.right[j].T, out=out)
        if self.left_bias is not None and self.right_bias is not None:
            tile += self.left_bias[i, None]
            tile += self.right_bias[j]
        if self.own_column is not None:
            own = i.start + self.own_column - j.start  # may lie beyond this tile
            tile.diagonal(own).fill_(very_low(tile.dtype))
        return tile

    def scratch(self) -> Tensor:
        """Room for the tiles of one place: new memory at each would cost more."""
        rows, columns = len(self.left), len(self.right)
        shape = self.depth(), min(self.block, rows), min(self.block, columns)
        return self.left.new_empty(shape)

    def masks(self, i: slice, j: slice, scratch: Tensor) -> Tensor:
        """Writes 1.0 for partners, then 1.0 for others, into two tiles.

        Floats: a product with them takes a tenth of a product with booleans.
        """
        mine, theirs = self.left_class[i, None], self.right_class[j]
        masks = scratch[:, : len(mine), : len(theirs)]
        torch.eq(mine, theirs, out=masks[0])
        torch.ne(mine, theirs, out=masks[1])
        return masks

    def exponentials(
        self, i: slice, j: slice, room: Tensor | None, shifts: Tensor | None = None
    ) -> Tensor:
        """Two tiles of exp(logit): that of partners, then that of others; else 0.

        If there are few classes: one tile, of all.

        Args:
            i: the rows.
            j: the columns.
            room: to write into; new memory if `None`.
            shifts: (2, N), for each row what partners' and others' logits are lowered
                by before exp.
        """
        if room is None:
            room = self.left.new_empty(self.depth(), i.stop - i.start, j.stop - j.start)
        if self.few_classes():
            room = room[0, : i.stop - i.start, : j.stop - j.start]
            return self.logits(i, j, out=room).exp_()
        if shifts is not None:
            pairs = self.masks(i, j, room)
            tile = self.logits(i, j)
            tile.addcmul_(pairs[0], shifts[0, i, None], value=-1)
            tile.addcmul_(pairs[1], shifts[1, i, None], value=-1)
            return pairs.mul_(tile.exp_())
        mine, theirs = self.left_class[i, None], self.right_class[j]
        own, other = pairs = room[:, : len(mine), : len(theirs)]
        self.logits(i, j, out=other).exp_()
        torch.eq(mine, theirs, out=own).mul_(other)
        other.sub_(own)  # exact: x - x or x - 0
        return pairs

    def slope_in_temperature(
        self, i: slice, j: slice, force: Tensor, temperature: Tensor
    ) -> Tensor:
        """What one tile adds to the gradient in T, for logits (1 - d) / T.

        It is the sum of force d / T^2. The 1 has no part in it, for the slopes of a
        row add up to 0. In floats they do not quite, and 1/T would make much of that.
        """
        distances = 1 / temperature - self.logits(i, j)  # d / T
        twice = 2 if self.mirrored and i == j else 1  # each pair stands there twice
        return (force * distances).sum() / (twice * temperature)


def blocks(rows: int, block: int) -> list[slice]:
    """The rows, cut into blocks; the last one may be smaller."""
    return [slice(i, min(i + block, rows)) for i in range(0, rows, block)]
