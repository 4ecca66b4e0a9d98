"""A memory of earlier batches: the loss with them as references, and what it keeps."""

import pytest
import torch
from torch import nn

from snnl_tutorial import (
    AnnealedTemperature,
    LayerwiseLoss,
    SoftNearestNeighborLoss,
    soft_nearest_neighbor_loss,
)
from snnl_tutorial.learning.training import train
from snnl_tutorial.loss.memory import CrossBatchMemory
from tests.helpers import rows_of


def batches_of(count, n=6, columns=3):
    return [(rows_of(k, n, columns), torch.arange(n) % 3) for k in range(count)]


def new_memory(rows=10, columns=3, criterion=None):
    criterion = criterion or SoftNearestNeighborLoss(temperature=0.5)
    return CrossBatchMemory(criterion, rows, columns)


def test_neighbors_are_those_of_the_last_batches():
    memory = new_memory(rows=10)
    seen = batches_of(4)
    losses = [memory(*batch) for batch in seen]
    for k in (1, 2, 3):
        rows, labels = (torch.cat(part)[-10:] for part in zip(*seen[:k], strict=True))
        want = soft_nearest_neighbor_loss(
            *seen[k], temperature=0.5, ref_embeddings=rows, ref_labels=labels
        )
        torch.testing.assert_close(losses[k], want)


def test_the_gradient_is_that_of_the_rows_alone():
    memory = new_memory()
    (first, labels), (second, _) = batches_of(2)
    first, second = first.requires_grad_(), second.requires_grad_()
    memory(first, labels)
    memory(second, labels).backward()
    assert first.grad is None
    assert second.grad.abs().sum() > 0


@pytest.mark.parametrize(("n", "rows"), [(6, 4), (6, 6), (1, 3)])
def test_a_batch_of_any_size_pushes_out_the_oldest(n, rows):
    memory = new_memory(rows=rows)
    seen = batches_of(3, n=n)
    for batch in seen:
        memory(*batch)
    want = torch.cat([embeddings for embeddings, _ in seen])[-rows:]
    assert torch.equal(memory.embeddings, want)


def test_the_smallest_sizes_will_do():
    memory = new_memory(rows=1, columns=1)
    label = torch.tensor([0])
    memory(torch.tensor([[2.0]]), label)
    loss = memory(torch.tensor([[3.0]]), label)
    assert loss == 0  # the only candidate is a partner
    assert memory.embeddings.tolist() == [[3.0]]


def test_evaluation_leaves_the_memory_alone():
    memory = new_memory().eval()
    (batch,) = batches_of(1)
    assert [memory(*batch).item() for _ in range(2)] == [0, 0]


def test_unlabeled_rows_are_no_neighbors():
    memory, without = new_memory(), new_memory()
    (rows, labels), later = batches_of(2)
    partly = torch.where(labels == 0, -100, labels)
    memory(rows, partly)
    without(rows[labels != 0], labels[labels != 0])
    torch.testing.assert_close(memory(*later), without(*later))


def test_a_resumed_training_remembers(tmp_path):
    rows, labels = rows_of(0, 40, 5), torch.arange(40) % 4

    def learn(epochs, checkpoint=None):
        torch.manual_seed(0)
        memory = CrossBatchMemory(
            SoftNearestNeighborLoss(AnnealedTemperature()), rows=30, columns=4
        )
        model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4))
        objective = LayerwiseLoss(
            model, nn.functional.cross_entropy, memory, factor=1.0, layers=["1"]
        )
        return train(
            objective,
            rows,
            labels,
            epochs=epochs,
            batch_size=8,
            checkpoint=checkpoint,
        )

    learn(2, tmp_path / "memory.pt")
    assert learn(4, tmp_path / "memory.pt") == learn(4)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rows": 0}, ValueError, "rows must be at least 1; got 0"),
        ({"columns": 2.5}, TypeError, "columns must be an integer"),
        ({"criterion": nn.MSELoss()}, TypeError, "criterion must be .*; got MSELoss"),
    ],
)
def test_bad_sizes_are_named(settings, error, message):
    with pytest.raises(error, match=message):
        new_memory(**settings)


def test_embeddings_of_another_width_are_named():
    with pytest.raises(ValueError, match="as many columns"):
        new_memory(columns=3)(rows_of(0, 4, 5), torch.arange(4))
