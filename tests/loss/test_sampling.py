"""Sampling probabilities: golden numbers, extremes, the published form's ends."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from snnl_tutorial.loss.distance import cosine_distance, published_cosine_distance
from snnl_tutorial.loss.masking import other_rows
from snnl_tutorial.loss.sampling import (
    masked_logsumexp,
    published_sampling_probability,
    sampling_logits,
    sampling_probability,
    similarities,
)
from tests.helpers import ARTICLE_ROWS, rows_of


def test_the_articles_exponentials():
    want = torch.tensor(
        [
            [1.0, 0.7520, 0.5343, 0.1698],
            [0.7520, 1.0, 0.6294, 0.1560],
            [0.5343, 0.6294, 1.0, 0.3272],
            [0.1698, 0.1560, 0.3272, 1.0],
        ]
    )
    got = similarities(cosine_distance(ARTICLE_ROWS), temperature=1.0)
    assert torch.allclose(got, want, atol=1e-4)


@given(seed=st.integers(0, 10_000), n=st.integers(2, 12), log_t=st.floats(-3, 3))
def test_rows_sum_to_one_at_every_temperature(seed, n, log_t):
    distances = cosine_distance(rows_of(seed, n, 5, torch.float64))
    probability = sampling_probability(distances, 10**log_t, other_rows(n))
    assert torch.allclose(probability.sum(1), torch.ones(n, dtype=torch.float64))
    assert (probability.diagonal() == 0).all()


def test_exact_and_published_agree_where_nothing_goes_wrong():
    distances = cosine_distance(rows_of(0, 20, 6, torch.float64))
    exact = sampling_probability(distances, 0.5, other_rows(20))
    published = published_sampling_probability(distances, 0.5, epsilon=0)
    assert torch.allclose(exact, published, atol=1e-12)


def test_a_low_temperature_picks_the_nearest_row():
    distances = torch.tensor([[0.0, 0.3, 0.2], [0.3, 0.0, 0.9], [0.2, 0.9, 0.0]])
    probability = sampling_probability(distances, 1e-3, other_rows(3))
    assert probability.argmax(1).tolist() == [2, 0, 0]
    assert torch.allclose(probability.max(1).values, torch.ones(3))


def test_a_high_temperature_picks_anyone():
    distances = cosine_distance(rows_of(0, 5, 3))
    probability = sampling_probability(distances, 1e6, other_rows(5))
    assert torch.allclose(probability, other_rows(5) / 4, atol=1e-5)


def test_the_published_form_loses_what_the_exact_form_keeps():
    # Both neighbors are so far that exp(-d/T) is 0 in float32.
    distances = torch.tensor([[0.0, 0.50, 0.51], [0.50, 0.0, 1.0], [0.51, 1.0, 0.0]])
    temperature = 0.004
    assert published_sampling_probability(distances, temperature)[0].sum() == 0
    exact = sampling_probability(distances, temperature, other_rows(3))
    assert exact[0, 1].item() == pytest.approx(
        1 / (1 + 2.718281828 ** (-2.5)), abs=1e-4
    )


def test_the_published_residue_can_be_negative():
    distances = published_cosine_distance(rows_of(0, 200, 30))
    assert (published_sampling_probability(distances, 0.01).diagonal() < 0).any()


def test_masked_logsumexp_of_nothing_is_finite_with_a_zero_gradient():
    logits = torch.zeros(2, 3, requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    got = masked_logsumexp(logits, mask)
    assert got[0].item() == pytest.approx(0.693147, abs=1e-6)
    assert got[1] == torch.finfo(torch.float32).min
    got.sum().backward()
    assert torch.equal(logits.grad, torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]))


def test_a_row_without_candidates_picks_nobody():
    assert sampling_probability(torch.zeros(1, 1), 1.0, other_rows(1)).item() == 0


def test_logits_are_differentiable_in_both():
    distances = rows_of(0, 3, 4, torch.float64).abs().requires_grad_()
    temperature = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(sampling_logits, (distances, temperature))
