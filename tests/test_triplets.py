"""Triplets and easy-positive losses, against loops and pytorch-metric-learning."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import NTXentLoss
from pytorch_metric_learning.miners import BatchEasyHardMiner

from snnl_tutorial import triplets
from snnl_tutorial.loss.soft_nearest_neighbor import soft_nearest_neighbor_loss
from snnl_tutorial.triplets import (
    closest_triplets,
    distance_to_ideal,
    easy_positive_loss,
    easy_positive_semihard_loss,
)


def random_batch(seed, rows=24, columns=5, classes=4, dtype=torch.float64):
    torch.manual_seed(seed)
    labels = torch.randint(classes, (rows,))
    labels[torch.rand(rows) < 0.1] = -100
    return torch.randn(rows, columns, dtype=dtype), labels


def cosine(a, b):
    a, b = a.tolist(), b.tolist()
    product = sum(x * y for x, y in zip(a, b, strict=True))
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return product / lengths if lengths else 0.0


def by_loop(rows, labels, others=None, other_labels=None, semihard=False):
    """(S_ap, S_an, positive, negative) of each row, pair by pair."""
    own = others is None
    others = rows if own else others
    other_labels = labels if own else other_labels
    found = []
    for i, row in enumerate(rows):
        best = {True: (math.nan, -1), False: (math.nan, -1)}
        for kind in (True, False):
            for j, other in enumerate(others):
                if (own and i == j) or -100 in (labels[i], other_labels[j]):
                    continue
                s = cosine(row, other)
                if (labels[i] == other_labels[j]) != kind:
                    continue
                if semihard and not kind and not s < best[True][0]:
                    continue
                if math.isnan(best[kind][0]) or s > best[kind][0]:
                    best[kind] = s, j
        found.append((best[True][0], best[False][0], best[True][1], best[False][1]))
    return [torch.tensor(part) for part in zip(*found, strict=True)]


def assert_same(found, expected):
    for part, other in zip(found, expected, strict=True):
        other = other.to(part.dtype)
        torch.testing.assert_close(part, other, equal_nan=True, atol=1e-6, rtol=0)


@pytest.mark.parametrize("semihard", [False, True])
@given(seed=st.integers(0, 10_000), tile=st.integers(1, 200))
def test_the_triplets_are_those_of_the_loop(semihard, seed, tile):
    rows, labels = random_batch(seed, rows=12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triplets, "TILE", tile)
        found = closest_triplets(rows, labels, semihard=semihard)
    for part, expected in zip(
        found, by_loop(rows, labels, semihard=semihard), strict=True
    ):
        expected = expected.to(part.dtype)
        torch.testing.assert_close(part, expected, equal_nan=True, atol=1e-6, rtol=0)


def test_references_are_searched_and_no_row_is_left_out():
    rows, labels = random_batch(0)
    others, other_labels = random_batch(1, rows=17)
    found = closest_triplets(rows, labels, others, other_labels)
    for part, expected in zip(
        found, by_loop(rows, labels, others, other_labels), strict=True
    ):
        expected = expected.to(part.dtype)
        torch.testing.assert_close(part, expected, equal_nan=True, atol=1e-6, rtol=0)
    itself = closest_triplets(rows, labels, rows, labels)
    labeled = labels >= 0
    assert itself.positive[labeled].tolist() == labeled.nonzero().flatten().tolist()


@pytest.mark.parametrize("kind", ["easy-hard", "easy-semihard"])
def test_the_miner_of_pytorch_metric_learning_picks_the_same_triplets(kind):
    rows, labels = random_batch(3, rows=60)
    labels = labels.clamp(min=0)
    negatives = {"easy-hard": "hard", "easy-semihard": "semihard"}[kind]
    miner = BatchEasyHardMiner("easy", negatives, distance=CosineSimilarity())
    anchors, positives, _, theirs = miner(rows, labels)
    found = closest_triplets(rows, labels, semihard=negatives == "semihard")
    whole = (found.positive >= 0) & (found.negative >= 0)
    assert whole.sum() > 40
    chosen = anchors.tolist()
    assert set(chosen) == set(whole.nonzero().flatten().tolist())
    for anchor, positive, negative in zip(
        chosen, positives.tolist(), theirs.tolist(), strict=True
    ):
        assert positive == found.positive[anchor]
        assert negative == found.negative[anchor]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_computed_in_float32(dtype):
    rows, labels = random_batch(2, dtype=dtype)
    found = closest_triplets(rows, labels)
    assert found.positive_similarity.dtype == torch.float32
    expected = closest_triplets(rows.double(), labels).positive_similarity.float()
    torch.testing.assert_close(
        found.positive_similarity, expected, equal_nan=True, atol=1e-6, rtol=0
    )


def test_rows_without_partner_or_stranger_have_none():
    rows = torch.eye(3)
    alone = closest_triplets(rows, torch.tensor([0, 1, -100]))
    assert alone.positive.tolist() == [-1, -1, -1]
    assert alone.negative.tolist() == [1, 0, -1]
    assert alone.positive_similarity.isnan().all()
    together = closest_triplets(rows, torch.zeros(3, dtype=torch.int64))
    assert together.negative.tolist() == [-1, -1, -1]
    assert distance_to_ideal(together).isnan().all()
    empty = closest_triplets(rows, torch.arange(3), rows[:0], torch.arange(0))
    assert empty.positive.tolist() == empty.negative.tolist() == [-1, -1, -1]
    assert closest_triplets(rows[:0], torch.arange(0)).positive.shape == (0,)


@given(seed=st.integers(0, 10_000))
def test_the_distance_is_that_of_the_plane(seed):
    rows, labels = random_batch(seed)
    found = closest_triplets(rows, labels)
    for s_ap, s_an, distance in zip(*found[:2], distance_to_ideal(found), strict=True):
        expected = math.dist((s_ap, s_an), (1, 0))
        assert distance.item() == pytest.approx(expected, nan_ok=True)


def test_easy_positives_against_ntxent_on_the_same_pairs():
    rows, labels = random_batch(5, rows=40)
    labels = labels.clamp(min=0)
    found = closest_triplets(rows, labels)
    anchors = torch.arange(len(rows))
    strangers = (labels[:, None] != labels).nonzero(as_tuple=True)
    pairs = anchors, found.positive, *strangers
    theirs = NTXentLoss(temperature=0.1)(rows, labels, pairs)
    torch.testing.assert_close(easy_positive_loss(rows, labels), theirs)


def test_the_soft_nearest_neighbor_loss_tends_to_easy_positives():
    rows, labels = random_batch(6)
    for temperature, tolerance in ((0.05, 0.5), (0.005, 0.06), (0.0005, 1e-3)):
        ours = soft_nearest_neighbor_loss(rows, labels, temperature=temperature)
        easy = easy_positive_loss(rows, labels, temperature)
        # A sum over at most 23 partners is at most log(23) above its largest term.
        assert 0 <= easy - ours < tolerance
        assert easy - ours < math.log(23)


@pytest.mark.parametrize("order", [1, 2])
def test_semihard_losses_against_the_loop(order):
    rows, labels = random_batch(7)
    s_ap, s_an, _, negative = by_loop(rows, labels, semihard=True)
    losses = []
    for positive, stranger, j in zip(
        s_ap.tolist(), s_an.tolist(), negative.tolist(), strict=True
    ):
        if j < 0 or math.isnan(positive):
            continue
        if order == 1:
            both = [math.exp(s / 0.1) for s in (positive, stranger)]
            losses.append(-math.log(both[0] / sum(both)))
        else:
            losses.append(math.dist((positive, stranger), (1, 0)) ** 2 / 2)
    loss = easy_positive_semihard_loss(rows, labels, 0.1, order)
    assert loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        easy_positive_loss,
        easy_positive_semihard_loss,
        lambda x, y: easy_positive_semihard_loss(x, y, order=2),
    ],
)
def test_gradients_agree_with_finite_differences(loss):
    rows, labels = random_batch(8, rows=10, columns=3, classes=3)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), rows.requires_grad_())


@pytest.mark.parametrize("loss", [easy_positive_loss, easy_positive_semihard_loss])
def test_without_a_triplet_the_loss_is_zero_with_a_zero_gradient(loss):
    rows = torch.randn(3, 2, requires_grad=True)
    value = loss(rows, torch.tensor([0, 1, -100]))
    value.backward()
    assert value == 0
    assert not rows.grad.any()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"embeddings": [[1.0]]}, TypeError, "embeddings must be a torch.Tensor"),
        ({"embeddings": torch.ones(3)}, ValueError, "embeddings must"),
        ({"embeddings": torch.full((3, 2), math.nan)}, ValueError, "must be finite"),
        ({"labels": torch.zeros(3)}, TypeError, "labels must be integer"),
        ({"labels": torch.arange(2)}, ValueError, r"labels must have shape \(3,\)"),
    ],
)
@pytest.mark.parametrize(
    "function", [closest_triplets, easy_positive_loss, easy_positive_semihard_loss]
)
def test_bad_input_is_named(function, arguments, error, words):
    good = {"embeddings": torch.eye(3), "labels": torch.arange(3)}
    with pytest.raises(error, match=words):
        function(**good | arguments)


def test_bad_settings_are_named():
    rows, labels = torch.eye(3), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ValueError, match="order must be 1 or 2; got 3"):
        easy_positive_semihard_loss(rows, labels, order=3)
    for loss in (easy_positive_loss, easy_positive_semihard_loss):
        with pytest.raises(ValueError, match="temperature must"):
            loss(rows, labels, temperature=0.0)
    with pytest.raises(ValueError, match="ref_labels"):
        closest_triplets(rows, labels, ref_embeddings=rows)
