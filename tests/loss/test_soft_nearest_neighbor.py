"""The loss against a float64 double loop, NCALoss, closed forms, and at extremes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import NCALoss

from snnl_tutorial import (
    LearnedTemperature,
    SoftNearestNeighborLoss,
    soft_nearest_neighbor_loss,
)
from snnl_tutorial.loss.batch import Batch
from snnl_tutorial.loss.distance import NAMED_DISTANCES
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
    row_losses,
    whole_matrix_losses,
)
from snnl_tutorial.loss.tiled import tiled_losses
from tests import oracle
from tests.helpers import ARTICLE_ROWS, labels_of, rows_of

DISTANCES = sorted(NAMED_DISTANCES)
TEMPERATURES = [1e-3, 1e-2, 0.1, 1.0, 10.0, 1e3]


def kinds_of_rows(kind, n=24, d=10):
    """Rows as they come in practice, and as they come when things go wrong."""
    rows = rows_of(7, n, d)
    if kind == "relu":
        return rows.relu() * (torch.arange(n) % 5 > 0)[:, None]  # dead rows, too
    if kind == "clustered":
        return rows[torch.arange(n) % 4] + 1e-3 * rows_of(8, n, d)
    if kind == "duplicated":
        return rows[torch.arange(n) // 2]
    if kind == "equal":
        return torch.ones(n, d)
    return rows


KINDS = ["gaussian", "relu", "clustered", "duplicated", "equal"]


@pytest.mark.parametrize(
    "losses_of",
    [
        lambda *batch: soft_nearest_neighbor_loss(*batch, reduction="none"),
        lambda *batch: SoftNearestNeighborLoss(reduction="none")(*batch),
        lambda *batch: row_losses(Batch(*batch), temperature=0.1, distance="cosine")[0],
        lambda *batch: whole_matrix_losses(Batch(*batch), 0.1, "cosine")[0],
        lambda *batch: tiled_losses(Batch(*batch), 0.1, "cosine")[0],
    ],
    ids=["function", "module", "rows", "whole matrix", "tiles"],
)
def test_unless_told_otherwise_minus_100_is_unlabeled_and_nothing_else(losses_of):
    rows = rows_of(0, 20, 5, torch.float64)
    labels = torch.tensor([0, 1, -1, 100, -100]).repeat(4)
    want, anchors = oracle.row_losses(rows, labels)
    assert anchors.sum() == 16
    np.testing.assert_allclose(losses_of(rows, labels), want, rtol=1e-9)


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(0, 14),
    m=st.integers(0, 10),
    d=st.integers(1, 10),
    classes=st.integers(1, 6),
    ignored=st.booleans(),
    with_refs=st.booleans(),
    distance=st.sampled_from(DISTANCES),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.complex128]),
    temperature=st.sampled_from([0.1, 0.5, 1.0, 5.0]),
)
def test_equal_to_the_double_loop(
    seed, n, m, d, classes, ignored, with_refs, distance, dtype, temperature
):
    rows, labels = rows_of(seed, n, d, dtype), labels_of(seed, n, classes, ignored)
    refs = rows_of(seed + 1, m, d, dtype) if with_refs else None
    ref_labels = labels_of(seed + 1, m, classes, ignored) if with_refs else None
    setup = {"temperature": temperature, "distance": distance}
    want, anchors = oracle.row_losses(
        rows.numpy(),
        labels,
        refs=refs.numpy() if with_refs else None,
        ref_labels=ref_labels,
        **setup,
    )
    setup |= {"ref_embeddings": refs, "ref_labels": ref_labels}
    got = {
        how: soft_nearest_neighbor_loss(rows, labels, reduction=how, **setup)
        for how in ("none", "sum", "mean")
    }
    tolerance = 1e-12 if dtype in (torch.float64, torch.complex128) else 1e-6
    # An error of 1e-7 in d is one of 1e-7/T in the logits.
    tolerance = {"rtol": tolerance, "atol": tolerance * max(1, 1 / temperature)}
    np.testing.assert_allclose(got["none"].numpy(), want, **tolerance)
    np.testing.assert_allclose(got["sum"].item(), want.sum(), rtol=1e-5, atol=1e-4)
    mean = want.sum() / max(anchors.sum(), 1)
    np.testing.assert_allclose(got["mean"].item(), mean, **tolerance)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("distance", DISTANCES)
def test_equal_to_nca_loss_of_pytorch_metric_learning(distance, temperature):
    rows, labels = rows_of(0, 64, 8, torch.float64), labels_of(0, 64)
    if distance == "cosine":  # |u - v|^2 / 2 of unit rows, so T doubles
        peer, inputs = NCALoss(softmax_scale=0.5 / temperature), rows
    else:
        peer = NCALoss(
            softmax_scale=1 / temperature,
            distance=LpDistance(normalize_embeddings=False, power=2),
        )
        inputs = rows / 3
    inputs.requires_grad_()
    ours = soft_nearest_neighbor_loss(
        inputs, labels, temperature=temperature, distance=distance
    )
    theirs = peer(inputs, labels)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(ours, inputs)
    (peer_gradient,) = torch.autograd.grad(theirs, inputs)
    assert torch.allclose(gradient, peer_gradient, atol=1e-6)


def test_the_articles_rows_through_both_forms():
    labels, setup = torch.tensor([0, 0, 1, 1]), {"temperature": 1.0}
    want = oracle.loss(ARTICLE_ROWS.double().numpy(), labels, **setup)
    exact = soft_nearest_neighbor_loss(ARTICLE_ROWS, labels, **setup)
    assert exact.item() == pytest.approx(want, abs=1e-6)
    published = published_soft_nearest_neighbor_loss(ARTICLE_ROWS, labels, **setup)
    assert published.item() == pytest.approx(want, abs=1e-4)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("complex_rows", [False, True])
def test_gradcheck_for_embeddings_references_and_temperature(distance, complex_rows):
    dtype = torch.complex128 if complex_rows else torch.float64
    rows, refs = rows_of(0, 6, 3, dtype), rows_of(1, 5, 3, dtype)
    rows.requires_grad_(), refs.requires_grad_()
    temperature = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2, -100])  # a singleton and an unlabeled row
    ref_labels = torch.tensor([0, 1, 1, 0, 3])

    def own(rows, temperature):
        return soft_nearest_neighbor_loss(
            rows, labels, temperature=temperature, distance=distance
        )

    def toward_references(rows, refs, temperature):
        return soft_nearest_neighbor_loss(
            rows,
            labels,
            temperature=temperature,
            distance=distance,
            ref_embeddings=refs,
            ref_labels=ref_labels,
        )

    assert torch.autograd.gradcheck(own, (rows, temperature))
    assert torch.autograd.gradcheck(toward_references, (rows, refs, temperature))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [None, 7])
def test_right_at_every_temperature_and_scale(
    kind, distance, temperature, scale, block
):
    rows = (kinds_of_rows(kind) * scale).requires_grad_()
    labels = labels_of(0, len(rows))
    loss = soft_nearest_neighbor_loss(
        rows, labels, temperature=temperature, distance=distance, block_size=block
    )
    loss.backward()
    exact = rows.detach().double().numpy()
    want = oracle.loss(exact, labels, temperature=temperature, distance=distance)
    gradient_of = getattr(oracle, f"{distance}_gradient")
    want_gradient = gradient_of(exact, labels, temperature)
    # Squared Euclidean distances are exact to float64, so only the result is rounded.
    # A cosine in float32 is off by some 1e-7, the logits by 1e-7/T.
    slack = 4e-7 / temperature if distance == "cosine" else 0
    assert loss.item() == pytest.approx(want, rel=2e-6 + slack / 10, abs=1e-6 + slack)
    size = np.abs(want_gradient).max()
    error = np.abs(rows.grad.numpy() - want_gradient).max()
    assert np.isfinite(rows.grad.numpy()).all()
    typical = (2 if distance == "sqeuclidean" else 1 / scale) / temperature
    assert error <= 1e-5 * size + (slack + 1e-6) * typical


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["gaussian", "relu", "clustered"])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("block", [None, 20])
def test_half_precision_within_two_percent(dtype, kind, distance, block):
    rows = kinds_of_rows(kind, n=64, d=30).to(dtype).requires_grad_()
    labels = labels_of(0, 64)
    temperature = 0.05 if distance == "cosine" else 2.0
    exact = rows.detach().double().numpy()
    want = oracle.loss(exact, labels, temperature=temperature, distance=distance)
    got = soft_nearest_neighbor_loss(
        rows, labels, temperature=temperature, distance=distance, block_size=block
    )
    got.backward()
    assert got.dtype == torch.float32
    assert got.item() == pytest.approx(want, rel=0.02)
    slope = getattr(oracle, f"{distance}_gradient")(exact, labels, temperature)
    assert rows.grad.dtype == dtype
    error = np.abs(rows.grad.double().numpy() - slope).max()
    assert error < 0.02 * np.abs(slope).max()


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("block", [None, 20])
@pytest.mark.parametrize("temperature", [0.01, 0.05])
def test_autocast_changes_nothing(distance, block, temperature):
    results = []
    for enabled in (True, False):
        rows = rows_of(0, 64, 30).requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            loss = soft_nearest_neighbor_loss(
                rows,
                labels_of(0, 64),
                temperature=temperature,
                distance=distance,
                block_size=block,
            )
            loss.backward()
        results.append((loss, rows.grad))
    assert all(map(torch.equal, *results))


@given(seed=st.integers(0, 10_000), distance=st.sampled_from(DISTANCES))
def test_the_order_of_the_rows_does_not_matter(seed, distance):
    rows, labels = rows_of(seed, 12, 4, torch.float64), labels_of(seed, 12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    setup = {"temperature": 1.0, "distance": distance}
    loss = soft_nearest_neighbor_loss(rows, labels, **setup)
    moved = soft_nearest_neighbor_loss(rows[order], labels[order], **setup)
    assert moved.item() == pytest.approx(loss.item(), rel=1e-12)


@given(seed=st.integers(0, 10_000), distance=st.sampled_from(DISTANCES))
def test_a_rotation_does_not_matter(seed, distance):
    rows, labels = rows_of(seed, 12, 4, torch.float64), labels_of(seed, 12)
    rotation, _ = torch.linalg.qr(rows_of(seed + 1, 4, 4, torch.float64))
    setup = {"temperature": 1.0, "distance": distance}
    loss = soft_nearest_neighbor_loss(rows, labels, **setup)
    turned = soft_nearest_neighbor_loss(rows @ rotation, labels, **setup)
    assert turned.item() == pytest.approx(loss.item(), rel=1e-9)


@given(seed=st.integers(0, 10_000), log_scale=st.floats(-6, 6))
def test_the_brightness_of_a_row_does_not_matter_to_cosine(seed, log_scale):
    rows, labels = rows_of(seed, 12, 4, torch.float64), labels_of(seed, 12)
    factors = 10 ** (log_scale * torch.rand(12, 1, dtype=torch.float64))
    loss = soft_nearest_neighbor_loss(rows, labels)
    scaled = soft_nearest_neighbor_loss(rows * factors, labels)
    assert scaled.item() == pytest.approx(loss.item(), rel=1e-9)


def test_loss_and_gradient_change_with_the_temperature():
    rows, labels = rows_of(0, 20, 5), labels_of(0, 20)
    losses, gradients = set(), set()
    for temperature in TEMPERATURES:
        leaf = rows.clone().requires_grad_()
        loss = soft_nearest_neighbor_loss(leaf, labels, temperature=temperature)
        loss.backward()
        losses.add(round(loss.item(), 4))
        gradients.add(round(leaf.grad.norm().item(), 6))
    assert len(losses) == len(gradients) == len(TEMPERATURES)


def test_a_high_temperature_gives_the_share_of_partners():
    labels = torch.tensor([0, 0, 0, 1, 1])
    loss = soft_nearest_neighbor_loss(rows_of(0, 5, 3), labels, temperature=1e6)
    want = -(3 * math.log(2 / 4) + 2 * math.log(1 / 4)) / 5
    assert loss.item() == pytest.approx(want, abs=1e-5)


def test_a_tiny_loss_keeps_its_digits():
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    loss = soft_nearest_neighbor_loss(
        rows, torch.tensor([0, 0, 1, 1]), temperature=0.02
    )
    assert loss.item() == pytest.approx(2 * math.exp(-50), rel=1e-5)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_without_an_anchor_the_loss_is_zero_and_so_is_its_gradient(n, reduction):
    rows = rows_of(0, n, 3).requires_grad_()
    loss = soft_nearest_neighbor_loss(rows, torch.arange(n), reduction=reduction)
    assert loss.shape == ((n,) if reduction == "none" else ())
    assert (loss == 0).all()
    loss.sum().backward()
    assert torch.equal(rows.grad, torch.zeros(n, 3))


@pytest.mark.parametrize("with_refs", [False, True])
def test_squared_euclidean_does_not_see_where_the_cloud_is(with_refs):
    rows, labels = rows_of(0, 30, 5, torch.float64), labels_of(0, 30)
    far = rows + 2.0**30
    near = far - 2.0**30  # the same rounding in both

    def loss(rows):
        setup = {"temperature": 1.0, "distance": "sqeuclidean"}
        if with_refs:
            setup |= {"ref_embeddings": rows[10:], "ref_labels": labels[10:]}
        return soft_nearest_neighbor_loss(rows, labels, **setup)

    assert loss(far).item() == pytest.approx(loss(near).item(), rel=1e-9)


@pytest.mark.parametrize("n", [2, 6])
def test_one_class_only_is_disentangled(n):
    rows = rows_of(0, n, 3).requires_grad_()
    loss = soft_nearest_neighbor_loss(rows, torch.zeros(n, dtype=torch.int64))
    assert loss.item() == 0
    loss.backward()
    assert torch.equal(rows.grad, torch.zeros(n, 3))


def test_references_without_any_row_leave_no_anchor():
    rows = rows_of(0, 4, 3).requires_grad_()
    loss = soft_nearest_neighbor_loss(
        rows,
        labels_of(0, 4),
        ref_embeddings=torch.zeros(0, 3),
        ref_labels=torch.zeros(0, dtype=torch.int64),
    )
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(rows.grad, torch.zeros(4, 3))


def test_unlabeled_rows_and_singletons_get_no_gradient_of_their_own():
    rows = rows_of(0, 6, 3).requires_grad_()
    labels = torch.tensor([0, 0, 1, 1, -100, -100])
    soft_nearest_neighbor_loss(rows, labels).backward()
    assert torch.equal(rows.grad[4:], torch.zeros(2, 3))
    without = soft_nearest_neighbor_loss(rows[:4], labels[:4])
    assert soft_nearest_neighbor_loss(rows, labels).item() == pytest.approx(
        without.item(), rel=1e-6
    )


def test_a_callable_distance_equals_the_loop_on_its_table():
    rows, labels = rows_of(0, 10, 3, torch.float64), labels_of(0, 10)
    table = torch.cdist(rows, rows)
    setup = {"temperature": 0.3}
    got = soft_nearest_neighbor_loss(rows, labels, distance=torch.cdist, **setup)
    want = oracle.loss(rows, labels, table=table.numpy(), **setup)
    assert got.item() == pytest.approx(want, rel=1e-10)


@pytest.mark.parametrize("power", [1, 2])
def test_a_distance_of_pytorch_metric_learning_is_a_callable_like_any(power):
    rows, labels = rows_of(0, 10, 3, torch.float64), labels_of(0, 10)
    distance = LpDistance(normalize_embeddings=False, power=power)
    setup = {"temperature": 0.3}
    got = soft_nearest_neighbor_loss(rows, labels, distance=distance, **setup)
    table = oracle.distances(rows.numpy(), None, "sqeuclidean") ** (power / 2)
    want = oracle.loss(rows, labels, table=table, **setup)
    assert got.item() == pytest.approx(want, rel=1e-6)


# Where the published form breaks -------------------------------------------------


def test_the_published_form_saturates_where_the_exact_form_goes_on():
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.01], [-1.0, 0.0], [-1.0, 0.01]])
    labels = torch.tensor([0, 1, 0, 1])  # every partner is on the other side
    published = published_soft_nearest_neighbor_loss(rows, labels, temperature=0.05)
    assert published.item() == pytest.approx(-math.log(1e-5), abs=0.2)
    exact = soft_nearest_neighbor_loss(rows, labels, temperature=0.05)
    want = oracle.loss(rows.double().numpy(), labels, temperature=0.05)
    assert exact.item() == pytest.approx(want, rel=1e-5)
    assert want > 39


def test_the_published_form_gives_nan_where_the_exact_form_does_not():
    published, exact = [], []
    for seed in range(20):
        rows, labels = rows_of(seed, 100, 30), labels_of(seed, 100, classes=10)
        published.append(published_soft_nearest_neighbor_loss(rows, labels, 0.02))
        exact.append(soft_nearest_neighbor_loss(rows, labels, temperature=0.02))
    assert torch.stack(published).isnan().any()
    assert torch.stack(exact).isfinite().all()


def test_the_published_form_counts_only_the_first_units():
    rows, labels = rows_of(0, 12, 8), labels_of(0, 12)
    sliced = published_soft_nearest_neighbor_loss(rows, labels, units=3)
    assert sliced == published_soft_nearest_neighbor_loss(rows[:, :3], labels)


# The module ------------------------------------------------------------------------


def test_the_module_gives_what_the_function_gives():
    rows, labels = rows_of(0, 12, 4), labels_of(0, 12)
    refs, ref_labels = rows_of(1, 9, 4), labels_of(1, 9)
    module = SoftNearestNeighborLoss(
        temperature=0.3, distance="sqeuclidean", reduction="sum", ignore_index=2
    )
    settings = {"temperature": 0.3, "distance": "sqeuclidean", "reduction": "sum"}
    settings["ignore_index"] = 2
    got = module(rows, labels)
    want = soft_nearest_neighbor_loss(rows, labels, **settings)
    assert got.item() == pytest.approx(want.item(), rel=1e-6)
    got = module(rows, labels, refs, ref_labels)
    want = soft_nearest_neighbor_loss(
        rows, labels, ref_embeddings=refs, ref_labels=ref_labels, **settings
    )
    assert got.item() == pytest.approx(want.item(), rel=1e-6)


def test_the_module_learns_its_temperature():
    rows, labels = rows_of(0, 40, 4), labels_of(0, 40)
    module = SoftNearestNeighborLoss(temperature=LearnedTemperature(0.01))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    before = module(rows, labels).item()
    for _ in range(60):
        optimizer.zero_grad()
        module(rows, labels).backward()
        optimizer.step()
    assert module(rows, labels).item() < 0.5 * before
    assert module.temperature().item() > 0.1
