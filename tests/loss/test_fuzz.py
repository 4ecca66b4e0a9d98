"""The loss and its gradients against the float64 loop, for whatever may come.

A hundred cases for each distance; `make fuzz` tries thousands.
"""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from snnl_tutorial import soft_nearest_neighbor_loss
from snnl_tutorial.loss.distance import cosine_distance, squared_euclidean_distance
from tests import oracle
from tests.helpers import rows_of

# How the package is asked for it, and its name in the loop.
WAYS = {
    "cosine": "cosine",
    "sqeuclidean": "sqeuclidean",
    cosine_distance: "cosine",
    squared_euclidean_distance: "sqeuclidean",
}
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
LABELS = st.sampled_from([0, 1, 2, 2**40, -100])


@st.composite
def clouds(draw, center, tightness, most):
    """Rows around a center, some equal, opposite or zero; and labels."""
    n, (_, d) = draw(st.integers(0, most)), center.shape
    seed = draw(st.integers(0, 10_000))
    rows = center + tightness * rows_of(seed, n, d, torch.float64)
    for i, other in enumerate(draw(st.lists(st.integers(0, 11), max_size=n // 2))):
        kind = draw(st.sampled_from([1.0, -1.0, 0.0]))
        rows[i] = kind * rows[other % n]
    labels = draw(st.lists(LABELS, min_size=n, max_size=n))
    return rows, torch.tensor(labels, dtype=torch.int64)


@st.composite
def batches(draw):
    """Rows, labels, references, their labels: of any dtype, scale and tightness."""
    dtype = draw(st.sampled_from(DTYPES))
    scale = 10.0 ** draw(st.integers(-6, 6) if dtype.itemsize > 2 else st.just(0))
    center = rows_of(draw(st.integers(0, 10_000)), 1, draw(st.integers(1, 6)))
    tightness = 10.0 ** draw(st.integers(-4, 1))
    rows, labels = draw(clouds(center, tightness, most=12))
    refs = ref_labels = None
    if draw(st.booleans()):
        refs, ref_labels = draw(clouds(center, tightness, most=9))
        refs = (scale * refs).to(dtype)
    return (scale * rows).to(dtype), labels, refs, ref_labels


def logit_error(name, distance, rows, others, temperature):
    """How far rounding may move d / T."""
    if name == "cosine":
        # A named distance is computed in float64 where float32 would not do.
        cold = isinstance(distance, str) and temperature < 1.2e-5
        wide = rows.dtype == torch.float64 or cold
        return (
            8 * torch.finfo(torch.float64 if wide else torch.float32).eps / temperature
        )
    spread = torch.cat([rows, others]).double()
    largest = (spread - spread.mean(dim=0)).square().sum(dim=1).max()
    return 16 * torch.finfo(torch.float64).eps * largest.item() / temperature


@pytest.mark.parametrize("distance", WAYS)
@given(
    batch=batches(),
    log_t=st.floats(-5, 4),
    ignore_index=st.sampled_from([-100, 1, 7]),
    block=st.one_of(st.none(), st.integers(1, 13)),
)
def test_loss_and_gradients_equal_the_loop(distance, batch, log_t, ignore_index, block):
    rows, labels, refs, ref_labels = batch
    name, others = WAYS[distance], rows if refs is None else refs
    wide, wide_refs = (None if x is None else x.double().numpy() for x in (rows, refs))
    table = oracle.distances(wide, wide_refs, name)
    typical = table.mean() if table.any() else 1.0
    temperature = max(10**log_t * typical, 1e-12)  # float64 cosines are rounded below
    assume(len(rows) and len(others))
    slack = logit_error(name, distance, rows, others, temperature)
    assume(slack < 0.05)  # beyond it, there is a warning

    rows.requires_grad_()
    learned = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
    inputs = [rows, learned] if refs is None else [rows, learned, refs.requires_grad_()]
    losses = soft_nearest_neighbor_loss(
        rows,
        labels,
        temperature=learned,
        distance=distance,
        ref_embeddings=refs,
        ref_labels=ref_labels,
        ignore_index=ignore_index,
        reduction="none",
        block_size=block if isinstance(distance, str) else None,
    )
    setting = {"ref_labels": ref_labels, "ignore_index": ignore_index}
    want, anchors = oracle.row_losses(
        wide, labels, temperature, name, refs=wide_refs, **setting
    )
    np.testing.assert_allclose(
        losses.detach().numpy(), want, rtol=4 * slack + 4e-6, atol=1e-37
    )

    mean = losses.sum() / max(anchors.sum(), 1)
    ours = torch.autograd.grad(mean, inputs)
    of_rows, of_refs, of_temperature = oracle.gradients(
        wide, labels, temperature, name, refs=wide_refs, **setting
    )
    near = 8 * slack + 1e-5
    size = near * table.max() / temperature**2 + 2 * slack / temperature
    assert ours[1].item() == pytest.approx(of_temperature, rel=near, abs=size + 1e-37)
    spread = np.abs(wide - others.detach().double().numpy().mean(axis=0)).max()
    for got, wanted, points in zip(
        ours[::2], [of_rows, of_refs], [wide, wide_refs], strict=False
    ):
        lengths = np.linalg.norm(points, axis=1, keepdims=True)
        size = 1 / np.where(lengths > 0, lengths, np.inf)  # what 1 / T becomes
        size = size if name == "cosine" else 4 * max(spread, table.max() ** 0.5)
        limits = torch.finfo(got.dtype)
        # Two gradients, as rows and as the others, are rounded before they add up.
        near += 4 * limits.eps if callable(distance) else 0
        assume(np.abs(wanted).max() < limits.max / 2)
        slack_of_result = limits.eps * np.abs(wanted) + limits.tiny * limits.eps
        error = np.abs(got.double().numpy() - wanted)
        assert (error <= near * size / temperature + slack_of_result).all()
