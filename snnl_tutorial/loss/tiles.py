"""The matrix of logits, one tile at a time. (chapter 11)"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.factors import Factors
from snnl_tutorial.loss.masking import TileMasks

KEPT_BYTES, CHUNK_BYTES = 2**28, 2**25 - 2**16
"""Up to 256 MiB of tiles are kept for backward, in chunks that the next step is given
again: from 32 MiB on, memory is new, and to map its pages takes as long as the loss."""


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

    def with_rows(self, left: Tensor, right: Tensor) -> "Tiles":
        """The same, of other matrices: none while they are saved for backward."""
        return self._replace(factors=self.factors._replace(left=left, right=right))

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
