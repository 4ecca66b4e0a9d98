"""Parametric t-SNE: its two losses against loops, its pairs against P."""

import openTSNE
import pytest
import torch

from snnl_tutorial.maps.parametric import NeighborPairs, ParametricMap, pair_loss
from snnl_tutorial.maps.scores import neighbor_accuracy
from tests.helpers import rows_of

LABELS = torch.arange(90) % 3
ROWS = 6 * torch.eye(5, dtype=torch.float64)[LABELS] + rows_of(0, 90, 5, torch.float64)
NEW = 6 * torch.eye(5, dtype=torch.float64)[LABELS] + rows_of(1, 90, 5, torch.float64)
QUICK = {"hidden": (16,), "perplexity": 10, "batch_size": 32, "verbose": False}


def kernel(places, i, k):
    return 1 / (1 + float((places[i] - places[k]).square().sum()))


def infonce(places):
    n = len(places)
    total = 0.0
    for i in range(n):
        rest = sum(kernel(places, i, k) for k in range(n) if k != i)
        total -= torch.tensor(kernel(places, i, (i + n // 2) % n) / rest).log().item()
    return total / n


def kl(places):
    n = len(places)
    pairs = [(i, k) for i in range(n) for k in range(n) if (i - k) % (n // 2)]
    everyone = torch.tensor(sum(kernel(places, *pair) for pair in pairs)).log().item()
    own = [kernel(places, i, (i + n // 2) % n) for i in range(n)]
    return everyone - torch.tensor(own).log().mean().item()


@pytest.mark.parametrize(("form", "loop"), [("infonce", infonce), ("kl", kl)])
@pytest.mark.parametrize("pairs", [2, 7])
def test_the_loss_is_that_of_the_loop(form, loop, pairs):
    places = rows_of(3, 2 * pairs, 2, torch.float64)
    assert pair_loss(places, form).item() == pytest.approx(loop(places), rel=1e-6)


@pytest.mark.parametrize("form", ["infonce", "kl"])
def test_its_gradient_is_that_of_differences(form):
    places = rows_of(4, 8, 2, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pair_loss(x, form), (places,))


def test_pairs_are_drawn_by_the_probabilities_of_tsne():
    settings = ParametricMap(**QUICK)
    drawn = NeighborPairs(ROWS, settings).draw(400_000)
    counts = torch.zeros(90, 90).double()
    counts.index_put_(tuple(drawn), torch.ones(400_000).double(), accumulate=True)
    p = openTSNE.affinity.PerplexityBasedNN(ROWS.numpy(), perplexity=10, method="exact")
    want = torch.from_numpy(p.P.toarray())
    assert (counts / 400_000 - want).abs().max() < 5 * (want.max() / 400_000).sqrt()


@pytest.mark.parametrize("form", ["infonce", "kl"])
def test_far_apart_classes_are_apart_for_new_rows(form):
    parametric = ParametricMap(**QUICK, form=form, steps=300).fit(ROWS)
    points, placed = parametric.transform(ROWS), parametric.transform(NEW)
    assert points.dtype == torch.float64
    assert neighbor_accuracy(points, LABELS, placed, LABELS, neighbors=5) > 0.95
    assert torch.allclose(parametric.transform(NEW, batch_size=7), placed)


def test_the_same_seed_gives_the_same_map_and_another_one_another():
    maps = [
        ParametricMap(**QUICK, steps=3, seed=seed).fit(ROWS).transform(ROWS)
        for seed in (1, 1, 2)
    ]
    assert torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[0], maps[2])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ParametricMap(form="mse"), ValueError, "form must be 'infonce' or"),
        (lambda: ParametricMap(steps=0), ValueError, "steps must be at least 1; got 0"),
        (lambda: ParametricMap(batch_size=1.5), TypeError, "batch_size must be an int"),
        (lambda: ParametricMap(perplexity=0), ValueError, "perplexity must be at leas"),
        (lambda: ParametricMap().fit(ROWS[:40]), ValueError, "perplexity must be at m"),
        (lambda: ParametricMap().fit(ROWS / 0), ValueError, "rows must be finite"),
        (lambda: ParametricMap().fit(ROWS + 0j), TypeError, "rows must be real; got"),
        (lambda: ParametricMap().transform(ROWS), ValueError, "not fitted; call fit"),
        (
            lambda: ParametricMap(**QUICK, steps=1).fit(ROWS).transform(ROWS[:, :2]),
            ValueError,
            "rows must have as many columns as the fitted rows",
        ),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
