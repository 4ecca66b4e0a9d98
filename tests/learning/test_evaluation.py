"""Scores against counting by hand, and against what they must be in simple cases."""

import math
from itertools import combinations, permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from snnl_tutorial import entanglement
from snnl_tutorial.learning.evaluation import (
    cluster,
    cluster_scores,
    clustering_accuracy,
    entanglement_by_layer,
    nearest_neighbor_accuracy,
    recall_at,
)

some_labels = st.lists(st.integers(0, 3), min_size=1, max_size=12)


@given(st.data(), some_labels)
def test_accuracy_is_that_of_the_best_naming(data, labels):
    size = {"min_size": len(labels), "max_size": len(labels)}
    found = data.draw(st.lists(st.integers(0, 3), **size))
    hits = (
        sum(names[c] == y for y, c in zip(labels, found, strict=True))
        for names in permutations(range(4))
    )
    got = clustering_accuracy(torch.tensor(labels), torch.tensor(found))
    assert got == pytest.approx(max(hits) / len(labels))


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_far_apart_classes_are_found(init):
    torch.manual_seed(0)
    labels = torch.arange(60) % 3
    codes = 10 * torch.eye(3)[labels] + 0.1 * torch.randn(60, 3)
    found = cluster(codes, 3, init)
    scores = cluster_scores(codes, labels, found)
    assert scores["acc"] == scores["nmi"] == scores["ari"] == 1
    assert scores["dbi"] < 0.1
    assert scores["silhouette"] > 0.9
    assert torch.equal(found, cluster(codes, 3, init))


def test_scores_by_hand():
    codes = torch.tensor([[0.0], [2.0], [10.0], [12.0]])
    labels, found = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 1])
    scores = cluster_scores(codes, labels, found)
    assert scores["dbi"] == pytest.approx((1 + 1) / 10)
    assert scores["ch"] == pytest.approx(100 / (4 / 2))  # between / (within / (4 - 2))
    first, second = 1 - 2 / 11, 1 - 2 / 9
    assert scores["silhouette"] == pytest.approx((first + second) / 2)


@given(st.data(), some_labels)
def test_agreement_by_counting_pairs_and_entropies(data, labels):
    size = {"min_size": len(labels), "max_size": len(labels)}
    found = data.draw(st.lists(st.integers(0, 3), **size))
    codes = torch.zeros(len(labels), 1)
    scores = cluster_scores(codes, torch.tensor(labels), torch.tensor(found))
    # ARI (Hubert and Arabie, 1985): pairs in one cluster and class, beside chance.
    pairs = list(combinations(range(len(labels)), 2))
    in_class = sum(labels[i] == labels[j] for i, j in pairs)
    in_cluster = sum(found[i] == found[j] for i, j in pairs)
    in_both = sum(labels[i] == labels[j] and found[i] == found[j] for i, j in pairs)
    chance = in_class * in_cluster / len(pairs) if pairs else 0
    most = (in_class + in_cluster) / 2
    ari = (in_both - chance) / (most - chance) if most != chance else 1
    assert scores["ari"] == pytest.approx(ari, abs=1e-9)

    def entropy(what):
        shares = [what.count(value) / len(what) for value in set(what)]
        return -sum(share * math.log(share) for share in shares)

    both = entropy(list(zip(labels, found, strict=True)))
    shared = entropy(labels) + entropy(found) - both
    half = (entropy(labels) + entropy(found)) / 2
    assert scores["nmi"] == pytest.approx(shared / half if half else 1, abs=1e-9)


def test_one_cluster_has_no_scores_of_its_own():
    found = torch.zeros(4).long()
    scores = cluster_scores(torch.rand(4, 2), torch.tensor([0, 0, 1, 1]), found)
    assert scores == {"acc": 0.5, "nmi": 0.0, "ari": 0.0}


def test_neighbors_vote_and_the_unlabeled_do_not():
    codes = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [0.6, 0.5]])
    labels = torch.tensor([0, 0, 1, 1, -100])
    new, new_labels = torch.tensor([[2.0, 1.9], [0.0, 3.0]]), torch.tensor([0, 1])

    def accuracy(new_labels, neighbors):
        return nearest_neighbor_accuracy(codes, labels, new, new_labels, neighbors)

    assert accuracy(new_labels, neighbors=1) == 1
    assert accuracy(1 - new_labels, neighbors=1) == 0
    with pytest.raises(ValueError, match="neighbors must be at most the 4 labeled"):
        accuracy(new_labels, neighbors=5)


@pytest.mark.parametrize(
    ("clusters", "init", "message"),
    [(5, "random", "at most 4 rows; got 5"), (2, "best", "init must be 'random' or")],
)
def test_bad_clusters_are_named(clusters, init, message):
    with pytest.raises(ValueError, match=message):
        cluster(torch.rand(4, 2), clusters, init)


def test_layers_are_measured_in_evaluation_mode():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.9), nn.Linear(6, 2))
    rows, labels = torch.rand(30, 4), torch.arange(30) % 3
    found = entanglement_by_layer(model, rows, labels, ["0", "2"], permutations=1)
    assert model.training
    want = entanglement(model.eval()(rows), labels, permutations=1)
    assert found["2"] == want
    model.train()[1].eval()  # a part that is frozen
    entanglement_by_layer(model, rows, labels, ["0"], permutations=1)
    assert model.training
    assert not model[1].training
    assert list(found) == ["0", "2"]


ROWS, CLASSES = torch.rand(4, 2), torch.tensor([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cluster(ROWS.numpy(), 2), TypeError, "codes must be .*; got ndarray"),
        (lambda: cluster(ROWS, 2, seed=-1), ValueError, "seed must be at least 0"),
        (lambda: cluster(ROWS, 2, seed=2**32), ValueError, "seed must be below"),
        (lambda: cluster(ROWS, 2.0), TypeError, "clusters must be an int.*got float"),
        (
            lambda: clustering_accuracy(CLASSES, CLASSES[:3]),
            ValueError,
            r"labels must be one for each of the 3 assignments; got shape \(4,\)",
        ),
        (
            lambda: clustering_accuracy(CLASSES[:0], CLASSES[:0]),
            ValueError,
            "assignments must have at least one row; got none",
        ),
        (
            lambda: clustering_accuracy([0, 1], CLASSES[:2]),
            TypeError,
            "labels must be .*Tensor; got list",
        ),
        (
            lambda: cluster_scores(ROWS[:3], CLASSES, CLASSES),
            ValueError,
            "labels must be one for each of the 3 codes",
        ),
        (
            lambda: nearest_neighbor_accuracy(ROWS, CLASSES, ROWS[:3], CLASSES, 1),
            ValueError,
            "new_labels must be one for each of the 3 new_codes",
        ),
        (
            lambda: nearest_neighbor_accuracy(ROWS, CLASSES[:3], ROWS, CLASSES, 1),
            ValueError,
            "labels must be one for each of the 4 codes",
        ),
    ],
)
def test_bad_rows_and_numbers_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_layer_without_a_row_for_each_label_is_left_out_or_refused():
    class Anchored(nn.Module):
        def __init__(self):
            super().__init__()
            self.anchors, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(x @ self.anchors(torch.eye(4)))

    rows, labels = torch.rand(30, 4), torch.arange(30) % 3
    assert list(entanglement_by_layer(Anchored(), rows, labels)) == ["head"]
    with pytest.raises(ValueError, match="layer 'anchors'.*for each label; got 4 rows"):
        entanglement_by_layer(Anchored(), rows, labels, ["anchors"])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_recall_in_loops(metric, k):
    torch.manual_seed(0)
    codes, labels = torch.randn(14, 3).double(), torch.arange(14) % 4
    codes[4] = codes[0]  # a twin: a row itself never counts
    labels[0], labels[13] = -100, 9  # unlabeled; alone in its class

    def distance(a, b):
        if metric == "cosine":
            return 1 - (a @ b) / a.norm() / b.norm()
        return (a - b).norm()

    hits = []
    for i in range(1, 13):
        others = [j for j in range(1, 14) if j != i]
        others.sort(key=lambda j: distance(codes[i], codes[j]))
        hits.append(any(labels[j] == labels[i] for j in others[:k]))
    expected = sum(hits) / len(hits)
    assert recall_at(codes, labels, k, metric) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("k", "labels", "message"),
    [
        (0, [0, 0, 1], "k must be at least 1; got 0"),
        (3, [0, 0, 1], "k must be below the 3 labeled rows; got 3"),
        (2, [0, 0, -100], "k must be below the 2 labeled rows; got 2"),
        (1, [0, 1, 2], "labels must have two rows of one class; got none"),
    ],
)
def test_a_recall_that_cannot_be_is_named(k, labels, message):
    with pytest.raises(ValueError, match=message):
        recall_at(torch.rand(3, 2), torch.tensor(labels), k)
