"""The plain loop: it learns, it is repeatable, it tells when it fails."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from snnl_tutorial import (
    AnnealedTemperature,
    LayerwiseSoftNearestNeighborLoss,
    LearnedTemperature,
)
from snnl_tutorial.experiment.models import Classifier
from snnl_tutorial.experiment.training import train
from tests.loss.test_distance import rows_of


def task(n=90):
    targets = torch.arange(n) % 3
    return torch.eye(3)[targets] * 2 + 0.3 * rows_of(0, n, 3), targets


def objective_of(factor=0.1, **settings):
    torch.manual_seed(0)
    model = Classifier(3, 3, hidden_units=(8,))
    return LayerwiseSoftNearestNeighborLoss(
        *(model, cross_entropy, factor, ["hidden.1"]), **settings
    )


def test_it_learns_and_tells_the_terms():
    rows, targets = task()
    objective = objective_of()
    done = []
    history = train(
        objective, rows, targets, epochs=40, learning_rate=0.02, after_epoch=done.append
    )
    assert done == list(range(1, 41))
    first, last = history[0], history[-1]
    assert last["primary"] < 0.2 * first["primary"]
    assert last["snn"] == pytest.approx(last["hidden.1"])
    assert last["total"] == pytest.approx(last["primary"] + 0.1 * last["snn"], rel=1e-5)
    assert (objective.model(rows).argmax(1) == targets).all()


def test_one_step_is_one_adam_step_on_the_total():
    rows, targets = task(6)
    objective, twin = objective_of(), objective_of()
    train(objective, rows, targets, epochs=1, learning_rate=0.01)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01)
    twin(rows, targets).total.backward()
    optimizer.step()
    pairs = zip(objective.parameters(), twin.parameters(), strict=True)
    assert all(torch.allclose(ours, theirs, atol=1e-6) for ours, theirs in pairs)


def test_the_seed_decides_the_order():
    rows, targets = task()
    runs = [
        train(objective_of(), rows, targets, epochs=2, batch_size=16, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_temperatures_are_told_the_epoch_or_learn():
    rows, targets = task()
    annealed = objective_of(temperature=AnnealedTemperature())
    history = train(annealed, rows, targets, epochs=3)
    want = [1.0, 2**-0.55, 3**-0.55]
    assert [record["temperature"] for record in history] == pytest.approx(want)
    learned = objective_of(temperature=LearnedTemperature(1.0))
    history = train(learned, rows, targets, epochs=3)
    assert history[-1]["temperature"] != 1.0


def test_unlabeled_rows_are_left_to_the_criterion():
    rows, _ = task()
    labels = torch.full((90,), -100)
    torch.manual_seed(0)
    objective = LayerwiseSoftNearestNeighborLoss(
        nn.Linear(3, 3), nn.functional.mse_loss, factor=1.0
    )
    history = train(objective, rows, rows, labels, epochs=2)
    assert history[-1]["snn"] == 0
    assert history[-1]["primary"] > 0


def test_a_loss_that_is_not_finite_stops_the_training():
    rows, targets = task()
    objective = objective_of()
    objective.criterion = lambda outputs, targets: outputs.sum() * torch.nan
    with pytest.raises(ValueError, match="loss is nan in epoch 0"):
        train(objective, rows, targets, epochs=3)


def test_no_rows():
    with pytest.raises(ValueError, match="inputs.*at least one row"):
        train(objective_of(), torch.zeros(0, 3), torch.zeros(0).long(), epochs=1)
