"""Entanglement: the loss as a measure, with its temperature and chance level."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.batch import check_embeddings, check_labels
from snnl_tutorial.loss.checks import check_integer
from snnl_tutorial.loss.distance import (
    Distance,
    as_real_rows,
    check_distance,
    pairwise_distance,
    wide_dtype,
)
from snnl_tutorial.loss.factors import distance_factors
from snnl_tutorial.loss.precision import full_precision
from snnl_tutorial.loss.soft_nearest_neighbor import soft_nearest_neighbor_loss
from snnl_tutorial.loss.temperature import read_temperature

BLOCK_NUMEL, STRIP_NUMEL = 2**24, 2**20
"""Distances in a block, which one product gives, and in a strip of it, which fits a
core's cache. (On an accelerator a block is one strip.)"""


class Entanglement(NamedTuple):
    """What `entanglement` measured.

    Attributes:
        value: the soft nearest neighbor loss; far below `chance` means disentangled.
        temperature: the T at which `value` was measured.
        chance: the mean over the same rows with their labels shuffled.
        at_training: the loss at the T that training used, if it was given. The best T
            alone does not see what training did at another one.
    """

    value: float
    temperature: float
    chance: float
    at_training: float | None = None


@torch.no_grad()
def entanglement(
    embeddings: Tensor,
    labels: Tensor,
    temperature: float | None = None,
    *,
    training_temperature: float | None = None,
    distance: Distance = "cosine",
    ignore_index: int = -100,
    permutations: int = 5,
    seed: int = 0,
) -> Entanglement:
    r"""How entangled are the classes? The loss, beside what chance would give.

    .. math:: \min_T \ \ell(x, y, T) \quad\text{beside}\quad
              \mathrm{mean}_\pi \min_T \ \ell(x, \pi(y), T)

    Frosst, Papernot and Hinton (2019, section 2) minimize over T so that only the
    arrangement of the rows counts, not their scale. The search tries T from
    1e-3 to 1e3 times the mean distance, and looks closer around the best. The chance
    level is measured by a coarser search on shuffled labels, where only the labeled
    rows are shuffled.

    It needs no training, so look here first when a classifier does not learn its data:
    a `value` at `chance` says that rows and labels do not belong together (labels that
    have slipped), or that one column of another unit drowns the distances (chapter 14).

    Args:
        embeddings: (N, D) real floating or complex.
        labels: (N,) integer, with at least two rows of one class.
        temperature: a T to measure at, in the units of the distance; `None` searches.
        training_temperature: a T at which to measure the loss as well.
        distance: as in `soft_nearest_neighbor_loss`.
        ignore_index: the label of unlabeled rows, which are left out.
        permutations: how many shuffles the chance level averages over, at least 1.
        seed: of the shuffles.

    Returns:
        An `Entanglement` tuple of floats; read them by name.

    Raises:
        ValueError, TypeError: an argument does not fit, or no row has a partner.

    Example:
        >>> labels = torch.arange(60) % 3
        >>> noise = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
        >>> measured = entanglement(torch.eye(3)[labels] + 0.1 * noise, labels)
        >>> measured.value < 0.1 < 1.0 < measured.chance
        True

    Derived in chapter 5.
    """
    check_embeddings(embeddings)
    check_labels(labels, embeddings)
    if temperature is not None:
        temperature = read_temperature(temperature, "temperature")
    if training_temperature is not None:
        training_temperature = read_temperature(
            training_temperature, "training_temperature"
        )
    check_distance(distance)
    ignore_index = check_integer(ignore_index, "ignore_index")
    permutations = check_integer(permutations, "permutations", least=1)
    seed = check_integer(seed, "seed", least=0)
    labels = labels.long()  # an unsigned type would wrap -100 round to a genuine label
    labeled = labels != ignore_index
    embeddings = embeddings[labeled]
    _, labels = labels[labeled].unique(return_inverse=True)  # now none is -100
    if not (torch.bincount(labels) > 1).any():
        raise ValueError("labels must have two rows of one class; got none")
    generator = torch.Generator().manual_seed(seed)
    shuffled = [
        labels[shuffle(len(labels), generator).to(labels.device)]
        for _ in range(permutations)
    ]

    def exact(labels: Tensor, temperature: float) -> float:
        return float(
            soft_nearest_neighbor_loss(
                embeddings, labels, temperature=temperature, distance=distance
            )
        )

    if temperature is not None:
        chances = [exact(order, temperature) for order in shuffled]
    else:
        with full_precision(embeddings):
            strips = distance_strips(embeddings, distance)
            grid = temperature_grid(typical_distance(strips))
            coarse = losses_on_grid(
                strips, [labels, *shuffled], grid
            )  # one pass for all
            chances = coarse[1:].amin(dim=1).tolist()
            _, temperature = refine(
                lambda closer: losses_on_grid(strips, [labels], closer)[0].tolist(),
                min(zip(coarse[0].tolist(), grid, strict=True)),
            )
    value = exact(labels, temperature)
    at_training = None
    if training_temperature is not None:
        at_training = exact(labels, training_temperature)
    return Entanglement(value, temperature, sum(chances) / permutations, at_training)


def shuffle(rows: int, generator: torch.Generator) -> Tensor:
    """A random order, drawn on the CPU so that it is the same for every device."""
    return torch.randperm(rows, generator=generator, device="cpu")


class Strips(NamedTuple):
    """The distance matrix, some rows at a time: it is never whole.

    Attributes:
        starts: the first row of each block.
        block: a block's first row -> its (rows, N) distances.
        rows: of a strip.
        noise: distances this small may be rounding alone.
    """

    starts: range
    block: Callable[[int], Tensor]
    rows: int
    noise: float

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:  # type: ignore[override]
        """The first row of each strip, and its distances."""
        for first in self.starts:
            for strip in self.block(first).split(self.rows):
                yield first, strip
                first += len(strip)


def distance_strips(embeddings: Tensor, distance: Distance) -> Strips:
    """The `Strips` of a batch under a named or callable distance."""
    rows = max(1, BLOCK_NUMEL // len(embeddings))
    starts = range(0, len(embeddings), rows)
    on_cpu = embeddings.device.type == "cpu"  # elsewhere, few large steps are quicker
    strip = max(1, STRIP_NUMEL // len(embeddings)) if on_cpu else rows
    if not isinstance(distance, str):

        def block(first: int) -> Tensor:
            some = embeddings[first : first + rows]
            # A copy: the diagonal is written to, and the matrix may be the caller's.
            return pairwise_distance(some, embeddings, distance).clone()

        return Strips(starts, block, strip, 0.0)
    factors = distance_factors(as_real_rows(embeddings), None, distance)
    largest = factors.offset + float(factors.largest)  # of the distances
    noise = 4 * torch.finfo(factors.left.dtype).eps * largest

    def product(first: int) -> Tensor:
        return factors.distances(slice(first, first + rows), slice(0, None))

    return Strips(starts, product, strip, noise)


def typical_distance(strips: Strips) -> float:
    """The mean over some blocks, spread over the matrix; 1 if all rows are equal."""
    total, number = 0.0, 0
    for first in strips.starts[:: max(1, len(strips.starts) // 8)]:
        block = strips.block(first)
        total, number = total + float(block.sum()), number + block.numel()
    scale = total / number
    if not (math.isfinite(scale) and scale >= -strips.noise):
        raise ValueError(f"distance must be finite and not negative; mean is {scale}")
    return scale if scale > strips.noise else 1.0


def losses_on_grid(
    strips: Strips, labelings: list[Tensor], temperatures: list[float]
) -> Tensor:
    """The loss for each labeling and temperature, in one pass over the matrix.

    A row whose partners all underflow at some T is counted with the largest loss that
    the dtype can represent (about 87 in float32) instead of its own, larger one. So a
    very low T may look better in the search than it is; the value at the T that was
    found is exact.

    Args:
        strips: of N rows.
        labelings: L times (N,), classes numbered from 0, none unlabeled.
        temperatures: K.

    Returns:
        (L, K), on the CPU.
    """
    counts = [torch.bincount(labels) for labels in labelings]
    shape, device = (len(labelings), len(temperatures)), labelings[0].device
    totals = torch.zeros(shape, dtype=wide_dtype(labelings[0]), device=device)
    for first, distances in strips:
        distances.diagonal(first).fill_(torch.inf)
        rows = slice(first, first + len(distances))
        gaps = distances - distances.amin(dim=1, keepdim=True)  # 0 at the nearest row
        smallest = torch.finfo(gaps.dtype).tiny
        weights, own = torch.empty_like(gaps), torch.empty_like(gaps)  # used often
        masks = [
            torch.eq(labels[rows, None], labels, out=torch.empty_like(gaps))
            for labels in labelings
        ]
        for k, temperature in enumerate(temperatures):
            torch.div(gaps, -temperature, out=weights).exp_()
            every = weights.sum(dim=1).log()
            for number, (mask, labels) in enumerate(zip(masks, labelings, strict=True)):
                partners = torch.mul(weights, mask, out=own).sum(dim=1)
                losses = every - partners.clamp(min=smallest).log()
                losses *= counts[number][labels[rows]] > 1  # of the anchors
                totals[number, k] += losses.sum(dtype=totals.dtype)
    anchors = torch.stack([count[count > 1].sum() for count in counts])
    return (totals / anchors[:, None]).cpu()


def temperature_grid(scale: float) -> list[float]:
    """13 temperatures between scale/1000 and 1000 scale, evenly spaced in log T."""
    return [scale * 10 ** (index / 2 - 3) for index in range(13)]


def minimize_over_temperature(
    losses: Callable[[list[float]], Iterable[float]], scale: float
) -> tuple[float, float]:
    """The smallest loss for T between scale/1000 and 1000 scale, and that T.

    Tries 13 temperatures, evenly spaced in log T, then looks three times closer around
    the best one. A grid, because the loss can have more than one valley in T.

    Args:
        losses: of a list of temperatures.
        scale: a typical distance.

    Returns:
        (loss, T).

    Example:
        >>> def losses(temperatures):
        ...     return [abs(temperature - 2) for temperature in temperatures]
        >>> loss, temperature = minimize_over_temperature(losses, scale=1)
        >>> abs(temperature / 2 - 1) < 0.05
        True
    """
    grid = temperature_grid(scale)
    return refine(losses, min(zip(losses(grid), grid, strict=True)))


def refine(
    losses: Callable[[list[float]], Iterable[float]], best: tuple[float, float]
) -> tuple[float, float]:
    """Look three times closer around the best (loss, T) of the grid, three times."""
    ratio = math.sqrt(10)
    for _ in range(3):
        grid = [best[1] * ratio ** (step / 3) for step in (-2, -1, 1, 2)]
        ratio **= 1 / 3
        best = min(best, *zip(losses(grid), grid, strict=True))
    return best
