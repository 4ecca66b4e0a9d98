"""Entanglement: the loss as a measure, with its temperature and chance level."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.checks import check_embeddings, check_integer, check_labels
from snnl_tutorial.loss.distance import Distance, pairwise_distance
from snnl_tutorial.loss.masking import neighbor_masks
from snnl_tutorial.loss.sampling import sampling_logits
from snnl_tutorial.loss.soft_nearest_neighbor import anchor_losses
from snnl_tutorial.loss.temperature import check_temperature


class Entanglement(NamedTuple):
    """What `entanglement` measured.

    Attributes:
        value: the soft nearest neighbor loss; far below `chance` means disentangled.
        temperature: the T at which `value` was measured.
        chance: the mean over the same rows with their labels shuffled.
    """

    value: float
    temperature: float
    chance: float


@torch.no_grad()
def entanglement(
    embeddings: Tensor,
    labels: Tensor,
    temperature: float | None = None,
    *,
    distance: Distance = "cosine",
    ignore_index: int = -100,
    permutations: int = 5,
    seed: int = 0,
) -> Entanglement:
    r"""How entangled are the classes? The loss, beside what chance would give.

    .. math:: \min_T \ \ell(x, y, T) \quad\text{beside}\quad
              \mathrm{mean}_\pi \min_T \ \ell(x, \pi(y), T)

    Frosst, Papernot and Hinton (2019, section 2) minimize over T so that only the
    arrangement of the rows counts, not their scale. The search covers T from 1e-3 to
    1e3 times the mean distance. The chance level is measured by a coarser search on
    shuffled labels, where only the labeled rows are shuffled.

    Args:
        embeddings: (N, D) real floating or complex.
        labels: (N,) integer, with at least two rows of one class.
        temperature: a T to measure at, in the units of the distance; `None` searches.
        distance: as in `soft_nearest_neighbor_loss`.
        ignore_index: the label of unlabeled rows, which are left out.
        permutations: how many shuffles the chance level averages over, at least 1.
        seed: of the shuffles.

    Returns:
        An `Entanglement` tuple (value, temperature, chance) of floats.

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
        check_temperature(temperature)
    check_integer(ignore_index, "ignore_index")
    check_integer(permutations, "permutations", least=1)
    check_integer(seed, "seed", least=0)
    labels = labels.long()  # an unsigned type would wrap -100 round to a genuine label
    labeled = labels != ignore_index
    embeddings = embeddings[labeled]
    _, labels = labels[labeled].unique(return_inverse=True)  # now none is -100
    if not neighbor_masks(labels).anchors.any():
        raise ValueError("labels must have two rows of one class; got none")
    distances = pairwise_distance(embeddings, distance=distance)  # (N, N)
    generator = torch.Generator().manual_seed(seed)
    shuffled = [
        labels[shuffle(len(labels), generator).to(labels.device)]
        for _ in range(permutations)
    ]
    if temperature is None:
        scale = float(distances.mean())
        if not (math.isfinite(scale) and scale >= 0):
            raise ValueError(
                f"distance must be finite and not negative; mean is {scale}"
            )
        scale = scale or 1.0
        search = quick_losses(distances)
        _, temperature = minimize_over_temperature(search(labels), scale)
        chances = [
            minimize_over_temperature(search(order), scale, zooms=0)[0]
            for order in shuffled
        ]
    else:
        temperature = float(temperature)
        chances = [exact_loss(distances, order, temperature) for order in shuffled]
    value = exact_loss(distances, labels, temperature)
    return Entanglement(value, temperature, sum(chances) / permutations)


def shuffle(rows: int, generator: torch.Generator) -> Tensor:
    """A random order, drawn on the CPU so that it is the same for every device."""
    return torch.randperm(rows, generator=generator, device="cpu")


def exact_loss(distances: Tensor, labels: Tensor, temperature: float) -> float:
    """The mean loss over the anchors of one batch."""
    masks = neighbor_masks(labels)
    losses = anchor_losses(sampling_logits(distances, temperature), masks)
    return float(losses.sum() / masks.anchors.sum())


def quick_losses(distances: Tensor) -> Callable[[Tensor], Callable[[float], float]]:
    """The loss as a function of labels, then of T: faster, to search with.

    The nearest distance of each row is taken out once, for all T. A row whose partners
    all underflow at some T is counted with the largest loss that a float can tell
    (about 87 in float32) instead of its own, larger one. So a very low T may look
    better in the search than it is; the value at the T that was found is exact.
    """
    itself = torch.eye(len(distances), dtype=torch.bool, device=distances.device)
    others = distances.masked_fill(itself, torch.inf)
    gaps = others - others.amin(dim=1, keepdim=True)  # (N, N), 0 at the nearest row
    smallest = torch.finfo(gaps.dtype).tiny
    weights, own = (
        torch.empty_like(gaps),
        torch.empty_like(gaps),
    )  # used again and again

    def of_labels(labels: Tensor) -> Callable[[float], float]:
        masks = neighbor_masks(labels)
        partners = masks.partners.to(gaps.dtype)  # floats multiply faster than bools

        def of_temperature(temperature: float) -> float:
            torch.div(gaps, -temperature, out=weights).exp_()
            torch.mul(weights, partners, out=own)
            losses = weights.sum(dim=1).log() - own.sum(dim=1).clamp(min=smallest).log()
            return float(losses[masks.anchors].mean())

        return of_temperature

    return of_labels


def minimize_over_temperature(
    loss: Callable[[float], float], scale: float, zooms: int = 3
) -> tuple[float, float]:
    """The smallest loss for T between scale/1000 and 1000 scale, and that T.

    Tries 13 temperatures, evenly spaced in log T, then looks closer around the best
    one. A grid, because the loss can have more than one valley in T.

    Args:
        loss: the loss at a temperature.
        scale: a typical distance.
        zooms: how many closer looks.

    Returns:
        (loss, T).

    Example:
        >>> loss, temperature = minimize_over_temperature(lambda t: abs(t - 2), scale=1)
        >>> abs(temperature / 2 - 1) < 0.05
        True
    """
    low, high = math.log(scale) - math.log(1e3), math.log(scale) + math.log(1e3)
    best = (math.inf, scale)
    for points in [13] + [7] * zooms:
        step = (high - low) / (points - 1)
        grid = [math.exp(low + index * step) for index in range(points)]
        best = min([(loss(temperature), temperature) for temperature in grid] + [best])
        low, high = math.log(best[1]) - step, math.log(best[1]) + step
    return best
