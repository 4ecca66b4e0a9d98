"""Calibration, energy and neighbors, against counting by hand and plain loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from snnl_tutorial.learning.uncertainty import (
    energy,
    expected_calibration_error,
    neighbor_agreement,
    reliability,
)

# Confidences .95 (right), .85 (wrong), .75 (right), .55 (right), in four of ten bins.
CONFIDENCES = torch.tensor([0.95, 0.85, 0.75, 0.55]).double()
PROBABILITIES = torch.stack([CONFIDENCES, 1 - CONFIDENCES], dim=1)
LABELS = torch.tensor([0, 1, 0, 0])


def test_bins_by_hand():
    measured = reliability(PROBABILITIES, LABELS, bins=10)
    assert measured.rows.tolist() == [0, 0, 0, 0, 0, 1, 0, 1, 1, 1]
    filled = measured.rows > 0
    assert measured.confidence[filled].tolist() == CONFIDENCES.flip(0).tolist()
    assert measured.accuracy[filled].tolist() == [1, 1, 0, 1]
    assert measured.accuracy[~filled].isnan().all()
    error = (0.05 + 0.85 + 0.25 + 0.45) / 4
    got = expected_calibration_error(PROBABILITIES, LABELS, bins=10)
    assert got == pytest.approx(error)


@pytest.mark.parametrize(
    ("bins", "error"),
    [
        (1, abs(3 / 4 - 3.1 / 4)),  # all rows in one bin
        (2, abs(3 / 4 - 3.1 / 4)),  # all of them above 1/2
        (5, (abs(1 - 0.55) + abs(1 - 0.75) + abs(1 - 1.8)) / 4),
    ],
)
def test_calibration_error_by_hand(bins, error):
    got = expected_calibration_error(PROBABILITIES, LABELS, bins)
    assert got == pytest.approx(error)


def test_a_bin_holds_its_upper_edge():
    on_an_edge = torch.tensor([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]])
    rows = reliability(on_an_edge, torch.zeros(3).long(), bins=4).rows
    assert rows.tolist() == [0, 1, 1, 1]


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 20))
def test_calibration_error_in_loops(seed, classes, bins):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(30, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (30,), generator=generator)
    probabilities = logits.softmax(dim=1)
    rows = [
        (max(row), row.index(max(row)) == label)
        for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True)
    ]
    expected = 0.0
    for b in range(bins):
        held = [(c, right) for c, right in rows if b / bins < c <= (b + 1) / bins]
        expected += abs(sum(right - c for c, right in held)) / len(rows)
    got = expected_calibration_error(probabilities, labels, bins)
    assert got == pytest.approx(expected, abs=1e-12)
    assert 0 <= got <= 1


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([[0.0, 0.0, 0.0]], -math.log(3)),
        ([[1000.0, 0.0, 0.0]], -1000.0),  # and no overflow
        ([[-1.0, -1.0, -1.0]], 1 - math.log(3)),
    ],
)
def test_energy_in_closed_form(logits, expected):
    assert energy(torch.tensor(logits).double()).item() == pytest.approx(expected)


def test_energy_sees_what_the_softmax_does_not():
    low = torch.tensor([[1.0, 2.0]])
    assert torch.allclose(low.softmax(dim=1), (low + 5).softmax(dim=1))
    assert energy(low + 5) < energy(low)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("neighbors", [1, 4, 9])
def test_agreement_in_loops(metric, neighbors):
    torch.manual_seed(0)
    codes, new = torch.randn(12, 3).double(), torch.randn(5, 3).double()
    labels, predicted = torch.arange(12) % 4, torch.arange(5) % 4
    labels[::4] = -100  # class 0, so that nine are left

    def distance(a, b):
        if metric == "cosine":
            return 1 - (a @ b) / a.norm() / b.norm()
        return (a - b).norm()

    expected = []
    for row, guess in zip(new, predicted, strict=True):
        known = [j for j in range(12) if labels[j] != -100]
        known.sort(key=lambda j: distance(row, codes[j]))
        votes = [bool(labels[j] == guess) for j in known[:neighbors]]
        expected.append(sum(votes) / neighbors)
    got = neighbor_agreement(codes, labels, new, predicted, neighbors, metric)
    assert got.tolist() == pytest.approx(expected)


LOGITS = torch.tensor([[2.0, -1.0], [0.5, 0.0]])
TWO = torch.tensor([0, 1])
NAN = torch.tensor([[torch.nan, 1.0], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((LOGITS, TWO), ValueError, "probabilities must be rows that sum to 1"),
        ((LOGITS.exp(), TWO), ValueError, "a sum of 7.75694"),
        ((NAN, TWO), ValueError, "probabilities must be finite"),
        (
            (LOGITS.long(), TWO),
            TypeError,
            "probabilities must be float32, .*; got torch.int64",
        ),
        ((LOGITS[0], TWO), ValueError, r"have shape \(N, D\) .*; got \(2,\)"),
        ((LOGITS.softmax(1), TWO[:1]), ValueError, r"labels must have shape \(2,\)"),
        ((LOGITS.softmax(1), TWO + 1), ValueError, "from 0 to 1, .* got 1 to 2"),
        ((LOGITS.softmax(1), TWO - 100), ValueError, "got -100 to -99"),
        (
            (LOGITS.softmax(1), TWO.float()),
            TypeError,
            "labels must be integer; got torch.float32",
        ),
        (
            (LOGITS.softmax(1), [0, 1]),
            TypeError,
            "labels must be a torch.Tensor; got list",
        ),
        ((LOGITS.softmax(1), TWO, 0), ValueError, "bins must be at least 1; got 0"),
    ],
)
def test_what_is_no_probability_is_named(arguments, error, message):
    for function in (reliability, expected_calibration_error):
        with pytest.raises(error, match=message):
            function(*arguments)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_a_softmax_of_any_precision_is_taken(dtype):
    torch.manual_seed(0)
    probabilities = torch.randn(50, 47, dtype=torch.float64).to(dtype).softmax(dim=1)
    assert 0 <= expected_calibration_error(probabilities, torch.arange(50) % 47) <= 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"codes": LOGITS.long()},
            TypeError,
            "codes must be float32, .*; got torch.int64",
        ),
        ({"new_codes": NAN}, ValueError, "new_codes must be finite"),
        (
            {"new_codes": torch.ones(2, 3)},
            ValueError,
            r"new_codes must have as many columns as codes \(2\); got 3",
        ),
        ({"labels": TWO[:1]}, ValueError, r"labels must have shape \(2,\)"),
        ({"new_labels": TWO[:1]}, ValueError, r"new_labels must have shape \(2,\)"),
        ({"neighbors": 0}, ValueError, "neighbors must be at least 1"),
        ({"neighbors": 3}, ValueError, "at most the 2 labeled rows; got 3"),
        ({"labels": TWO - 100, "neighbors": 2}, ValueError, "at most the 1 labeled"),
    ],
)
def test_bad_neighbors_are_named(change, error, message):
    arguments = {
        "codes": LOGITS,
        "labels": TWO,
        "new_codes": LOGITS,
        "new_labels": TWO,
        "neighbors": 1,
    }
    with pytest.raises(error, match=message):
        neighbor_agreement(**arguments | change)


def test_energy_wants_a_matrix():
    with pytest.raises(ValueError, match="logits must be finite"):
        energy(NAN)
    with pytest.raises(TypeError, match="logits must be a torch.Tensor; got list"):
        energy([[0.0]])
