"""Which rows form a batch: the index tensors of one epoch after another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.data import Sampler

from snnl_tutorial.loss.batch import check_labels
from snnl_tutorial.loss.checks import check_integer, warn

Item = TypeVar("Item")


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


@dataclass(eq=False)
class LabeledBatches(Sampler[list[int]]):
    """Batches that gather labels: each holds labeled rows, even over the classes.

    Drawn at random, few rows of a batch have a label where labels are rare: of 256 out
    of 10,000 with 100 labels, two or three, and hardly any has a partner. Here, every
    batch holds `labeled_rows` rows with labels, each with a partner, and is filled up
    with unlabeled rows.

    One iteration is one epoch. It sees every unlabeled row once. Labeled rows repeat,
    and those of one class equally often, to a difference of 1. If no row is unlabeled,
    an epoch sees each row once, and each class is spread evenly over the batches.

    `torch.utils.data.DataLoader` takes it as its `batch_sampler`, `train` as `batches`.

    Args:
        labels: (N,) integer.
        batch_size: rows in a batch, at most. If no row is unlabeled: on average, and
            two at least, so that each has a partner.
        labeled_rows: of them, how many have a label. Not used if no row is unlabeled.
        classes: how many classes share these, drawn anew for each batch. Default: all,
            or as many as can have two rows.
        seed: of the `generator`, from which each epoch draws a new order.
        ignore_index: the label of unlabeled rows.
        rank, world_size: the number of this process, and how many share an epoch. They
            take turns, and all have equally many batches.

    Yields:
        A list of row numbers.

    Raises:
        TypeError: the labels are not integer.
        ValueError: no class has two rows; `labeled_rows` are fewer than two, more than
            there are, or leave no room for unlabeled rows; `classes` are more than
            there are, or than can have two rows; there are more processes than batches.

    Warns:
        UserWarning: a class has a single row. It is seen once, like an unlabeled one.

    Example:
        >>> labels = torch.tensor([0, 0, 0, 1, 1, -100, -100, -100, -100])
        >>> batches = LabeledBatches(labels, batch_size=6, labeled_rows=4)
        >>> [labels[batch].sort().values.tolist() for batch in batches]
        [[-100, -100, 0, 0, 1, 1], [-100, -100, 0, 0, 1, 1]]
    """

    labels: Tensor = field(repr=False)
    batch_size: int
    labeled_rows: int
    classes: int | None = None
    seed: int = 0
    ignore_index: int = -100
    rank: int = 0
    world_size: int = 1
    generator: torch.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_labels(self.labels, self.labels)
        self.batch_size = check_integer(self.batch_size, "batch_size", least=1)
        self.seed = check_integer(self.seed, "seed")
        self.world_size = check_integer(self.world_size, "world_size", least=1)
        self.rank = check_integer(self.rank, "rank", least=0)
        if self.rank >= self.world_size:
            raise ValueError(
                f"rank must be below world_size={self.world_size}; got {self.rank}"
            )
        self.generator = torch.Generator().manual_seed(self.seed)
        rows_of: dict[int, list[int]] = {}
        for row, label in enumerate(self.labels.tolist()):
            rows_of.setdefault(label, []).append(row)
        unlabeled = rows_of.pop(self.ignore_index, [])
        singles = [rows for rows in rows_of.values() if len(rows) == 1]
        if singles:
            warn(
                f"labels: {len(singles)} of {len(rows_of)} classes have a single row, "
                "which has no partner"
            )
        self.by_class = [rows for rows in rows_of.values() if len(rows) > 1]
        self.others = unlabeled + [row for rows in singles for row in rows]
        if not self.by_class:
            raise ValueError("labels must have two rows of one class; got none")
        self.all_labeled = not unlabeled
        if not self.all_labeled:
            self.check_labeled_rows()
        elif self.classes is not None:
            raise ValueError(
                f"classes must be None if all rows are labeled: each is seen once, "
                f"whatever its class; got {self.classes}"
            )
        elif self.total() > self.groups():
            raise ValueError(
                f"world_size must be at most {self.groups()}: so many batches can be "
                f"made of rows with a partner; got {self.world_size}"
            )

    def check_labeled_rows(self) -> None:
        """Raise unless every batch can hold so many labeled rows, in pairs."""
        self.labeled_rows = check_integer(self.labeled_rows, "labeled_rows", least=2)
        if self.labeled_rows >= self.batch_size:
            raise ValueError(
                f"labeled_rows must leave room for unlabeled rows in a batch of "
                f"{self.batch_size}; got {self.labeled_rows}"
            )
        most = min(len(self.by_class), self.labeled_rows // 2)
        if self.classes is None:
            self.classes = most
        self.classes = check_integer(self.classes, "classes", least=1)
        if self.classes > most:
            raise ValueError(
                f"classes must be at most {most}: {len(self.by_class)} have two rows, "
                f"and labeled_rows={self.labeled_rows} are shared; got {self.classes}"
            )
        fewest = sum(sorted(map(len, self.by_class))[: self.classes])
        if self.labeled_rows > fewest:
            raise ValueError(
                f"labeled_rows must be at most {fewest}, the labels that "
                f"{self.classes} classes may have; got {self.labeled_rows}"
            )

    def __len__(self) -> int:
        return self.total() // self.world_size

    def total(self) -> int:
        """The number of batches in all processes."""
        if self.all_labeled:
            batches = min(-(-len(self.labels) // self.batch_size), self.groups())
        else:
            batches = -(-len(self.others) // (self.batch_size - self.labeled_rows))
        return -(-batches // self.world_size) * self.world_size

    def groups(self) -> int:
        """Into how many groups with a partner, and single rows, the labels fall."""
        return sum(len(rows) // 2 for rows in self.by_class) + len(self.others)

    def __iter__(self) -> Iterator[list[int]]:
        batches = self.spread() if self.all_labeled else self.gather()
        yield from batches[self.rank :: self.world_size]

    def gather(self) -> list[list[int]]:
        """All batches of an epoch: labeled rows that repeat, and the others once."""
        decks = [Deck(rows, self.generator) for rows in self.by_class]
        classes = Deck(range(len(decks)), self.generator)
        others = torch.tensor(shuffled(self.others, self.generator))
        batches = []
        for part in others.tensor_split(self.total()):
            drawn = [decks[k] for k in classes.deal(self.classes or len(decks))]
            shares = even_shares(self.labeled_rows, [len(deck.items) for deck in drawn])
            batch = part.tolist()
            for deck, share in zip(drawn, shares, strict=True):
                batch += deck.deal(share)
            batches.append(batch)
        return batches

    def spread(self) -> list[list[int]]:
        """All batches of an epoch, if every row is labeled: each row once, in pairs."""
        batches: list[list[int]] = [[] for _ in range(self.total())]
        groups = [*self.by_class, *([row] for row in self.others)]
        for rows in shuffled(groups, self.generator):
            order = torch.tensor(shuffled(rows, self.generator))
            parts = order.tensor_split(max(1, min(len(batches), len(rows) // 2)))
            # The larger parts come first, and go to the smallest batches.
            for batch, part in zip(sorted(batches, key=len), parts, strict=False):
                batch += part.tolist()
        return shuffled(batches, self.generator)


class Deck:
    """Items dealt in random order, again and again; no hand holds one twice.

    Example:
        >>> deck = Deck([1, 2, 3], torch.Generator().manual_seed(0))
        >>> sorted(deck.deal(2) + deck.deal(3) + deck.deal(1))
        [1, 1, 2, 2, 3, 3]
    """

    def __init__(self, items: Sequence[int], generator: torch.Generator) -> None:
        self.items = items
        self.generator = generator
        self.rest: list[int] = []

    def deal(self, count: int) -> list[int]:
        """The next `count` items, at most as many as there are."""
        hand, self.rest = self.rest[:count], self.rest[count:]
        if len(hand) < count:
            # A sort keeps the order among equals: what is in the hand goes last.
            again = sorted(shuffled(self.items, self.generator), key=hand.__contains__)
            missing = count - len(hand)
            hand, self.rest = hand + again[:missing], again[missing:]
        return hand


def shuffled(items: Sequence[Item], generator: torch.Generator) -> list[Item]:
    """The items in a random order."""
    order = torch.randperm(len(items), generator=generator, device="cpu")
    return [items[k] for k in order.tolist()]


def even_shares(total: int, sizes: Sequence[int]) -> list[int]:
    """Split a total as evenly as the sizes allow; earlier shares get what is left over.

    Example:
        >>> even_shares(8, [5, 2, 5])
        [3, 2, 3]
    """
    shares = [0] * len(sizes)
    while total:
        for k, size in enumerate(sizes):
            if total and shares[k] < size:
                shares[k] += 1
                total -= 1
    return shares
