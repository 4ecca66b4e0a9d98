"""Every row once an epoch, in an order that the seed decides."""

import pytest
import torch

from snnl_tutorial.datasets.batches import ShuffledBatches


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
