"""The plain loop: it learns, repeats and resumes exactly; errors name the epoch."""

import io
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader

from snnl_tutorial import (
    AnnealedTemperature,
    LayerwiseLoss,
    LayerwiseSoftNearestNeighborLoss,
    LearnedTemperature,
)
from snnl_tutorial.datasets.batches import ShuffledBatches
from snnl_tutorial.learning.models import Classifier
from snnl_tutorial.learning.objectives import METHODS, make_objective
from snnl_tutorial.learning.training import train
from tests.helpers import rows_of

ROOT = Path(__file__).parents[2]


def task(n=90):
    targets = torch.arange(n) % 3
    return torch.eye(3)[targets] * 2 + 0.3 * rows_of(0, n, 3), targets


def new_objective(factor=0.1, width=8, criterion=cross_entropy, **settings):
    torch.manual_seed(0)
    model = Classifier(3, 3, hidden_units=(width,))
    return LayerwiseSoftNearestNeighborLoss(
        model, criterion, factor, ["hidden.1"], **settings
    )


def noisy(rows, generator):
    return rows + 0.1 * torch.randn(rows.shape, generator=generator)


def same_weights(ours, theirs):
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    return all(torch.equal(mine, other) for mine, other in pairs)


# The loop ----------------------------------------------------------------------------


def test_it_learns_and_records_the_terms():
    rows, targets = task()
    objective, epochs = new_objective(), []
    history = train(
        objective,
        rows,
        targets,
        epochs=40,
        learning_rate=0.02,
        after_epoch=epochs.append,
    )
    assert epochs == list(range(1, 41))
    first, last = history[0], history[-1]
    assert last["primary"] < 0.2 * first["primary"]
    assert last["snn"] == pytest.approx(last["hidden.1"])
    assert last["total"] == pytest.approx(last["primary"] + 0.1 * last["snn"], rel=1e-5)
    assert (objective.model(rows).argmax(1) == targets).all()


def test_it_is_the_loop_that_one_would_write_by_hand():
    rows, targets = task(40)
    labels = targets.where(torch.arange(40) < 30, -100)
    objective, twin = new_objective(), new_objective()
    history = train(
        objective,
        rows,
        targets,
        labels,
        epochs=2,
        batch_size=16,
        learning_rate=0.01,
        seed=7,
        augment=noisy,
    )
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(7)
    for epoch in range(2):
        totals = []
        for batch in torch.randperm(40, generator=generator).split(16):
            x = noisy(rows[batch], generator)
            terms = twin(x, targets[batch], labels[batch])
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()
            totals.append(terms.total.item())
        assert history[epoch]["total"] == pytest.approx(sum(totals) / 3, rel=1e-6)
    assert same_weights(objective, twin)


def test_the_seed_decides_the_order():
    rows, targets = task()
    runs = [
        train(new_objective(), rows, targets, epochs=2, batch_size=16, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_temperatures_follow_the_epochs_or_learn():
    rows, targets = task()
    annealed = new_objective(temperature=AnnealedTemperature())
    history = train(annealed, rows, targets, epochs=3)
    want = [1.0, 2**-0.55, 3**-0.55]
    assert [record["temperature"] for record in history] == pytest.approx(want)
    learned = new_objective(temperature=LearnedTemperature(1.0))
    history = train(learned, rows, targets, epochs=3)
    assert history[-1]["temperature"] == learned.temperature().item() != 1.0


def test_a_look_after_an_epoch_does_not_end_the_training_mode():
    rows, targets = task()
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    objective = LayerwiseSoftNearestNeighborLoss(model, cross_entropy, 0.1, ["1"])
    model[2].eval()
    train(
        objective,
        rows,
        targets,
        epochs=3,
        batch_size=90,
        after_epoch=lambda epoch: model.eval(),
    )
    assert model[1].num_batches_tracked == 3
    assert model.training
    assert not model[2].training


# Any objective, any batches ----------------------------------------------------------


class MeanTerms(NamedTuple):
    total: Tensor
    by_column: dict[str, Tensor]
    outputs: Tensor


class Mean(nn.Module):
    """Learns the mean of the rows: no model inside, no labels, no temperature."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2))

    def forward(self, inputs, targets):
        by_column = (self.mean - inputs).square().mean(dim=0)
        first, second = by_column
        return MeanTerms(
            total=by_column.sum(),
            by_column={"first": first, "second": second},
            outputs=self.mean.expand(len(inputs), 2),
        )


def test_it_trains_any_module_with_named_terms():
    rows, objective = rows_of(0, 50, 2) + 1, Mean()
    history = train(objective, rows, rows, epochs=200, learning_rate=0.05)
    assert torch.allclose(objective.mean, rows.mean(dim=0), atol=1e-3)
    assert list(history[-1]) == ["epoch", "total", "first", "second"]
    assert history[-1]["first"] == pytest.approx(rows[:, 0].var(correction=0).item())


def test_it_trains_a_layerwise_loss_with_any_auxiliary():
    rows, targets = task()
    torch.manual_seed(0)
    model = Classifier(3, 3, hidden_units=(8,))
    objective = LayerwiseLoss(
        model,
        cross_entropy,
        auxiliary=lambda rows, labels: rows.square().mean(),
        factor=10.0,
        layers=["hidden.1"],
    )
    history = train(objective, rows, targets, epochs=30, learning_rate=0.02)
    assert "temperature" not in history[0]
    assert history[-1]["auxiliary"] < 0.5 * history[0]["auxiliary"]


@pytest.mark.parametrize("kind", [torch.tensor, list])
def test_batches_decide_which_rows_count(kind):
    rows, objective = rows_of(0, 50, 2), Mean()
    batches = [kind([0, 3]), kind([0, 3, 4, 4])]
    train(objective, rows, rows, epochs=300, batches=batches, learning_rate=0.02)
    one, two = rows[[0, 3]].mean(dim=0), rows[[0, 3, 4, 4]].mean(dim=0)
    assert torch.allclose(objective.mean, (one + two) / 2, atol=0.05)


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        (iter([torch.arange(3)]), TypeError, "batches must start anew.*an iterator"),
        ([], ValueError, "batches must yield at least one batch; epoch 0 has none"),
    ],
)
def test_batches_that_do_not_last_are_refused(batches, error, message):
    rows, targets = task()
    with pytest.raises(error, match=message):
        train(new_objective(), rows, targets, epochs=2, batches=batches)


# Errors ------------------------------------------------------------------------------


def nan_loss(outputs, targets):
    return outputs.sum() * torch.nan


def test_a_loader_without_a_generator_of_its_own_has_a_checkpoint(tmp_path):
    rows, targets = task()
    loader = DataLoader(range(90), batch_size=30)
    ends = []
    for stops in ([4], [2, 4]):
        objective = new_objective()
        for epochs in stops:
            train(
                objective,
                rows,
                targets,
                epochs=epochs,
                batches=loader,
                augment=noisy,
                checkpoint=tmp_path / f"{len(stops)}.pt",
            )
        ends.append(objective)
    assert same_weights(*ends)


@pytest.mark.parametrize("empty", [[], torch.empty(0, dtype=torch.long)])
def test_an_empty_batch_is_named(empty):
    rows, targets = task()
    batches = [torch.arange(30), empty]
    with pytest.raises(ValueError, match="batches must not be empty; epoch 0"):
        train(new_objective(), rows, targets, epochs=1, batches=batches)


@pytest.mark.parametrize("name", ["total", "primary", "epoch", "temperature"])
def test_a_layer_with_the_name_of_a_term_is_refused(name):
    rows, targets = task()
    model = nn.Sequential()
    model.add_module(name, nn.Linear(3, 3))
    objective = LayerwiseSoftNearestNeighborLoss(model, cross_entropy, factor=0.1)
    with pytest.raises(ValueError, match=f"the name '{name}' of a layer"):
        train(objective, rows, targets, epochs=1)


def test_terms_that_change_from_step_to_step_are_named():
    class Terms(NamedTuple):
        total: Tensor
        parts: dict[str, Tensor]

    class Sometimes(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.steps = nn.Parameter(torch.ones(3)), 0

        def forward(self, inputs, targets):
            self.steps += 1
            total = (inputs * self.weight).square().mean()
            return Terms(total, {"odd": total} if self.steps % 2 else {})

    rows, targets = task()
    with pytest.raises(ValueError, match=r"same in all steps.*'odd', 'total'"):
        train(Sometimes(), rows, targets, epochs=1, batch_size=30)


def test_a_loss_that_is_not_finite_stops_the_training():
    rows, targets = task()
    with pytest.raises(ValueError, match="loss is nan in epoch 0"):
        train(new_objective(criterion=nan_loss), rows, targets, epochs=3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", ["small", "convolutional"])
def test_divergence_is_reported_with_its_epoch(method, network):
    torch.manual_seed(0)
    images, labels = torch.rand(60, 28, 28), torch.arange(60) % 3
    objective = make_objective(method, network, temperature=0.1, classes=3)
    targets = labels if method.startswith("classifier") else images
    with pytest.raises(ValueError, match=r"in epoch \d"):
        train(
            objective,
            images,
            targets,
            labels,
            epochs=9,
            batch_size=20,
            learning_rate=1e30,
        )


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"inputs": torch.zeros(0, 3)}, ValueError, "inputs.*at least one row"),
        ({"targets": torch.arange(80)}, ValueError, "targets must.*90 inputs; got 80"),
        ({"labels": torch.arange(91)}, ValueError, "labels must.*90 inputs; got 91"),
        ({"epochs": 1.5}, TypeError, "epochs must be an integer; got float"),
        ({"epochs": -1}, ValueError, "epochs must be at least 0; got -1"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1; got 0"),
        ({"batches": [[0]], "batch_size": "8"}, TypeError, "batch_size must be an int"),
        ({"batches": [[0]], "seed": None}, TypeError, "seed must be an integer"),
        ({"learning_rate": -1}, ValueError, "learning_rate must be at least 0.*got -1"),
        ({"learning_rate": torch.nan}, ValueError, "learning_rate .*finite; got nan"),
        ({"learning_rate": "0.1"}, TypeError, "learning_rate must be a number"),
        ({"inputs": [[1.0]]}, TypeError, "inputs must be .*Tensor; got list"),
        ({"inputs": torch.tensor(1)}, ValueError, "inputs must have rows; got a 0-d"),
        ({"targets": {"classes": 1}}, TypeError, "targets must be .*Tensor; got dict"),
        ({"targets": np.arange(90)}, TypeError, "targets must be .*; got ndarray"),
        ({"targets": None}, TypeError, "targets must be .*Tensor; got NoneType"),
        ({"labels": [0] * 90}, TypeError, "labels must be .*Tensor.*; got list"),
        ({"batches": 8}, TypeError, "batches must be .*Iterable.*; got int"),
        ({"augment": "shift"}, TypeError, "augment must be .*Callable.*; got str"),
        ({"after_epoch": 1}, TypeError, "after_epoch must be .*Callable.*; got int"),
        ({"checkpoint": 1}, TypeError, "checkpoint must be .*PathLike.*; got int"),
        ({"objective": cross_entropy}, TypeError, "objective must be .*Module; got f"),
    ],
)
def test_bad_arguments_are_named_before_any_work(settings, error, message):
    rows, targets = task()
    objective = new_objective()
    everything = {"objective": objective, "inputs": rows, "targets": targets}
    with pytest.raises(error, match=message):
        train(**everything | {"epochs": 1} | settings)
    assert same_weights(objective, new_objective())


def test_numbers_of_numpy_and_paths_as_text_are_those_of_python(tmp_path):
    rows, targets = task()
    path = tmp_path / "a.pt"
    plain = {"epochs": 1, "batch_size": 30, "learning_rate": 0.5, "seed": 1}
    kinds = {"epochs": np.uint8, "batch_size": np.int32, "seed": np.int64}
    kinds["learning_rate"] = np.float32
    given = {name: kinds[name](value) for name, value in plain.items()}
    objective, same = new_objective(), new_objective()
    history = train(objective, rows, targets, **plain, checkpoint=path)
    assert train(same, rows, targets, **given) == history
    assert same_weights(objective, same)
    text = {"checkpoint": str(path)}  # resumes, and so has nothing to do
    assert train(new_objective(), rows, targets, **given, **text) == history


def test_a_last_batch_is_never_one_row_which_batch_norm_refuses():
    rows, targets = task(91)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    objective = LayerwiseSoftNearestNeighborLoss(model, cross_entropy, 0.1, ["1"])
    train(objective, rows, targets, epochs=2, batch_size=30)
    assert model[1].num_batches_tracked == 2 * 3


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stderr", "verbose", "shown"),
    [(Terminal, True, True), (Terminal, False, False), (io.StringIO, True, False)],
)
def test_the_progress_bar_is_for_terminals_and_can_be_switched_off(
    stderr, verbose, shown, monkeypatch
):
    rows, targets = task()
    monkeypatch.setattr(sys, "stderr", stderr())
    train(new_objective(), rows, targets, epochs=2, verbose=verbose)
    assert ("training" in sys.stderr.getvalue()) == shown


# Checkpoints -------------------------------------------------------------------------


class Halves:
    """Batches of one random half of the rows."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(5)

    def __iter__(self):
        order = torch.randperm(90, generator=self.generator)
        return iter(order[:45].split(10))


class Stop(Exception):
    pass


@pytest.mark.parametrize("batches", [ShuffledBatches, Halves])
def test_a_training_interrupted_within_an_epoch_resumes_to_the_same_weights(
    tmp_path, batches
):
    rows, targets = task()
    path = tmp_path / "runs" / "part.pt"

    def run(objective, steps=None, **settings):
        def augment(batch, generator):
            nonlocal steps
            steps = steps and steps - 1
            if steps == 0:
                raise Stop
            return noisy(batch, generator)

        chosen = (
            ShuffledBatches(90, 16, seed=3) if batches is ShuffledBatches else Halves()
        )
        return train(
            objective,
            rows,
            targets,
            epochs=5,
            batches=chosen,
            augment=augment,
            **settings,
        )

    def new():
        objective = new_objective(temperature=LearnedTemperature(1.0))
        objective.model.hidden.append(nn.Dropout(0.3))
        return objective

    whole, resumed, finished = new(), new(), []
    history = run(whole)
    with pytest.raises(Stop):
        run(new(), steps=14, checkpoint=path)  # in the third epoch
    torch.manual_seed(123)  # another process has another state
    again = run(resumed, checkpoint=path, after_epoch=finished.append)
    assert finished == [3, 4, 5]
    assert again == history
    assert same_weights(resumed, whole)
    assert [file.name for file in tmp_path.rglob("*.*")] == ["part.pt"]


SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
from snnl_tutorial.datasets.augmentation import shift
from snnl_tutorial.learning.objectives import make_objective
from snnl_tutorial.learning.training import train

def run(path, killed_at=None):  # killed in that batch
    torch.manual_seed(0)
    images, labels = torch.rand(40, 28, 28), torch.arange(40) % 3
    objective = make_objective("snnl-layers", "convolutional", temperature="learned")
    seen = 0

    def augment(batch, generator):
        nonlocal seen
        if seen == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1
        return shift(batch, generator)

    history = train(
        objective, images, images, labels,
        epochs=3, batch_size=20, augment=augment, checkpoint=path,
    )
    return history, objective.state_dict(), seen
"""


def test_a_killed_training_ends_with_the_same_weights(tmp_path):
    path = tmp_path / "killed"
    kill = f"{SCRIPT}\nrun(Path(sys.argv[1]), killed_at=3)"  # in the second epoch
    command = [sys.executable, "-c", kill, str(path)]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    names = {}
    exec(SCRIPT, names)
    history, weights, all_batches = names["run"](None)
    again, resumed, remaining = names["run"](path)
    assert (all_batches, remaining) == (6, 4)
    assert again == history
    assert all(torch.equal(resumed[name], weights[name]) for name in weights)


def square_distance(rows, others):
    return torch.cdist(rows, others).square()


class Criterion:
    def __call__(self, outputs, targets):
        return cross_entropy(outputs, targets)


def test_a_checkpoint_does_not_depend_on_addresses_in_memory(tmp_path):
    rows, targets = task()
    path, first, second = tmp_path / "a.pt", Criterion(), Criterion()
    assert repr(first) != repr(second)
    train(new_objective(criterion=first), rows, targets, epochs=1, checkpoint=path)
    again = new_objective(criterion=second)
    assert len(train(again, rows, targets, epochs=2, checkpoint=path)) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "with .*seed=0.*; got .*seed=1"),
        ({"batch_size": 30}, "with .*batch_size=256.*; got .*batch_size=30"),
        ({"batches": [torch.arange(9)]}, r"with .*ShuffledBatches.*; got .*\[tensor"),
        ({"learning_rate": 0.1}, "with learning_rate=0.001; got learning_rate=0.1"),
        ({"inputs": task()[0] + 1}, r"with data=\[.*; got data="),
        ({"targets": 2 - task()[1]}, r"with data=\[.*; got data="),
        ({"inputs": task()[0][:, :, None]}, r"with .*\(90, 3\).*; got .*\(90, 3, 1\)"),
        ({"augment": noisy}, "with augment=None; got augment=<function noisy>"),
        ({"epochs": 1}, "a.pt has 2 epochs; got epochs=1"),
    ],
)
def test_a_checkpoint_of_other_data_or_settings_is_refused(tmp_path, changes, words):
    rows, targets = task()
    path = tmp_path / "a.pt"
    settings = {"inputs": rows, "targets": targets, "epochs": 2, "checkpoint": path}
    train(new_objective(), **settings)
    with pytest.raises(ValueError, match=f"checkpoint: .*{words}"):
        train(new_objective(), **settings | {"epochs": 3} | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"factor": 0.2}, "with factor=0.1, .*; got factor=0.2"),
        ({"criterion": mse_loss}, "with .*cross_entropy.*; got .*mse_loss"),
        ({"units": 2}, "with .*units=None.*; got .*units=2"),
        (
            {"distance": "sqeuclidean", "temperature": 0.1},
            "with .*'cosine'.*; got .*'sqeuclidean'",
        ),
        (
            {"distance": square_distance, "temperature": 0.1},
            "with .*'cosine'.*; got .*square_distance",
        ),
        ({"singletons": "raise"}, "with .*'exclude'.*; got .*'raise'"),
        ({"temperature": 0.9}, r"with .*\(0.1\); got .*ConstantTemp.*\(0.9\)"),
        ({"temperature": AnnealedTemperature()}, r"with .*\(0.1\); got .*AnnealedTemp"),
        ({"temperature": LearnedTemperature()}, r"with .*\(0.1\); got .*LearnedTemp"),
        ({"width": 9}, "with .*out_features=8.*; got .*out_features=9"),
    ],
)
def test_a_checkpoint_of_another_objective_is_refused(tmp_path, changes, words):
    rows, targets = task()
    path = tmp_path / "a.pt"
    train(new_objective(), rows, targets, epochs=1, checkpoint=path)
    with pytest.raises(ValueError, match=f"belongs to a training {words}"):
        train(new_objective(**changes), rows, targets, epochs=2, checkpoint=path)


def stored(path):
    """A checkpoint of one epoch, and how to go on from it."""
    rows, targets = task()
    train(new_objective(), rows, targets, epochs=1, checkpoint=path)
    return lambda objective: train(objective, rows, targets, epochs=2, checkpoint=path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: b"no checkpoint",
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"factor=0.1", b"factor=0.2"),
        lambda content: content[content.index(b"PK") :],  # what torch.save wrote
    ],
    ids=["empty", "other", "shorter", "longer", "half", "edited", "of torch"],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, change):
    path = tmp_path / "a.pt"
    resume = stored(path)
    content = change(path.read_bytes())
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint: .*a\.pt cannot be used:.*it is"):
        resume(new_objective())
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [{}, [1], {"settings": 3}, torch.ones(3)])
def test_another_file_of_torch_is_refused(tmp_path, content):
    rows, targets = task()
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt cannot be used: .* no checkpoint"):
        train(new_objective(), rows, targets, epochs=1, checkpoint=tmp_path / "a.pt")


def test_no_flipped_bit_passes(tmp_path):
    path = tmp_path / "a.pt"
    resume = stored(path)
    content, objective = path.read_bytes(), new_objective()
    positions = np.random.default_rng(0).integers(8 * len(content), size=300)
    for position in positions.tolist():
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"a\.pt cannot be used: .*it is"):
            resume(objective)
    assert same_weights(objective, new_objective())


@pytest.mark.parametrize("name", [".", "file/a.pt"])
def test_a_place_where_no_checkpoint_can_be_is_named_before_the_training(
    tmp_path, name
):
    rows, targets = task()
    (tmp_path / "file").touch()
    objective = new_objective()
    with pytest.raises(ValueError, match="checkpoint: .* cannot be used: .*Error"):
        train(objective, rows, targets, epochs=1, checkpoint=tmp_path / name)
    assert same_weights(objective, new_objective())


class Shift(nn.Module):
    """Prints the same whatever its shapes."""

    def __init__(self, width):
        super().__init__()
        self.first, self.second = (
            nn.Parameter(torch.full((n,), 1.0 * width)) for n in (1, width)
        )

    def forward(self, inputs, targets):
        total = (inputs + self.first).square().mean() + self.second.square().mean()
        return NamedTuple("Terms", [("total", Tensor)])(total)


def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path):
    rows, targets = task()
    settings = {"epochs": 1, "checkpoint": tmp_path / "a.pt"}
    train(Shift(width=2), rows, targets, **settings)
    objective, draws = Shift(width=3), torch.get_rng_state()
    with pytest.raises(ValueError, match=r"a\.pt does not fit .*size mismatch"):
        train(objective, rows, targets, **settings)
    assert same_weights(objective, Shift(width=3))
    assert torch.equal(torch.get_rng_state(), draws)


def test_a_full_disk_is_named_and_leaves_the_old_checkpoint(tmp_path):
    rows, targets = task()
    path = tmp_path / "a.pt"

    def run(epochs):
        objective = new_objective(width=5000)
        return train(objective, rows, targets, epochs=epochs, checkpoint=path)

    history, content = run(epochs=1), path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            run(epochs=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == ["a.pt"]
    assert run(epochs=1) == history


def test_a_loss_that_fails_leaves_the_checkpoint_of_the_epoch_before(tmp_path):
    rows, targets = task()
    path = tmp_path / "a.pt"
    objective = new_objective()

    def spoil(epochs):
        if epochs == 2:
            objective.model.output.weight.data.fill_(torch.nan)

    with pytest.raises(ValueError, match="loss is nan in epoch 2"):
        train(objective, rows, targets, epochs=4, checkpoint=path, after_epoch=spoil)
    history = train(new_objective(), rows, targets, epochs=2, checkpoint=path)
    assert [record["epoch"] for record in history] == [0, 1]
    assert all(torch.tensor(record["total"]).isfinite() for record in history)
