"""The layer sum: rows of every layer, primary plus factor times the layers' losses."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from snnl_tutorial import (
    AnnealedTemperature,
    LayerwiseLoss,
    LayerwiseSoftNearestNeighborLoss,
    LearnedTemperature,
    record_activations,
    soft_nearest_neighbor_loss,
)
from tests.helpers import rows_of

LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


def network(inplace=False):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(inplace=inplace), nn.Dropout(0.0), nn.Linear(8, 3)
    )


def layer_losses(model, x, labels, temperature=0.1):
    """The loss of each layer, without hooks."""
    hidden = model[0](x)
    rows = {"0": hidden, "1": hidden.relu(), "3": model(x)}
    return {
        name: soft_nearest_neighbor_loss(h, labels, temperature=temperature)
        for name, h in rows.items()
    }


def spread(rows, labels):
    """An auxiliary loss by hand: the variance of the labeled rows."""
    return rows[labels >= 0].var(dim=0).sum()


# Recording ---------------------------------------------------------------------------


def test_activations_are_rows():
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(108, 1), Squeeze()
    )
    images = rows_of(0, 5, 64).view(5, 1, 8, 8)
    with record_activations(model) as activations:
        outputs = model(images)
    shapes = {name: tuple(rows.shape) for name, rows in activations.items()}
    assert shapes == {"0": (5, 108), "2": (5, 1), "3": (5, 1)}
    assert torch.equal(activations["0"], model[0](images).flatten(1))
    assert torch.equal(activations["3"][:, 0], outputs)


class Squeeze(nn.Module):
    def forward(self, x):
        return x[:, 0]


# The sum -----------------------------------------------------------------------------


def test_primary_plus_factor_times_the_sum():
    model, x = network(inplace=True), rows_of(0, 6, 4)
    objective = LayerwiseSoftNearestNeighborLoss(model, cross_entropy, factor=0.3)
    terms = objective(x, LABELS)
    assert terms._fields == ("total", "primary", "snn", "per_layer", "outputs")
    twin = network()
    losses = layer_losses(twin, x, LABELS)
    primary = cross_entropy(twin(x), LABELS)
    assert list(terms.per_layer) == list(losses)
    for name, loss in losses.items():
        assert terms.per_layer[name].item() == pytest.approx(loss.item(), rel=1e-6)
    assert terms.snn.item() == pytest.approx(sum(losses.values()).item(), rel=1e-6)
    assert terms.auxiliary is terms.snn
    assert terms.primary.item() == pytest.approx(primary.item(), rel=1e-6)
    want = primary + 0.3 * sum(losses.values())
    assert terms.total.item() == pytest.approx(want.item(), rel=1e-6)
    assert torch.equal(terms.outputs, model(x))
    (got,) = torch.autograd.grad(terms.total, model[0].weight)
    (expected,) = torch.autograd.grad(want, twin[0].weight)
    assert torch.allclose(got, expected, atol=1e-6)


def test_any_loss_of_rows_and_labels_can_be_the_auxiliary():
    model, x = network(), rows_of(0, 6, 4)
    labels = torch.tensor([0, 0, 1, -100, 2, 2])
    objective = LayerwiseLoss(model, mse_loss, spread, 0.3, layers=["1", "3"])
    terms = objective(x, torch.zeros(6, 3), labels)
    want = {"1": spread(model[0](x).relu(), labels), "3": spread(model(x), labels)}
    assert {n: v.item() for n, v in terms.per_layer.items()} == pytest.approx(
        {n: v.item() for n, v in want.items()}
    )
    assert terms.auxiliary.item() == pytest.approx(sum(want.values()).item())
    total = mse_loss(model(x), torch.zeros(6, 3)) + 0.3 * sum(want.values())
    assert terms.total.item() == pytest.approx(total.item())
    objective.set_epoch(3)  # there is no temperature to tell
    assert objective.temperature is None


@pytest.mark.parametrize("units", [2, {"1": 2}])
def test_units_slice_the_columns(units):
    model, x = network(), rows_of(0, 6, 4)
    objective = LayerwiseSoftNearestNeighborLoss(
        model, cross_entropy, 1.0, ["1", "3"], units=units
    )
    terms = objective(x, LABELS)
    hidden = model[0](x).relu()
    want = soft_nearest_neighbor_loss(hidden[:, :2], LABELS).item()
    assert terms.per_layer["1"].item() == pytest.approx(want, rel=1e-6)
    outputs = model(x)[:, :2] if units == 2 else model(x)
    want = soft_nearest_neighbor_loss(outputs, LABELS).item()
    assert terms.per_layer["3"].item() == pytest.approx(want, rel=1e-6)


def test_an_autoencoder_takes_images_as_targets_and_labels_apart():
    model = nn.Sequential(nn.Linear(4, 2), nn.Sigmoid(), nn.Linear(2, 4))
    x = rows_of(0, 6, 4)
    objective = LayerwiseSoftNearestNeighborLoss(model, mse_loss, 1.0, ["1"])
    labels = torch.tensor([0, 0, 1, 1, -100, -100])
    terms = objective(x, x, labels)
    code = model[1](model[0](x))
    want = soft_nearest_neighbor_loss(code[:4], labels[:4])
    assert terms.snn.item() == pytest.approx(want.item(), rel=1e-6)
    assert terms.primary.item() == pytest.approx(mse_loss(model(x), x).item(), rel=1e-6)
    with pytest.raises(TypeError, match="labels must be given.*float32"):
        objective(x, x)


@pytest.mark.parametrize(
    "targets", [(1, 2), {"classes": LABELS}, [0] * 6, None, LABELS.numpy()]
)
def test_a_criterion_takes_any_targets_with_labels_apart(targets):
    model, x = network(), rows_of(0, 6, 4)
    objective = LayerwiseSoftNearestNeighborLoss(
        model, lambda outputs, given: outputs.sum() * (given is targets), 1.0, ["1"]
    )
    assert objective(x, targets, LABELS).primary.item() == model(x).sum().item()
    with pytest.raises(TypeError, match=r"labels must be given.*got targets of \w+ "):
        objective(x, targets)


def test_the_settings_and_the_epoch_reach_the_loss():
    model, x = network(), rows_of(0, 6, 4)
    labels = torch.tensor([0, 0, 1, 1, 2, 9])
    objective = LayerwiseSoftNearestNeighborLoss(
        model,
        lambda outputs, targets: outputs.mean(),
        1.0,
        ["1"],
        temperature=AnnealedTemperature(eta=4.0),
        distance="sqeuclidean",
        ignore_index=9,
    )
    for epoch in (0, 5):
        objective.set_epoch(epoch)
        want = soft_nearest_neighbor_loss(
            model[0](x).relu(),
            labels,
            temperature=(4.0 + epoch) ** -0.55,
            distance="sqeuclidean",
            ignore_index=9,
        )
        assert objective(x, labels).snn.item() == pytest.approx(want.item(), rel=1e-5)


def test_parameters_are_the_models_and_the_temperatures():
    model = network()
    objective = LayerwiseSoftNearestNeighborLoss(
        model, cross_entropy, 1.0, temperature=LearnedTemperature()
    )
    assert len(list(objective.parameters())) == len(list(model.parameters())) + 1
    x = rows_of(0, 6, 4)
    twins = [copy.deepcopy(objective), pickle.loads(pickle.dumps(objective))]
    for twin in twins:
        assert twin(x, LABELS).total.item() == objective(x, LABELS).total.item()


def test_a_layer_named_twice_counts_once():
    objective = LayerwiseSoftNearestNeighborLoss(
        network(), cross_entropy, 1.0, iter(["1", "1"])
    )
    for _ in range(2):
        assert list(objective(rows_of(0, 6, 4), LABELS).per_layer) == ["1"]


def test_printed_it_shows_its_settings():
    objective = LayerwiseLoss(network(), cross_entropy, spread, 0.3, ["1"], units=2)
    for words in ("factor=0.3", "layers=['1']", "units=2", "cross_entropy", "spread"):
        assert words in repr(objective)


class Positions(nn.Module):
    """An embedding of tokens plus one of positions, as in a transformer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.tokens, self.positions = nn.Embedding(9, 8), nn.Embedding(5, 8)
        self.mean, self.head = Mean(), nn.Linear(8, 3)

    def forward(self, x):
        positions = self.positions(torch.arange(5)[None])  # (1, 5, 8)
        return self.head(self.mean(self.tokens(x) + positions))


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(dim=1)


class Anchors(nn.Module):
    """A layer of its own weights alone: (4, 4), whatever the batch."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(x @ self.table(torch.eye(4)))


class Patches(nn.Module):
    """Three rows for each example between two layers with one."""

    def __init__(self):
        super().__init__()
        self.first, self.each = nn.Linear(4, 6), nn.Linear(2, 2)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        each = self.each(self.first(x).view(-1, 2))  # (3 N, 2)
        return self.head(each.view(len(x), 6))


TOKENS = torch.arange(30).view(6, 5) % 9


@pytest.mark.parametrize(
    ("model", "inputs", "kept", "left_out", "rows"),
    [
        (Positions(), TOKENS, ["tokens", "mean", "head"], "positions", 1),
        (Anchors(), rows_of(0, 6, 4), ["head"], "table", 4),
        (Patches(), rows_of(0, 6, 4), ["first", "head"], "each", 18),
    ],
)
def test_outputs_without_a_row_for_each_label(model, inputs, kept, left_out, rows):
    terms = LayerwiseSoftNearestNeighborLoss(model, cross_entropy, 0.3)(inputs, LABELS)
    assert list(terms.per_layer) == kept
    want = soft_nearest_neighbor_loss(model(inputs), LABELS).item()
    assert terms.per_layer["head"].item() == pytest.approx(want, rel=1e-6)
    message = f"layer '{left_out}'.*for each label; got {rows} rows.*shape \\(6,\\)"
    for settings in ({"layers": ["head", left_out]}, {"units": {left_out: 1}}):
        objective = LayerwiseLoss(model, cross_entropy, spread, 0.3, **settings)
        with pytest.raises(ValueError, match=message):
            objective(inputs, LABELS)


@pytest.mark.parametrize("labels", [LABELS[:5], LABELS[:1], torch.tensor(1)])
def test_labels_that_fit_no_layer_are_refused(labels):
    objective = LayerwiseSoftNearestNeighborLoss(network(), cross_entropy, 1.0)
    with pytest.raises(ValueError, match="layer '0'.*got 6 rows and labels of shape"):
        objective(rows_of(0, 6, 4), LABELS, labels)


# Errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{"layers": ["used", "idle"]}, {"units": {"idle": 2}}]
)
def test_a_layer_that_did_not_run_is_named(settings):
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x):
            return self.used(x)

    objective = LayerwiseSoftNearestNeighborLoss(Half(), cross_entropy, 1.0, **settings)
    with pytest.raises(ValueError, match="'idle' did not run.*'used' did"):
        objective(rows_of(0, 6, 4), LABELS)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"layers": ["conv1"]}, ValueError, "no 'conv1'; it has '0', '1', '2', '3'"),
        ({"layers": "13"}, TypeError, "list of names; got the text '13'"),
        ({"layers": []}, ValueError, "at least one layer"),
        ({"units": 0}, ValueError, "units must be at least 1; got 0"),
        ({"units": {"1": 2.5}}, TypeError, "units.*float"),
        ({"distance": "zz"}, ValueError, "distance.*'cosine'.*'zz'"),
        ({"singletons": "zz"}, ValueError, "singletons.*'zz'"),
        ({"temperature": -1.0}, ValueError, "temperature.*-1.0"),
        ({"temperature": torch.tensor(1.0)}, TypeError, "LearnedTemperature"),
    ],
)
def test_bad_settings_are_named_before_training(settings, error, message):
    with pytest.raises(error, match=message):
        LayerwiseSoftNearestNeighborLoss(network(), cross_entropy, 1.0, **settings)


def test_losses_that_cannot_be_called_are_named():
    with pytest.raises(TypeError, match="auxiliary must be a function or.*got float"):
        LayerwiseLoss(network(), cross_entropy, 0.1, spread)


def test_an_error_of_the_loss_names_the_layer():
    model = network()
    with torch.no_grad():
        model[3].weight[0, 0] = torch.nan
    objective = LayerwiseSoftNearestNeighborLoss(model, cross_entropy, 0.5, ["0", "3"])
    with pytest.raises(ValueError, match="layer '3': embeddings must be finite; row 0"):
        objective(rows_of(0, 6, 4), LABELS)
