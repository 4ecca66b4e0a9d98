"""Scores of maps, against loops that count."""

import pytest
import torch
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from snnl_tutorial.learning.evaluation import nearest_neighbor_accuracy
from snnl_tutorial.maps.scores import (
    displacement,
    gap_share,
    linearity,
    neighbor_accuracy,
    shared_neighbors,
    trustworthiness,
)
from tests.helpers import labels_of, rows_of

POINTS, LABELS = rows_of(0, 40, 2, torch.float64), labels_of(0, 40)
OTHER = rows_of(1, 40, 3, torch.float64)


def order(rows, i):
    """The other rows, nearest first."""
    distances = [(float((rows[i] - row).norm()), j) for j, row in enumerate(rows)]
    return [j for _, j in sorted(distances) if j != i]


@pytest.mark.parametrize("k", [1, 4])
def test_each_point_is_judged_by_the_others(k):
    left_out = cross_val_score(
        KNeighborsClassifier(k), POINTS.numpy(), LABELS.numpy(), cv=LeaveOneOut()
    )
    got = neighbor_accuracy(POINTS, LABELS, neighbors=k)
    assert got == pytest.approx(left_out.mean())


def test_new_points_are_judged_by_all_points():
    new, classes = rows_of(2, 30, 2, torch.float64), labels_of(2, 30)
    got = neighbor_accuracy(POINTS, LABELS, new, classes, neighbors=3)
    hits = 0
    for row, label in zip(new, classes, strict=True):
        nearest = (POINTS - row).norm(dim=1).argsort()[:3]
        hits += int(LABELS[nearest].bincount(minlength=3).argmax() == label)
    assert got == pytest.approx(hits / 30)
    same = nearest_neighbor_accuracy(POINTS, LABELS, new, classes, 3, "euclidean")
    assert got == same


def test_unlabeled_points_have_no_say():
    partly = labels_of(0, 40, ignored=True)
    kept = partly != -100
    alone = neighbor_accuracy(POINTS[kept], partly[kept])
    assert neighbor_accuracy(POINTS, partly) == alone


@pytest.mark.parametrize("k", [1, 5])
def test_trustworthiness_is_that_of_the_loop(k):
    n, penalty = len(POINTS), 0
    for i in range(n):
        near, rank = order(POINTS, i)[:k], order(OTHER, i)
        penalty += sum(max(0, rank.index(j) + 1 - k) for j in near)
    expected = 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * penalty
    assert trustworthiness(OTHER, POINTS, k) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 5])
def test_shared_neighbors_are_those_of_the_loop(k):
    pairs = [set(order(POINTS, i)[:k]) & set(order(OTHER, i)[:k]) for i in range(40)]
    expected = sum(map(len, pairs)) / (40 * k)
    assert shared_neighbors(POINTS, OTHER, k) == pytest.approx(expected)


def test_a_turned_and_scaled_map_has_the_same_neighbors():
    turned = 3 * POINTS @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]]).double() + 7
    assert shared_neighbors(POINTS, turned) == trustworthiness(POINTS, turned) == 1


@pytest.mark.parametrize("quantile", [0.5, 1.0])
def test_gaps_are_those_of_the_loop(quantile):
    new = 3 * rows_of(2, 50, 2, torch.float64)
    nearest = [
        min(float((POINTS[i] - POINTS[j]).norm()) for j in range(40) if j != i)
        for i in range(40)
    ]
    edge = torch.tensor(nearest).double().quantile(quantile)
    far = sum(min(float((p - q).norm()) for q in POINTS) > edge for p in new)
    assert gap_share(POINTS, new, quantile) == far / 50
    assert gap_share(POINTS, POINTS) == 0


def test_displacement_is_that_of_the_loop_and_a_turn_is_one():
    turned = POINTS @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]]).double()
    other = rows_of(3, 40, 2, torch.float64) + 1
    apart = sum(
        float((a - b).square().sum()) for a, b in zip(POINTS, other, strict=True)
    )
    size = sum(float(x.var(dim=0, correction=0).sum()) * 40 for x in (POINTS, other))
    want = (apart / (size / 2)) ** 0.5
    assert displacement(POINTS, other) == pytest.approx(want)
    centered = POINTS - POINTS.mean(dim=0)
    assert displacement(centered, -centered) == pytest.approx(2)
    assert displacement(turned, turned) == 0
    assert displacement(7 * POINTS, 7 * other) == pytest.approx(want)


def test_lines_are_lines_and_an_area_is_none():
    t = rows_of(4, 200, 1, torch.float64)
    assert linearity(torch.cat([t, 2 * t - 1], dim=1)) == pytest.approx(1)
    area = torch.rand(2000, 2, generator=torch.Generator().manual_seed(0))
    assert linearity(area, neighbors=200) < 0.3
    assert linearity(torch.ones(30, 2)) == 1
    near = [(POINTS - p).norm(dim=1).argsort()[:5] for p in POINTS]
    values = []
    for chosen in near:
        low, high = torch.linalg.eigvalsh(torch.cov(POINTS[chosen].T))
        values.append(float((high - low) / high))
    assert linearity(POINTS, 5) == pytest.approx(sum(values) / 40)


BAD = [
    (gap_share, (POINTS, OTHER), {}, ValueError, "as many columns as points"),
    (gap_share, (POINTS, POINTS / 0), {}, ValueError, "new_points must be finite"),
    (gap_share, (POINTS, POINTS, 2.0), {}, ValueError, "quantile must be at most 1"),
    (gap_share, (POINTS[:1], POINTS), {}, ValueError, "below the 1 points; got 1"),
    (displacement, (POINTS, OTHER), {}, ValueError, "second must have the shape of"),
    (displacement, (POINTS * 0, POINTS * 0), {}, ValueError, "points apart; got one"),
    (displacement, (POINTS, [0]), {}, TypeError, "second must be a torch.Tensor"),
    (linearity, (POINTS, 2), {}, ValueError, "neighbors must be at least 3; got 2"),
    (linearity, (POINTS, 41), {}, ValueError, "below the 40 points; got 40"),
    (linearity, (POINTS / 0,), {}, ValueError, "points must be finite"),
    (neighbor_accuracy, (POINTS, LABELS[:9]), {}, ValueError, "labels must be one for"),
    (neighbor_accuracy, (POINTS, LABELS, OTHER), {}, ValueError, "no new_labels"),
    (
        neighbor_accuracy,
        (POINTS, LABELS),
        {"neighbors": 40},
        ValueError,
        "below the 40",
    ),
    (neighbor_accuracy, (POINTS, LABELS), {"neighbors": 0}, ValueError, "at least 1"),
    (neighbor_accuracy, ([0], LABELS), {}, TypeError, "points|codes must be of type"),
    (
        trustworthiness,
        (OTHER, POINTS[:9]),
        {},
        ValueError,
        "each of the 40 rows; got 9",
    ),
    (
        trustworthiness,
        (OTHER, POINTS, 20),
        {},
        ValueError,
        "below 20, half of the rows",
    ),
    (trustworthiness, (OTHER, POINTS / 0), {}, ValueError, "points must be finite"),
    (shared_neighbors, (POINTS, OTHER[:9]), {}, ValueError, "40 first; got 9"),
    (shared_neighbors, (POINTS, OTHER, 40), {}, ValueError, "below the 40 points"),
    (shared_neighbors, (POINTS, OTHER, 2.0), {}, TypeError, "neighbors must be an int"),
    (shared_neighbors, (POINTS, [0]), {}, TypeError, "second must be a torch.Tensor"),
]


@pytest.mark.parametrize(("score", "arguments", "options", "error", "message"), BAD)
def test_bad_input_is_named(score, arguments, options, error, message):
    with pytest.raises(error, match=message):
        score(*arguments, **options)
