"""The plain loop: it learns, it is repeatable, it tells when it fails."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from snnl_tutorial import (
    AnnealedTemperature,
    LayerwiseSoftNearestNeighborLoss,
    LearnedTemperature,
)
from snnl_tutorial.learning.models import Autoencoder, Classifier
from snnl_tutorial.learning.objectives import METHODS, make_objective
from snnl_tutorial.learning.training import train
from tests.loss.test_distance import rows_of

ROOT = Path(__file__).parents[2]


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


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", ["small", "convolutional"])
def test_a_step_that_is_far_too_large_is_told_with_its_epoch(method, network):
    torch.manual_seed(0)
    images, labels = torch.rand(60, 28, 28), torch.arange(60) % 3
    objective = make_objective(method, network, temperature=0.1, classes=3)
    targets = labels if "class" in method else images
    with pytest.raises(ValueError, match=r"in epoch \d"):
        train(
            *(objective, images, targets, labels),
            epochs=9,
            batch_size=20,
            learning_rate=1e30,
        )


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


def square_distance(rows, others):
    return torch.cdist(rows, others).square()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"distance": "sqeuclidean"}, "'loss': .*sqeuclidean"),
        ({"distance": square_distance}, "'loss': .*square_distance"),
        ({"layer_reduction": "min"}, "'layer_reduction': 'min'"),
        ({"layer_weights": {"hidden.1": 9.0}}, "'layer_weights': .*9.0"),
        ({"units": 2}, "'units': '2'"),
        ({"singletons": "raise"}, "'loss': .*raise"),
    ],
)
def test_a_checkpoint_of_another_objective_is_refused(tmp_path, settings, words):
    rows, targets = task()
    path = tmp_path / "a.pt"
    train(objective_of(), rows, targets, epochs=1, checkpoint=path)
    with pytest.raises(ValueError, match=f"got .*{words}"):
        train(objective_of(**settings), rows, targets, epochs=2, checkpoint=path)


def test_a_checkpoint_of_other_data_or_of_more_epochs_is_refused(tmp_path):
    rows, targets = task()
    path = tmp_path / "a.pt"
    train(objective_of(), rows, targets, epochs=2, checkpoint=path)
    for other in ((rows + 1, targets), (rows, 2 - targets)):
        with pytest.raises(ValueError, match=r"belongs .*'data'"):
            train(objective_of(), *other, epochs=3, checkpoint=path)
    with pytest.raises(ValueError, match=r"a.pt has 2 epochs; got epochs=1"):
        train(objective_of(), rows, targets, epochs=1, checkpoint=path)


def test_a_look_after_an_epoch_does_not_end_the_training_mode():
    rows, targets = task()
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    objective = LayerwiseSoftNearestNeighborLoss(model, cross_entropy, 0.1, ["1"])
    model[2].eval()
    train(
        *(objective, rows, targets),
        epochs=3,
        batch_size=90,
        after_epoch=lambda done: model.eval(),
    )
    assert model[1].num_batches_tracked == 3
    assert model.training
    assert not model[2].training


def test_a_checkpoint_of_another_temperature_or_network_is_refused(tmp_path):
    rows, targets = task()
    path = tmp_path / "a.pt"
    train(objective_of(temperature=0.1), rows, targets, epochs=1, checkpoint=path)
    for other in (0.9, AnnealedTemperature(), LearnedTemperature(0.1)):
        objective = objective_of(temperature=other)
        with pytest.raises(ValueError, match=r"belongs .*ConstantTemperature\(0.1\)"):
            train(objective, rows, targets, epochs=2, checkpoint=path)
    wide = LayerwiseSoftNearestNeighborLoss(
        *(Classifier(3, 3, hidden_units=(9,)), cross_entropy, 0.1, ["hidden.1"]),
        temperature=0.1,
    )
    with pytest.raises(ValueError, match=r"a.pt does not fit this training: .*size"):
        train(wide, rows, targets, epochs=2, checkpoint=path)
    content = torch.load(path, weights_only=True)
    del content["generator"]
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"a.pt does not fit .*generator"):
        train(
            *(objective_of(temperature=0.1), rows, targets), epochs=2, checkpoint=path
        )


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from snnl_tutorial.datasets.augmentation import shift
from snnl_tutorial.learning.objectives import make_objective
from snnl_tutorial.learning.training import train

path, moment = Path(sys.argv[1]), int(sys.argv[2])  # counted in batches
torch.manual_seed(0)
images, labels = torch.rand(40, 28, 28), torch.arange(40) % 3
objective = make_objective("snnl-layers", "convolutional", temperature="learned")
seen = 0


def killing(batch, generator):
    global seen
    if seen == moment:
        os.kill(os.getpid(), signal.SIGKILL)
    seen += 1
    return shift(batch, generator)


history = train(
    *(objective, images, images, labels),
    epochs=3,
    batch_size=20,
    augment=killing,
    checkpoint=path,
)
torch.save([history, objective.state_dict()], path.with_suffix(".end"))
"""


def test_killed_in_any_epoch_it_ends_with_the_same_weights(tmp_path):
    def run(path, moment):
        command = [sys.executable, "-c", KILLED, str(path), str(moment)]
        return subprocess.run(command, cwd=ROOT, capture_output=True).returncode

    def end(path):
        return torch.load(path.with_suffix(".end"), weights_only=True)

    whole = tmp_path / "whole"
    assert run(whole, -1) == 0
    history, weights = end(whole)
    # In the first epoch, at the begin and in the middle of the second, in the third.
    for moment in (1, 2, 3, 5):
        path = tmp_path / f"killed-{moment}"
        assert run(path, moment) == -signal.SIGKILL
        assert path.exists() == (moment >= 2)
        assert run(path, -1) == 0
        again, resumed = end(path)
        assert again == history
        assert all(torch.equal(resumed[name], weights[name]) for name in weights)


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
