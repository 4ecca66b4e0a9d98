"""t-SNE maps of the same things, held together by a yoke. (chapter 15)"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.datasets.load import check_seed
from snnl_tutorial.learning.evaluation import as_array
from snnl_tutorial.loss.checks import check_choice, check_real, check_types
from snnl_tutorial.maps.scores import displacement
from snnl_tutorial.maps.tsne import (
    check_map_rows,
    check_perplexity,
    import_opentsne,
)

INITIALS = ("pca", "common", "random")
EARLY, LATE = 100, 300
"""Steps, of which the early ones exaggerate the attraction."""
EXAGGERATION = 12.0
START = 1e-4
"""Standard deviation of the first coordinates."""


class YokedMaps(NamedTuple):
    """Two maps of the same things, from `yoked_tsne`.

    Attributes:
        map_a, map_b: (N, 2) float64 on the CPU.
        kl_a, kl_b: how badly each map shows its own rows, in nats.
        displacement: how far the points of one lie from their places on the other.
    """

    map_a: Tensor
    map_b: Tensor
    kl_a: float
    kl_b: float
    displacement: float


def yoked_tsne(
    rows_a: Tensor,
    rows_b: Tensor,
    strength: float,
    perplexity: float = 30.0,
    seed: int = 0,
    initial: str = "pca",
) -> YokedMaps:
    r"""Fit two t-SNE maps at once, whose points want to lie in the same places.

    .. math:: \mathrm{KL}(P^a, Q^a) + \mathrm{KL}(P^b, Q^b)
              + \lambda \sum_i |a_i - b_i|^2

    After *yoked t-SNE* (arXiv 1909.07464). See `yoked_maps`, which does the work.

    Args:
        rows_a: (N, D) real floating.
        rows_b: (N, E), the same things in the same order, seen otherwise.
        strength: lambda, at least 0.
        perplexity: to how many neighbors a row looks.
        seed: of the random start.
        initial: as in `yoked_maps`.

    Returns:
        The two maps, with their divergences and their displacement.

    Raises:
        ValueError, TypeError, ModuleNotFoundError: as `yoked_maps`.

    Example:
        >>> rows = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        >>> free, held = (
        ...     yoked_tsne(rows, rows.square(), strength, perplexity=5)
        ...     for strength in (0.0, 0.1)
        ... )
        >>> held.displacement < free.displacement, held.kl_a > free.kl_a
        (True, True)

    Derived in chapter 15.
    """
    check_views({"rows_a": rows_a, "rows_b": rows_b}, initial)
    maps, kl = yoked_maps([rows_a, rows_b], strength, perplexity, seed, initial)
    apart = displacement(maps[0], maps[1])
    return YokedMaps(maps[0], maps[1], kl[0].item(), kl[1].item(), apart)


def yoked_maps(
    views: Sequence[Tensor],
    strength: float,
    perplexity: float = 30.0,
    seed: int = 0,
    initial: str = "common",
) -> tuple[Tensor, Tensor]:
    r"""Fit t-SNE maps of several views of the same things, held near their mean.

    .. math:: \sum_k \mathrm{KL}(P^k, Q^k)
              + 2 \lambda \sum_{ik} |u^k_i - \bar u_i|^2

    where :math:`\bar u_i` is the mean of the places of thing i. For two maps the last
    term is :math:`\lambda \sum_i |a_i - b_i|^2`. Each step is one of t-SNE's gradient
    descent on all maps, and then an implicit one of the last term, which is stable at
    any strength. The gradient is exact, so time and memory grow with N squared: some
    thousand rows at most.

    Args:
        views: K times (N, D), real floating, rows in the same order; D may differ.
        strength: lambda, at least 0.
        perplexity: to how many neighbors a row looks.
        seed: of the random start.
        initial: where the points start: each map at its own first two principal
            components (`"pca"`), all at the same ones, of the views side by side
            (`"common"`), or each at its own `"random"` places.

    Returns:
        The maps, (K, N, 2) float64 on the CPU, and the divergence of each, (K,), in
        nats.

    Raises:
        ValueError: views that differ in their number of rows, or fewer than two, or
            without two principal components, unless the start is random; a negative
            strength, an unknown start; as `fit_map`.
        TypeError: a view that is no real floating tensor, or a number that is none.
        ModuleNotFoundError: openTSNE is not installed; it makes the probabilities.

    Example:
        >>> rows = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        >>> maps, _ = yoked_maps([rows, rows.exp(), rows.square()], 0.1, perplexity=5)
        >>> maps.shape
        torch.Size([3, 40, 2])
    """
    check_types(views=(views, Sequence))
    if len(views) < 2:
        raise ValueError(f"views must be at least two; got {len(views)}")
    check_views({f"view {k}": rows for k, rows in enumerate(views)}, initial)
    strength = check_real(strength, "strength", least=0)
    perplexity = check_perplexity(perplexity, len(views[0]))
    seed = check_seed(seed)
    p = torch.stack([affinities(rows, perplexity) for rows in views])
    maps = descend(p, first_points(views, initial, seed), strength)
    return maps, kl_divergence(p, maps)


def check_views(views: dict[str, Tensor], initial: str) -> None:
    """Raise unless these are real rows, as many of each, and fit the start."""
    check_choice(initial, INITIALS, "initial")
    first = next(iter(views))
    for name, rows in views.items():
        check_map_rows(rows, name, by_components=initial != "random")
        if len(rows) != len(views[first]):
            raise ValueError(
                f"{name} must have the {len(views[first])} rows of {first}; "
                f"got {len(rows)}"
            )


def affinities(rows: Tensor, perplexity: float) -> Tensor:
    """t-SNE's P, (N, N) float64, from openTSNE; it sums to 1."""
    made = import_opentsne().affinity.PerplexityBasedNN(
        as_array(rows, "rows"), perplexity, n_jobs=1, method="exact"
    )
    return torch.from_numpy(made.P.toarray()).double()


def first_points(views: Sequence[Tensor], initial: str, seed: int) -> Tensor:
    """Where the points start, (K, N, 2), close to 0."""
    if initial == "random":
        generator = torch.Generator().manual_seed(seed)
        shape = len(views), len(views[0]), 2
        return START * torch.randn(shape, generator=generator, dtype=torch.float64)
    parts = [rows.detach().cpu().double() for rows in views]
    if initial == "common":
        centered = [rows - rows.mean(dim=0) for rows in parts]
        side_by_side = torch.cat([rows / rows.norm() for rows in centered], dim=1)
        parts = [side_by_side] * len(views)
    return START * torch.stack([principal_components(x) for x in parts])


def principal_components(rows: Tensor) -> Tensor:
    """The first two, (N, 2), the first with variance 1, signs fixed by the largest."""
    left, sizes, right = torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False)
    largest = right[:2].abs().argmax(dim=1, keepdim=True)
    points = left[:, :2] * sizes[:2] * right[:2].gather(1, largest).sign().T
    return points / points[:, 0].std()


def descend(p: Tensor, points: Tensor, strength: float) -> Tensor:
    """Gradient descent with momentum and gains, as t-SNE does it, and the yoke."""
    velocity, gains = torch.zeros_like(points), torch.ones_like(points)
    for step in range(EARLY + LATE):
        exaggeration, momentum = (EXAGGERATION, 0.5) if step < EARLY else (1.0, 0.8)
        rate = points.shape[1] / exaggeration
        slope = gradient(exaggeration * p, points)
        same = slope.sign() == velocity.sign()
        gains = torch.where(same, gains * 0.8, gains + 0.2).clamp(min=0.01)
        velocity = momentum * velocity - rate * gains * slope
        points = points + velocity
        # Implicit: the distance that is left d' solves d' = d - 4 rate strength d'.
        middle = points.mean(dim=0)
        points = middle + (points - middle) / (1 + 4 * rate * strength)
        points = points - points.mean(dim=(0, 1))
    return points


def gradient(p: Tensor, points: Tensor) -> Tensor:
    """t-SNE's gradient, (K, N, 2): p - q, as chapter 4's, times the kernel."""
    kernel, q = similarities(points)
    force = (p - q) * kernel
    return 4 * (force.sum(dim=2, keepdim=True) * points - force @ points)


def similarities(points: Tensor) -> tuple[Tensor, Tensor]:
    """The Cauchy kernel of all pairs, 0 for a point with itself, and Q."""
    norms = points.square().sum(dim=2, keepdim=True)  # (K, N, 1)
    kernel = 1 / (1 + norms + norms.mT - 2 * points @ points.mT)
    kernel.diagonal(dim1=1, dim2=2).zero_()
    return kernel, kernel / kernel.sum(dim=(1, 2), keepdim=True)


def kl_divergence(p: Tensor, points: Tensor) -> Tensor:
    """Of each map, (K,)."""
    _, q = similarities(points)
    terms = torch.xlogy(p, p) - torch.xlogy(p, q)
    return terms.sum(dim=(1, 2))
