"""Entanglement: the minimum over T against a fine scan, chance against a shuffle."""

import math

import numpy as np
import pytest
import torch

from snnl_tutorial import entanglement, soft_nearest_neighbor_loss
from snnl_tutorial.loss.distance import cosine_distance
from tests import oracle
from tests.helpers import rows_of


def clusters(spread, n=60, seed=0):
    labels = torch.arange(n) % 3
    return torch.eye(3)[labels] + spread * rows_of(seed, n, 3), labels


@pytest.mark.parametrize("distance", ["cosine", "sqeuclidean"])
@pytest.mark.parametrize(("spread", "alone"), [(0.4, 0), (1.0, 9)])
def test_the_minimum_over_temperature(distance, spread, alone):
    rows, labels = clusters(spread)
    labels[:alone] = torch.arange(alone) + 10  # each in a class of its own
    measured = entanglement(rows, labels, distance=distance)
    table = oracle.distances(rows.numpy(), None, distance)
    scan = np.geomspace(1e-3, 1e3, 121) * table.mean()
    losses = [oracle.loss(rows, labels, temperature=t, table=table) for t in scan]
    assert measured.value == pytest.approx(min(losses), abs=2e-3)
    at_that = oracle.loss(rows, labels, temperature=measured.temperature, table=table)
    assert measured.value == pytest.approx(at_that, abs=1e-5)


@pytest.mark.parametrize("distance", ["cosine", "sqeuclidean"])
def test_autocast_does_not_round_the_search(distance):
    rows, labels = clusters(0.6)
    rows += 10  # the differences lie beyond the digits of bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        measured = entanglement(rows, labels, distance=distance)
    assert measured == entanglement(rows, labels, distance=distance)


def test_the_scale_of_squared_euclidean_distances_does_not_matter():
    rows, labels = clusters(0.6)
    small = entanglement(rows, labels, distance="sqeuclidean")
    large = entanglement(rows * 100, labels, distance="sqeuclidean")
    assert large.value == pytest.approx(small.value, abs=1e-4)
    assert large.temperature == pytest.approx(1e4 * small.temperature, rel=1e-3)
    assert large.chance == pytest.approx(small.chance, abs=1e-4)


def test_at_a_given_temperature_it_is_the_loss():
    rows, labels = clusters(0.6)
    labels[::7] = -100
    measured = entanglement(rows, labels, temperature=0.2)
    want = soft_nearest_neighbor_loss(rows, labels, temperature=0.2)
    assert measured.value == pytest.approx(want.item(), rel=1e-5)
    assert measured.temperature == 0.2


@pytest.mark.parametrize("distance", ["cosine", "sqeuclidean", cosine_distance])
def test_the_temperature_of_training_is_measured_beside_the_best(distance):
    rows, labels = clusters(0.6)
    labels[::7] = -100
    measured = entanglement(rows, labels, training_temperature=3, distance=distance)
    want = soft_nearest_neighbor_loss(rows, labels, temperature=3, distance=distance)
    assert measured.at_training == pytest.approx(want.item(), rel=1e-5)
    assert measured[:3] == entanglement(rows, labels, distance=distance)[:3]
    assert measured.at_training > measured.value
    assert entanglement(rows, labels, distance=distance).at_training is None


def test_a_temperature_of_training_that_is_none_is_named():
    with pytest.raises(ValueError, match="training_temperature must be positive"):
        entanglement(*clusters(0.6), training_temperature=-1)


def test_chance_is_what_shuffled_labels_give():
    rows, labels = clusters(0.3, n=300)
    measured = entanglement(rows, labels)
    expected = -math.log(99 / 299)  # any T: a third of the others share the class
    assert measured.chance == pytest.approx(expected, abs=0.02)
    assert measured.value < 0.5 * measured.chance
    order = torch.randperm(300, generator=torch.Generator().manual_seed(5))
    shuffled = entanglement(rows, labels[order])
    assert shuffled.value == pytest.approx(shuffled.chance, abs=0.03)


@pytest.mark.parametrize("distance", ["cosine", "sqeuclidean", torch.cdist])
@pytest.mark.parametrize("alone", [1, 9])
def test_rows_alone_in_their_class_do_not_count_in_the_chance(distance, alone):
    rows, labels = clusters(0.3, n=300 + alone)
    labels[:alone] = torch.arange(alone) + 10
    counts = labels.bincount()
    counts = counts[counts > 1].double()
    shares = (counts - 1) / (len(rows) - 1)  # of a row's class among the other rows
    want = -(counts * shares.log()).sum() / counts.sum()
    measured = entanglement(rows, labels, distance=distance)
    assert measured.chance == pytest.approx(want.item(), abs=0.02)


def test_the_seed_decides_the_shuffles():
    rows, labels = clusters(0.6)
    first, again = (entanglement(rows, labels, seed=1) for _ in range(2))
    assert first == again
    assert entanglement(rows, labels, seed=2).chance != first.chance


@pytest.mark.parametrize("distance", ["cosine", "sqeuclidean", torch.cdist])
def test_equal_rows_are_at_chance(distance):
    rows = torch.ones(30, 4, dtype=torch.float64)
    measured = entanglement(rows, torch.arange(30) % 3, distance=distance)
    assert measured.value == pytest.approx(-math.log(9 / 29), abs=1e-9)
    assert measured.value == pytest.approx(measured.chance, abs=1e-9)


def test_any_number_of_strips_gives_the_same(monkeypatch):
    rows, labels = clusters(0.6)
    whole = entanglement(rows, labels, training_temperature=1.0)
    monkeypatch.setattr("snnl_tutorial.loss.entanglement.BLOCK_NUMEL", 17 * 60)
    monkeypatch.setattr("snnl_tutorial.loss.entanglement.STRIP_NUMEL", 7 * 60)
    strips = entanglement(rows, labels, training_temperature=1.0)
    assert strips == pytest.approx(whole, rel=1e-5)


def test_it_leaves_no_graph():
    rows, labels = clusters(0.6)
    rows.requires_grad_()
    measured = entanglement(rows, labels, training_temperature=1.0)
    assert all(isinstance(number, float) for number in measured)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_only_the_ignored_label_is_ignored(dtype):
    rows, labels = clusters(0.6)
    want = entanglement(rows, labels, temperature=0.5)
    renamed = torch.tensor([156, 0, 1])[labels].to(dtype)  # uint8: 156 = -100
    assert entanglement(rows, renamed, temperature=0.5).value == want.value
    if dtype != torch.uint8:
        renamed = torch.tensor([-100, 0, 1])[labels].to(dtype)
        got = entanglement(rows, renamed, temperature=0.5, ignore_index=7)
        assert got.value == want.value


def test_the_matrix_of_a_callable_is_left_as_it_is():
    rows, labels = rows_of(0, 40, 5), torch.arange(40) % 3
    matrix = torch.cdist(rows, rows)
    before = matrix.clone()
    entanglement(rows, labels, distance=lambda *_: matrix)
    assert torch.equal(matrix, before)
