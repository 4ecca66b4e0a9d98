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
from snnl_tutorial.experiment.models import Autoencoder, Classifier
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


def noisy(rows, generator):
    return rows + 0.1 * torch.randn(rows.shape, generator=generator)


class Stop(Exception):
    pass


@pytest.mark.parametrize("stopped_after", [1, 3])
def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path, stopped_after):
    rows, targets = task()
    settings = {"epochs": 5, "batch_size": 16, "augment": noisy}

    def new():
        objective = objective_of(temperature=LearnedTemperature(1.0))
        objective.model.hidden.append(nn.Dropout(0.3))
        return objective

    def stop(done):
        if done == stopped_after:
            raise Stop

    whole = new()
    history = train(whole, rows, targets, **settings)
    part, path = new(), tmp_path / "runs" / "part.pt"
    with pytest.raises(Stop):
        train(part, rows, targets, checkpoint=path, after_epoch=stop, **settings)
    resumed, epochs = new(), []
    torch.manual_seed(123)  # another process would have drawn something else
    got = train(
        *(resumed, rows, targets),
        checkpoint=path,
        after_epoch=epochs.append,
        **settings,
    )
    assert got == history
    assert epochs == list(range(stopped_after + 1, 6))
    for mine, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert not list(tmp_path.rglob("*.part"))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    rows, targets = task()
    path = tmp_path / "a.pt"
    train(objective_of(), rows, targets, epochs=1, checkpoint=path)
    with pytest.raises(ValueError, match=r"checkpoint: .*a.pt belongs .*'seed': 0"):
        train(objective_of(), rows, targets, epochs=2, seed=1, checkpoint=path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=r"checkpoint: .*a.pt is no checkpoint"):
        train(objective_of(), rows, targets, epochs=2, checkpoint=path)


def test_a_loss_that_fails_leaves_the_checkpoint_of_the_epoch_before(tmp_path):
    rows, targets = task()
    path = tmp_path / "a.pt"
    objective = objective_of()

    def spoil(done):
        if done == 2:
            objective.model.output.weight.data.fill_(torch.nan)

    with pytest.raises(ValueError, match="loss is nan in epoch 2"):
        train(objective, rows, targets, epochs=4, checkpoint=path, after_epoch=spoil)
    history = torch.load(path, weights_only=True)["history"]
    assert [record["epoch"] for record in history] == [0, 1]


def test_autocast_trains_in_bfloat16():
    rows, targets = task()
    dtypes = []
    objective = objective_of()
    objective.model.output.register_forward_hook(
        lambda module, inputs, output: dtypes.append(output.dtype)
    )
    history = train(
        objective, rows, targets, epochs=30, learning_rate=0.02, autocast=True
    )
    assert set(dtypes) == {torch.bfloat16}
    assert history[-1]["primary"] < 0.3 * history[0]["primary"]


def test_an_autoencoder_learns_from_all_rows_and_disentangles_the_labeled():
    rows, targets = task()
    rows = rows.sigmoid()
    labels = targets.where(torch.arange(90) < 45, -100)
    torch.manual_seed(0)
    model = Autoencoder(3, 2, hidden_units=(16,))
    objective = LayerwiseSoftNearestNeighborLoss(
        *(model, nn.functional.binary_cross_entropy, 1.0, [model.code_layer]),
        temperature=0.1,
    )
    history = train(objective, rows, rows, labels, epochs=60, learning_rate=0.01)
    assert history[-1]["primary"] < history[0]["primary"]
    assert history[-1]["snn"] < 0.5 * history[0]["snn"]
