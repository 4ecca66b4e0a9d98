"""Distances against the double loop, the article's matrix, and their invariances."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from snnl_tutorial.loss.distance import (
    NAMED_DISTANCES,
    cosine_distance,
    normalize_rows,
    pairwise_distance,
    published_cosine_distance,
    squared_euclidean_distance,
)
from tests import oracle
from tests.helpers import ARTICLE_DISTANCES, ARTICLE_ROWS, rows_of


@pytest.mark.parametrize("function", [cosine_distance, published_cosine_distance])
def test_the_articles_distance_matrix(function):
    assert torch.allclose(function(ARTICLE_ROWS), ARTICLE_DISTANCES, atol=1e-4)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128]
)
def test_the_published_distance_equals_the_double_loop(dtype):
    rows = rows_of(0, 9, 5, dtype)
    want = oracle.distances(rows.numpy())
    got = published_cosine_distance(rows)
    assert not got.is_complex()
    np.testing.assert_allclose(got.numpy(), want, atol=1e-6)


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 9),
    m=st.integers(1, 9),
    d=st.integers(1, 12),
    distance=st.sampled_from(sorted(NAMED_DISTANCES)),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.complex64]),
)
def test_equal_to_the_double_loop(seed, n, m, d, distance, dtype):
    rows, others = rows_of(seed, n, d, dtype), rows_of(seed + 1, m, d, dtype)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    got = pairwise_distance(rows, others, distance)
    want = oracle.distances(rows.numpy(), others.numpy(), distance)
    np.testing.assert_allclose(got.numpy(), want, rtol=tolerance, atol=tolerance)
    own = pairwise_distance(rows, distance=distance)
    want = oracle.distances(rows.numpy(), None, distance)
    np.testing.assert_allclose(own.numpy(), want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("distance", sorted(NAMED_DISTANCES))
def test_never_negative_though_rounding_would_have_it(distance):
    rows = rows_of(0, 200, 50).repeat(2, 1)
    distances = pairwise_distance(rows, distance=distance)
    assert distances.min() >= 0
    assert published_cosine_distance(rows).min() < 0  # so the clamp had work to do


def test_cosine_distance_stays_below_two():
    rows = rows_of(0, 200, 50)
    assert cosine_distance(rows, -rows).max() <= 2


def test_the_published_diagonal_is_off_by_a_rounding_error():
    residue = published_cosine_distance(rows_of(0, 100, 30)).diagonal().abs().max()
    assert 0 < residue < 1e-6


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e4, 1e30])
def test_cosine_distance_does_not_see_the_scale(scale):
    rows = rows_of(0, 20, 8)
    assert torch.allclose(
        cosine_distance(rows * scale), cosine_distance(rows), atol=1e-6
    )


def test_close_pairs_far_from_the_origin_keep_their_distance():
    # In float32 the expansion |x|^2 + |z|^2 - 2xz gives 0 or 64 here, not 1.
    rows = torch.tensor([[10_000.0, 10_000.0], [10_001.0, 10_000.0]])
    assert squared_euclidean_distance(rows)[0, 1] == 1


def test_a_row_of_zeros_is_at_distance_one_and_gets_no_gradient():
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    distances = cosine_distance(rows)
    assert distances[0, 1] == 1
    distances.sum().backward()
    assert rows.grad[0].abs().sum() == 0
    assert rows.grad.isfinite().all()


def test_normalized_rows_have_length_one():
    lengths = normalize_rows(rows_of(0, 50, 7) * 1e20).norm(dim=1)
    assert torch.allclose(lengths, torch.ones(50))


@pytest.mark.parametrize("function", list(NAMED_DISTANCES.values()))
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradcheck(function, dtype):
    rows, others = rows_of(0, 4, 3, dtype), rows_of(1, 5, 3, dtype)
    rows.requires_grad_(), others.requires_grad_()
    assert torch.autograd.gradcheck(function, (rows, others))


def test_the_gradient_passes_where_rounding_left_the_range():
    rows = rows_of(3, 64, 16).repeat(2, 1).requires_grad_()
    distances = cosine_distance(rows)
    direction = rows_of(4, 128, 128)
    (distances * direction).sum().backward()
    wide = rows.detach().double().requires_grad_()
    (cosine_distance(wide) * direction).sum().backward()
    assert torch.allclose(rows.grad.double(), wide.grad, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    rows = rows_of(0, 30, 64).to(dtype)
    got = cosine_distance(rows)
    assert got.dtype == torch.float32
    assert torch.allclose(got, cosine_distance(rows.float()), atol=1e-6)


def test_autocast_does_not_round_the_product():
    rows = rows_of(0, 30, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = cosine_distance(rows)
    assert torch.equal(got, cosine_distance(rows))


def test_a_callable_is_used_as_it_is():
    rows, others = rows_of(0, 5, 3), rows_of(1, 4, 3)
    got = pairwise_distance(rows, others, torch.cdist)
    assert torch.equal(got, torch.cdist(rows, others))


def test_a_cloud_far_from_the_origin_keeps_its_distances():
    rows = rows_of(0, 20, 5, torch.float64)
    far = rows + 1e9  # exact to 1e-7, the rounding of the shift itself
    near = squared_euclidean_distance(far - 1e9)
    assert torch.allclose(squared_euclidean_distance(far), near, atol=1e-9)
