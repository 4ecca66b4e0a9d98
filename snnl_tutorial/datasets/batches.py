"""Which rows form a batch: the index tensors of one epoch after another."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from snnl_tutorial.loss.checks import check_integer


@dataclass
class ShuffledBatches:
    """All rows in a random order, cut into batches. Each iteration is one epoch.

    Args:
        n: number of rows.
        batch_size: rows in a batch; the last batch of an epoch may be smaller. A single
            last row joins the batch before it, since batch norm needs two.
        seed: of the `generator` that draws the order, anew for each epoch.

    Yields:
        (batch_size,) int64 indices on the CPU.

    Raises:
        ValueError: n or batch_size below 1.

    Example:
        >>> batches = ShuffledBatches(5, batch_size=2, seed=0)
        >>> [len(batch) for batch in batches]
        [2, 3]
        >>> bool(torch.equal(torch.cat(list(batches)).sort().values, torch.arange(5)))
        True
    """

    n: int
    batch_size: int = 256
    seed: int = 0
    generator: torch.Generator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.n = check_integer(self.n, "n", least=1)
        self.batch_size = check_integer(self.batch_size, "batch_size", least=1)
        self.seed = check_integer(self.seed, "seed")
        self.generator = torch.Generator().manual_seed(self.seed)

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.randperm(self.n, generator=self.generator, device="cpu")
        yield from order.tensor_split(list(self._cuts()))

    def __len__(self) -> int:
        return len(self._cuts()) + 1

    def _cuts(self) -> range:
        """Where the second batch starts, and the third, and so on."""
        last_start = self.n - min(2, self.batch_size)
        return range(self.batch_size, last_start + 1, self.batch_size)
