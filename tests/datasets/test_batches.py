"""Which rows an epoch holds, how often and beside whom, and what the seed decides."""

from collections import Counter
from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from snnl_tutorial.datasets.batches import LabeledBatches, ShuffledBatches


def test_every_row_once_in_each_epoch_in_another_order():
    batches = ShuffledBatches(10, batch_size=4, seed=1)
    epochs = [list(batches), list(batches)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [4, 4, 2]
        assert sorted(torch.cat(epoch).tolist()) == list(range(10))
    assert not torch.equal(torch.cat(epochs[0]), torch.cat(epochs[1]))
    assert len(batches) == 3


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [
        (9, 4, [4, 5]),
        (8, 4, [4, 4]),
        (5, 2, [2, 3]),
        (2, 1, [1, 1]),
        (1, 4, [1]),
        (3, 2, [3]),
        (5, 9, [5]),
    ],
)
def test_a_single_last_row_joins_the_batch_before_it(n, batch_size, sizes):
    batches = ShuffledBatches(n, batch_size)
    epoch = list(batches)
    assert [len(batch) for batch in epoch] == sizes
    assert len(batches) == len(sizes)
    assert sorted(torch.cat(epoch).tolist()) == list(range(n))


def test_the_order_is_one_permutation_of_the_generator_for_each_epoch():
    batches = ShuffledBatches(10, batch_size=4, seed=1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(2):
        want = torch.randperm(10, generator=generator)
        assert torch.equal(torch.cat(list(batches)), want)


def test_from_a_stored_state_the_same_epochs_follow():
    batches, again = ShuffledBatches(10, 4, seed=1), ShuffledBatches(10, 4, seed=1)
    list(batches)
    again.generator.set_state(batches.generator.get_state())
    assert torch.equal(torch.cat(list(batches)), torch.cat(list(again)))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n": 0}, ValueError, "n must be at least 1; got 0"),
        ({"n": 3, "batch_size": 0}, ValueError, "batch_size must be at least 1; got 0"),
        ({"n": 3, "batch_size": 1.5}, TypeError, "batch_size must be an integer"),
        ({"n": 3, "seed": None}, TypeError, "seed must be an integer; got NoneType"),
    ],
)
def test_bad_settings_are_named(settings, error, message):
    with pytest.raises(error, match=message):
        ShuffledBatches(**settings)


# Batches that gather labels -----------------------------------------------------------


def labels_of(*counts, unlabeled=0):
    """So many rows of each class, and of none, in an order drawn by chance."""
    labels = [k for k, count in enumerate(counts) for _ in range(count)]
    labels = torch.tensor(labels + [-100] * unlabeled)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(7))
    return labels[order]


def classes_of(batch, labels):
    """How many rows of each class the batch has."""
    return Counter(label for label in labels[batch].tolist() if label != -100)


@given(
    counts=st.lists(st.integers(2, 12), min_size=1, max_size=6),
    unlabeled=st.integers(1, 60),
    room=st.integers(1, 9),
    share=st.integers(2, 40),
    seed=st.integers(0, 99),
)
def test_each_batch_gathers_partners_and_an_epoch_sees_every_row(
    counts, unlabeled, room, share, seed
):
    labels = labels_of(*counts, unlabeled=unlabeled)
    share = min(share, sum(sorted(counts)[: share // 2]))
    batches = LabeledBatches(labels, share + room, share, seed=seed)
    epoch = list(batches)
    assert len(epoch) == len(batches) == -(-unlabeled // room)
    for batch in epoch:
        drawn = classes_of(batch, labels)
        assert sum(drawn.values()) == share
        assert min(drawn.values()) >= 2
        assert len(batch) == len(set(batch)) <= share + room
        # Even: whoever has fewer rows in the batch than another class has no more.
        for label, count in drawn.items():
            assert count >= min(counts[label], max(drawn.values()) - 1)
    times = Counter(row for batch in epoch for row in batch)
    for label in (*range(len(counts)), -100):
        rows = (labels == label).nonzero().flatten().tolist()
        often = [times[row] for row in rows]
        assert max(often) - min(often) <= 1
        assert label != -100 or set(often) == {1}


@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=8),
    batch_size=st.integers(1, 50),
    seed=st.integers(0, 99),
)
def test_with_all_rows_labeled_each_is_seen_once_beside_a_partner(
    counts, batch_size, seed
):
    labels = labels_of(*counts)
    batches = LabeledBatches(labels, batch_size, labeled_rows=2, seed=seed)
    epoch = list(batches)
    assert sorted(chain(*epoch)) == list(range(len(labels)))
    pairs = sum(count // 2 for count in counts)
    assert len(epoch) == len(batches) == min(-(-len(labels) // batch_size), pairs)
    assert all(epoch)  # none is empty
    for batch in epoch:
        assert all(count >= 2 for count in classes_of(batch, labels).values())
    for label, count in enumerate(counts):
        if count >= 2 * len(epoch):  # in every batch, to a difference of one row
            shares = [classes_of(batch, labels)[label] for batch in epoch]
            assert max(shares) - min(shares) <= 1
    sizes = [len(batch) for batch in epoch]
    assert max(sizes) - min(sizes) <= 3


def test_classes_are_drawn_anew_for_each_batch_and_take_turns():
    labels = labels_of(*[4] * 6, unlabeled=30)
    batches = LabeledBatches(labels, 7, labeled_rows=4, classes=2)
    drawn = [classes_of(batch, labels) for batch in batches]
    assert all(set(each.values()) == {2} for each in drawn)
    turns = Counter(label for each in drawn for label in each)
    assert len({frozenset(each) for each in drawn}) > 3
    assert max(turns.values()) - min(turns.values()) <= 1


@pytest.mark.parametrize("counts", [(9, 5, 7), (4, 4, 4)])
@pytest.mark.parametrize("unlabeled", [0, 50])
def test_processes_share_an_epoch_without_a_row_twice(counts, unlabeled):
    labels = labels_of(*counts, unlabeled=unlabeled)
    settings = {"batch_size": 8, "labeled_rows": 6, "world_size": 2, "seed": 3}
    first, second = (
        list(LabeledBatches(labels, rank=rank, **settings)) for rank in (0, 1)
    )
    assert len(first) == len(second) > 0
    once = [
        row
        for batch in first + second
        for row in batch
        if unlabeled == 0 or labels[row] == -100
    ]
    assert sorted(once) == [k for k in range(len(labels)) if k in set(once)]
    assert len(once) == (unlabeled or len(labels))


def test_the_seed_and_the_stored_state_decide_all():
    labels = labels_of(5, 6, 7, unlabeled=40)
    batches, same, other = (
        LabeledBatches(labels, 12, labeled_rows=6, seed=seed) for seed in (0, 0, 1)
    )
    epoch = list(batches)
    assert epoch == list(same)
    assert epoch != list(other)
    same.generator.set_state(batches.generator.get_state())
    following = list(batches)
    assert following == list(same)
    assert following != epoch


def test_a_data_loader_takes_them():
    labels = labels_of(5, 6, unlabeled=10)
    batches = LabeledBatches(labels, 9, labeled_rows=4)
    loader = DataLoader(TensorDataset(labels), batch_sampler=batches)
    assert [(part != -100).sum().item() for (part,) in loader] == [4, 4]


@pytest.mark.parametrize("unlabeled", [0, 6])
def test_a_single_row_of_a_class_is_warned_of_and_seen_once(unlabeled):
    labels = labels_of(4, 1, 4, unlabeled=unlabeled)
    with pytest.warns(UserWarning, match="1 of 3 classes have a single row"):
        batches = LabeledBatches(labels, 8, labeled_rows=4)
    rows = list(chain(*batches))
    assert rows.count((labels == 1).nonzero().item()) == 1


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"labeled_rows": 8}, ValueError, "leave room for unlabeled .* got 8"),
        ({"labeled_rows": 1}, ValueError, "labeled_rows must be at least 2; got 1"),
        ({"labeled_rows": 4.0}, TypeError, "labeled_rows must be an integer"),
        ({"batch_size": 30, "labeled_rows": 9}, ValueError, "at most 7, the labels"),
        ({"classes": 3}, ValueError, "classes must be at most 2: 2 have two rows"),
        ({"classes": 1, "labeled_rows": 4}, ValueError, "at most 3, the labels that 1"),
        ({"rank": 2, "world_size": 2}, ValueError, "rank must be below world_size=2"),
        ({"labels": torch.full((9,), -100)}, ValueError, "two rows of one class; got"),
        ({"labels": torch.zeros(9)}, TypeError, "labels must be integer; got"),
        ({"labels": torch.zeros(3, 3).long()}, ValueError, "labels must have shape"),
        ({"labels": torch.ones(9).bool()}, TypeError, "labels must be integer; got"),
        ({"labels": [0, 0, 1]}, TypeError, "labels must be a torch.Tensor; got list"),
        (
            {"labels": labels_of(3, 3), "world_size": 3},
            ValueError,
            "world_size must be at most 2: .* got 3",
        ),
        ({"labels": labels_of(5, 5), "classes": 2}, ValueError, "classes must be None"),
    ],
)
def test_labels_that_cannot_be_gathered_are_named(settings, error, message):
    defaults = {"labels": labels_of(4, 3, unlabeled=9), "batch_size": 8}
    with pytest.raises(error, match=message):
        LabeledBatches(**{**defaults, "labeled_rows": 4, **settings})
