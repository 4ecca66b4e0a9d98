"""Maps that stay where they are, and say what is wrong."""

import builtins
import math
import subprocess
import sys

import numpy as np
import openTSNE
import pytest
import torch

from snnl_tutorial.loss.distance import squared_euclidean_distance
from snnl_tutorial.loss.masking import other_rows
from snnl_tutorial.loss.sampling import sampling_probability
from snnl_tutorial.maps.scores import neighbor_accuracy, shared_neighbors
from snnl_tutorial.maps.tsne import fit_map
from tests.helpers import rows_of

LABELS = torch.arange(90) % 3
ROWS = 6 * torch.eye(5, dtype=torch.float64)[LABELS] + rows_of(0, 90, 5, torch.float64)
NEW = 6 * torch.eye(5, dtype=torch.float64)[LABELS] + rows_of(1, 90, 5, torch.float64)


@pytest.fixture(scope="module")
def fitted():
    return fit_map(ROWS, perplexity=10)


def test_far_apart_classes_are_apart_on_the_map(fitted):
    assert fitted.points.dtype == torch.float64
    assert neighbor_accuracy(fitted.points, LABELS, neighbors=5) == 1


def test_it_is_the_map_of_opentsne(fitted):
    """By the library's own steps, not by its class `TSNE`."""
    affinities = openTSNE.affinity.PerplexityBasedNN(ROWS.numpy(), perplexity=10)
    start = openTSNE.initialization.pca(ROWS.numpy(), random_state=0)
    theirs = openTSNE.TSNEEmbedding(start, affinities, negative_gradient_method="bh")
    theirs.optimize(250, exaggeration=12, momentum=0.8, inplace=True)
    theirs.optimize(500, exaggeration=1, momentum=0.8, inplace=True)
    assert np.allclose(fitted.points, theirs, atol=1e-9)


def test_the_same_seed_gives_the_same_map(fitted):
    assert torch.equal(fit_map(ROWS, 10).points, fitted.points)
    first, again, other = (
        fit_map(ROWS, 10, seed, initial="random").points for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert shared_neighbors(first, other, neighbors=5) > 0.5
    assert (first - other).norm() > 0.5 * first.norm()


def test_transform_places_new_rows_and_moves_nothing(fitted):
    before = fitted.points.clone()
    placed = fitted.transform(NEW)
    assert neighbor_accuracy(before, LABELS, placed, LABELS, neighbors=5) == 1
    assert torch.equal(fitted.points, before)
    assert torch.equal(fitted.transform(NEW), placed)
    one_by_one = torch.cat([fitted.transform(row[None]) for row in NEW[:3]])
    assert torch.allclose(one_by_one, placed[:3], atol=1e-3)


def test_transform_speaks_the_coordinates_of_the_map():
    """openTSNE itself answers in coordinates of a map that it has moved."""
    ours, theirs = fit_map(ROWS, 10), fit_map(ROWS, 10)._embedding
    before = np.array(theirs)
    placed = np.array(theirs.transform(NEW.numpy()))
    shift = np.array(theirs) - before
    assert np.abs(shift).max() > 1e-3
    assert np.allclose(shift, shift[0])
    assert np.allclose(ours.transform(NEW), placed - shift[0])


def test_conditional_probabilities_are_sampling_probabilities():
    """Row by row, at the temperature at which it has `perplexity` neighbors."""
    rows, perplexity = ROWS[:31], 10
    theirs = openTSNE.affinity.PerplexityBasedNN(
        rows.numpy(), perplexity, symmetrize=False, k_neighbors=30
    )
    distances = squared_euclidean_distance(rows, rows)
    others = other_rows(31)
    low, high = torch.full((31, 1), 1e-3).double(), torch.full((31, 1), 1e3).double()
    for _ in range(60):
        T = (low * high).sqrt()
        p = sampling_probability(distances, T, others)
        entropy = torch.special.entr(p).sum(dim=1, keepdim=True)
        hot = entropy > math.log(perplexity)
        low, high = torch.where(hot, low, T), torch.where(hot, T, high)
    p_theirs = 31 * torch.from_numpy(theirs.P.toarray())
    assert torch.allclose(p, p_theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rows": ROWS.tolist()}, TypeError, "rows must be a torch.Tensor; got list"),
        ({"rows": ROWS.long()}, TypeError, "rows"),
        ({"rows": ROWS + 0j}, TypeError, "rows must be real; got torch.complex128"),
        ({"rows": ROWS / 0}, ValueError, "rows must be finite; row 0"),
        ({"rows": ROWS[:, :1]}, ValueError, "two principal .*; got one column"),
        ({"rows": 0 * ROWS}, ValueError, "two principal components, .*; got equal row"),
        ({"rows": ROWS[:30]}, ValueError, "perplexity must be at most 9.667"),
        ({"perplexity": 0.5}, ValueError, "perplexity must be at least 1"),
        ({"perplexity": "30"}, TypeError, "perplexity must be a number; got str"),
        ({"perplexity": 30}, ValueError, "at most 29.67, .*; got 30"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"seed": 0.5}, TypeError, "seed must be an integer; got float"),
        ({"initial": "spectral"}, ValueError, "initial must be 'pca' or 'random'"),
    ],
)
def test_bad_input_is_named(settings, error, message):
    with pytest.raises(error, match=message):
        fit_map(**{"rows": ROWS, "perplexity": 10, **settings})


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (NEW[:, :4], ValueError, r"as many columns as the fitted rows \(5\); got 4"),
        (NEW.float(), TypeError, "rows must have the dtype of the fitted rows"),
        (NEW / 0, ValueError, "rows must be finite"),
        (NEW.numpy(), TypeError, "rows must be a torch.Tensor; got ndarray"),
    ],
)
def test_rows_that_do_not_fit_the_map_are_named(fitted, rows, error, message):
    with pytest.raises(error, match=message):
        fitted.transform(rows)


def test_without_opentsne_one_sentence_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "openTSNE":
            raise ModuleNotFoundError("No module named 'openTSNE'", name="openTSNE")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match="pip install openTSNE$") as caught:
        fit_map(ROWS, perplexity=10)
    assert "\n" not in str(caught.value)


def test_importing_the_module_does_not_import_opentsne():
    code = "import sys, snnl_tutorial.maps.tsne; print('openTSNE' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
