"""Yoked maps, against loops, autograd, openTSNE, and what a yoke must do."""

import itertools

import pytest
import torch

from snnl_tutorial.maps.scores import displacement, neighbor_accuracy
from snnl_tutorial.maps.tsne import fit_map
from snnl_tutorial.maps.yoked import (
    affinities,
    gradient,
    kl_divergence,
    yoked_maps,
    yoked_tsne,
)
from tests.helpers import rows_of

LABELS = torch.arange(90) % 3
ROWS = 6 * torch.eye(5, dtype=torch.float64)[LABELS] + rows_of(0, 90, 5, torch.float64)
OTHER = 4 * torch.eye(3, dtype=torch.float64)[LABELS] + rows_of(1, 90, 3, torch.float64)


def divergence(p, points):
    """Pair by pair."""
    n = len(points)
    w = {
        (i, j): 1 / (1 + (points[i] - points[j]).square().sum())
        for i in range(n)
        for j in range(n)
        if i != j
    }
    total = sum(w.values())
    return sum(p[k] * (p[k] / (w[k] / total)).log() for k in w if p[k] > 0)


def some_p(seed, n=6):
    p = torch.rand(n, n, generator=torch.Generator().manual_seed(seed)).double()
    p = (p + p.T).fill_diagonal_(0)
    p[0, 1] = p[1, 0] = 0
    return p / p.sum()


def test_divergence_and_gradient_are_those_of_the_loop():
    p = torch.stack([some_p(0), some_p(1)])
    points = rows_of(2, 12, 2, torch.float64).view(2, 6, 2).requires_grad_()
    want = [divergence(p[k], points[k]) for k in (0, 1)]
    assert kl_divergence(p, points).tolist() == pytest.approx([x.item() for x in want])
    sum(want).backward()
    assert torch.allclose(gradient(p, points.detach()), points.grad)


def test_the_probabilities_sum_to_one():
    p = affinities(ROWS, 10.0)
    assert p.sum().item() == pytest.approx(1)
    assert p.equal(p.T)
    assert p.diagonal().eq(0).all()


def test_without_a_yoke_it_is_two_maps_as_good_as_opentsnes():
    free = yoked_tsne(ROWS, OTHER, 0.0, perplexity=10)
    for rows, kl in ((ROWS, free.kl_a), (OTHER, free.kl_b)):
        p, points = affinities(rows, 10.0), fit_map(rows, perplexity=10).points
        assert kl < 1.1 * kl_divergence(p[None], points[None]).item()
    for points in (free.map_a, free.map_b):
        assert neighbor_accuracy(points, LABELS, neighbors=5) > 0.9
    assert free.displacement == displacement(free.map_a, free.map_b)


@pytest.mark.parametrize("initial", ["pca", "common", "random"])
def test_a_stronger_yoke_never_parts_the_maps(initial):
    settings = {"perplexity": 10, "initial": initial}
    apart = [
        yoked_tsne(ROWS, OTHER, strength, **settings).displacement
        for strength in (0, 1e-5, 1e-3, 1e-1, 1e3)
    ]
    for weaker, stronger in itertools.pairwise(apart):
        assert stronger < weaker + 0.02
    assert apart[-1] < 1e-3


def test_a_strong_yoke_of_other_things_costs_more_than_one_of_the_same():
    order = torch.randperm(90, generator=torch.Generator().manual_seed(0))
    free = yoked_tsne(ROWS, OTHER, 0.0, perplexity=10)
    same = yoked_tsne(ROWS, OTHER, 1e-2, perplexity=10)
    shuffled = yoked_tsne(ROWS, OTHER[order], 1e-2, perplexity=10)
    assert shuffled.kl_a - free.kl_a > 2 * abs(same.kl_a - free.kl_a)


def test_more_than_two_views_are_held_near_their_mean():
    views = [ROWS, OTHER, ROWS.square()]
    loose, _ = yoked_maps(views, 0.0, perplexity=10)
    tight, kl = yoked_maps(views, 1e-1, perplexity=10)
    assert tight.shape == (3, 90, 2)
    assert kl.shape == (3,)
    spread = [(x - x.mean(dim=0)).norm() / x.norm() for x in (loose, tight)]
    assert spread[1] < 0.1 * spread[0]


def test_two_views_are_the_pair():
    pair = yoked_tsne(ROWS, OTHER, 1e-4, perplexity=10, initial="random", seed=3)
    maps, kl = yoked_maps([ROWS, OTHER], 1e-4, 10, seed=3, initial="random")
    assert torch.equal(pair.map_a, maps[0])
    assert torch.equal(pair.map_b, maps[1])
    assert [pair.kl_a, pair.kl_b] == kl.tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((ROWS, OTHER[:9], 0.0), ValueError, "rows_b must have the 90 rows of rows_a"),
        ((ROWS, OTHER, -1.0), ValueError, "strength must be at least 0"),
        ((ROWS, OTHER, torch.nan), ValueError, "strength must be .*; got nan"),
        ((ROWS, OTHER, "weak"), TypeError, "strength must be a number; got str"),
        ((ROWS, OTHER, 0.0, 40), ValueError, "perplexity must be at most 29.67"),
        ((ROWS, OTHER, 0.0, 10, -1), ValueError, "seed must be at least 0; got -1"),
        ((ROWS, OTHER, 0.0, 10, 0, "same"), ValueError, "initial must be 'pca' or"),
        ((ROWS, OTHER / 0, 0.0), ValueError, "rows_b must be finite"),
        ((ROWS + 0j, OTHER, 0.0), TypeError, "rows_a must be real; got torch.complex"),
        ((ROWS[:, :1], OTHER, 0.0), ValueError, "rows_a must have two .*; got one col"),
        ((ROWS, 0 * OTHER, 0.0), ValueError, "rows_b must have two .*; got equal rows"),
        ((ROWS, [0], 0.0), TypeError, "rows_b must be a torch.Tensor; got list"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        yoked_tsne(*arguments)


def test_one_view_is_no_pair():
    with pytest.raises(ValueError, match="views must be at least two; got 1"):
        yoked_maps([ROWS], 0.0)
