"""Masks against the definition, pair by pair."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from snnl_tutorial.loss.masking import (
    masked_sampling_probability,
    neighbor_masks,
    other_rows,
    same_class,
)

LABELS = st.lists(st.sampled_from([0, 1, 2, -100]), min_size=0, max_size=9)


@given(labels=LABELS)
def test_masks_of_a_batch(labels):
    masks = neighbor_masks(torch.tensor(labels, dtype=torch.int64))
    for i, own in enumerate(labels):
        has_partner = False
        for j, other in enumerate(labels):
            candidate = i != j and own != -100 and other != -100
            assert masks.candidates[i, j] == candidate
            assert masks.partners[i, j] == (candidate and own == other)
            has_partner |= candidate and own == other
        assert masks.anchors[i] == has_partner


@given(labels=LABELS, ref_labels=LABELS)
def test_masks_toward_references_keep_the_diagonal(labels, ref_labels):
    masks = neighbor_masks(
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(ref_labels, dtype=torch.int64),
    )
    for i, own in enumerate(labels):
        for j, other in enumerate(ref_labels):
            assert masks.candidates[i, j] == (own != -100 and other != -100)
            assert masks.partners[i, j] == (own == other and own != -100)


def test_an_unsigned_label_is_not_taken_for_minus_100():
    labels = torch.tensor([156, 156], dtype=torch.uint8)  # 156 = -100 modulo 256
    assert neighbor_masks(labels).anchors.all()


def test_another_ignore_index():
    masks = neighbor_masks(torch.tensor([-1, -1, -100, -100]), ignore_index=-1)
    assert masks.anchors.tolist() == [False, False, True, True]


def test_other_rows_and_same_class():
    assert other_rows(3).sum() == 6
    assert not other_rows(3).diagonal().any()
    assert same_class(torch.tensor([1, 2]), torch.tensor([2, 1, 2])).tolist() == [
        [False, True, False],
        [True, False, True],
    ]


def test_masked_probability_keeps_the_own_class_only():
    probability = torch.tensor([[0.0, 0.7, 0.3], [0.5, 0.0, 0.5], [0.2, 0.8, 0.0]])
    got = masked_sampling_probability(probability, torch.tensor([4, 4, 9]))
    want = torch.tensor([[0.0, 0.7, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert torch.equal(got, want)
