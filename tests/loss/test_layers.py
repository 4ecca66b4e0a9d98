"""Hooks and the layer sum: one pass, nothing counted twice, nothing left behind."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from snnl_tutorial import (
    AnnealedTemperature,
    LayerwiseSoftNearestNeighborLoss,
    LearnedTemperature,
    record_activations,
    soft_nearest_neighbor_loss,
)
from tests.loss.test_distance import rows_of

LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


def network(inplace=False):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(inplace=inplace), nn.Dropout(0.0), nn.Linear(8, 3)
    )


def hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


class Counting(nn.Module):
    """Counts its forward passes, and raises in one if told to."""

    def __init__(self, fail=False):
        super().__init__()
        self.inner, self.passes, self.fail = nn.Linear(4, 4), 0, fail

    def forward(self, x):
        self.passes += 1
        x = self.inner(x)
        if self.fail:
            raise RuntimeError("broken on purpose")
        return x


def test_it_records_what_each_layer_puts_out():
    model, x = network(), rows_of(0, 6, 4)
    with record_activations(model) as activations:
        outputs = model(x)
    hidden = model[0](x)
    assert list(activations) == ["0", "1", "3"]  # dropout only hands on
    assert torch.equal(activations["0"], hidden)
    assert torch.equal(activations["1"], hidden.relu())
    assert torch.equal(activations["3"], outputs)
    assert hooks(model) == 0


def test_an_in_place_activation_is_not_counted_twice():
    x = rows_of(0, 6, 4)
    records = []
    for inplace in (False, True):
        model = network(inplace)
        with record_activations(model) as activations:
            model(x)
        records.append(activations)
    assert (records[1]["0"] < 0).any()  # still what it was before the ReLU
    for name in records[0]:
        assert torch.equal(records[0][name], records[1][name])


def test_gradients_flow_through_the_records():
    model, x = network(inplace=True), rows_of(0, 6, 4)
    with record_activations(model, ["1"]) as activations:
        model(x)
    (got,) = torch.autograd.grad(activations["1"].square().sum(), model[0].weight)
    (want,) = torch.autograd.grad(model[0](x).relu().square().sum(), model[0].weight)
    assert torch.allclose(got, want)


def test_one_forward_pass():
    model = Counting()
    with record_activations(model):
        model(rows_of(0, 3, 4))
    assert model.passes == 1


def test_hooks_go_when_the_forward_raises():
    model = Counting(fail=True)
    with (
        pytest.raises(RuntimeError, match="on purpose"),
        record_activations(model) as a,
    ):
        model(rows_of(0, 3, 4))
    assert hooks(model) == 0
    assert list(a) == ["inner"]


def test_nested_and_repeated_modules():
    class Repeats(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Tanh()))
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(self.body(self.act(x)))

    model, x = Repeats(), rows_of(0, 5, 4)
    with record_activations(model) as activations:
        outputs = model(x)
    assert list(activations) == ["act", "body.0", "body.1.0", "act#2"]
    assert torch.equal(activations["act#2"], outputs)
    with record_activations(model, ["body"]) as activations:
        model(x)
    assert torch.equal(activations["body"], model.body(x.relu()))


def test_convolutions_are_flattened():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(3 * 36, 2))
    with record_activations(model) as activations:
        model(rows_of(0, 5, 64).view(5, 1, 8, 8))
    assert {name: tuple(rows.shape) for name, rows in activations.items()} == {
        "0": (5, 108),
        "2": (5, 2),
    }


def test_a_layer_that_does_not_exist_names_those_that_do():
    with pytest.raises(ValueError, match="no 'conv1'; it has '0', '1', '2', '3'"):
        with record_activations(network(), ["conv1"]):
            pass
    with pytest.raises(ValueError, match="no 'conv1'"):
        LayerwiseSoftNearestNeighborLoss(network(), cross_entropy, 1.0, ["conv1"])


def test_a_layer_that_puts_out_no_tensor_is_named():
    model = nn.Sequential(nn.LSTM(4, 3))
    with pytest.raises(TypeError, match="'0' puts out a tuple"):
        with record_activations(model, ["0"]):
            model(rows_of(0, 5, 4))


# The layer sum -----------------------------------------------------------------------


def by_hand(model, x, labels, temperature=1.0):
    hidden = model[0](x)
    rows = {"0": hidden, "1": hidden.relu(), "3": model(x)}
    return {
        name: soft_nearest_neighbor_loss(h, labels, temperature=temperature)
        for name, h in rows.items()
    }


def test_primary_plus_factor_times_the_sum():
    model, x = network(inplace=True), rows_of(0, 6, 4)
    objective = LayerwiseSoftNearestNeighborLoss(model, cross_entropy, factor=0.3)
    terms = objective(x, LABELS)
    twin = network()
    losses = by_hand(twin, x, LABELS)
    primary = cross_entropy(twin(x), LABELS)
    assert list(terms.per_layer) == list(losses)
    for name, loss in losses.items():
        assert terms.per_layer[name].item() == pytest.approx(loss.item(), rel=1e-6)
    assert terms.snn.item() == pytest.approx(sum(losses.values()).item(), rel=1e-6)
    assert terms.primary.item() == pytest.approx(primary.item(), rel=1e-6)
    want = primary + 0.3 * sum(losses.values())
    assert terms.total.item() == pytest.approx(want.item(), rel=1e-6)
    assert torch.equal(terms.outputs, model(x))
    (got,) = torch.autograd.grad(terms.total, model[0].weight)
    (expected,) = torch.autograd.grad(want, twin[0].weight)
    assert torch.allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("reduction", "combine"),
    [("sum", sum), ("mean", lambda x: sum(x) / len(x)), ("min", min)],
)
def test_layer_reductions_and_weights(reduction, combine):
    model, x = network(), rows_of(0, 6, 4)
    weights = {"1": 2.0, "3": 0.5}
    objective = LayerwiseSoftNearestNeighborLoss(
        *(model, cross_entropy, 1.0),
        layers=["1", "3"],
        layer_reduction=reduction,
        layer_weights=weights,
    )
    losses = by_hand(model, x, LABELS)
    want = combine([weights[name] * losses[name].item() for name in ("1", "3")])
    assert objective(x, LABELS).snn.item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("units", [2, {"1": 2}])
def test_units_slice_the_columns(units):
    model, x = network(), rows_of(0, 6, 4)
    objective = LayerwiseSoftNearestNeighborLoss(
        *(model, cross_entropy, 1.0, ["1", "3"]), units=units
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


def test_the_settings_reach_the_loss():
    model, x = network(), rows_of(0, 6, 4)
    labels = torch.tensor([0, 0, 1, 1, 2, 9])
    objective = LayerwiseSoftNearestNeighborLoss(
        *(model, lambda outputs, targets: outputs.mean(), 1.0, ["1"]),
        temperature=AnnealedTemperature(eta=4.0),
        distance="sqeuclidean",
        ignore_index=9,
    )
    want = soft_nearest_neighbor_loss(
        *(model[0](x).relu(), labels),
        temperature=4.0**-0.55,
        distance="sqeuclidean",
        ignore_index=9,
    )
    assert objective(x, labels).snn.item() == pytest.approx(want.item(), rel=1e-5)


def test_a_layer_that_did_not_run_is_named():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x):
            return self.used(x)

    x = rows_of(0, 6, 4)
    for settings in (
        {"layers": ["used", "idle"]},
        {"layer_weights": {"idle": 2.0}},
        {"units": {"idle": 2}},
    ):
        objective = LayerwiseSoftNearestNeighborLoss(
            Half(), cross_entropy, 1.0, **settings
        )
        with pytest.raises(ValueError, match="'idle' did not run.*'used' did"):
            objective(x, LABELS)


def test_an_unknown_layer_reduction_is_named():
    with pytest.raises(ValueError, match="layer_reduction.*'sum'.*'max'"):
        LayerwiseSoftNearestNeighborLoss(
            network(), cross_entropy, 1.0, layer_reduction="max"
        )


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


def test_weights_that_are_computed_are_no_activations():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 12))
    model = nn.Sequential(layer, nn.ReLU(), nn.Sequential(), nn.Linear(12, 3))
    with record_activations(model) as activations:
        model(rows_of(0, 6, 4))
    assert list(activations) == ["0", "1", "3"]
    assert activations["0"].shape == (6, 12)


def test_outputs_that_have_no_rows_are_left_out():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.line, self.top = nn.Linear(4, 1), nn.Identity()
            self.pick = Pick()

        def forward(self, x):
            return self.line(x) + self.pick(x)[:, None]

    class Pick(nn.Module):
        def forward(self, x):
            return x.argmax(dim=1)

    model = Mixed()
    with record_activations(model) as activations:
        model(rows_of(0, 6, 4))
    assert list(activations) == ["line"]
    with pytest.raises(TypeError, match="'pick' puts out a torch.int64"):
        with record_activations(model, ["pick"]):
            model(rows_of(0, 6, 4))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
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


def test_a_layer_named_twice_counts_once():
    objective = LayerwiseSoftNearestNeighborLoss(
        network(), cross_entropy, 1.0, iter(["1", "1"])
    )
    for _ in range(2):
        assert list(objective(rows_of(0, 6, 4), LABELS).per_layer) == ["1"]


def test_images_as_targets_need_labels():
    x = rows_of(0, 6, 4)
    objective = LayerwiseSoftNearestNeighborLoss(nn.Linear(4, 4), mse_loss, 1.0)
    with pytest.raises(TypeError, match="labels must be given.*float32"):
        objective(x, x)


def test_an_error_of_the_loss_names_the_layer():
    model = network()
    with torch.no_grad():
        model[3].weight[0, 0] = torch.nan
    objective = LayerwiseSoftNearestNeighborLoss(model, cross_entropy, 0.5, ["0", "3"])
    with pytest.raises(ValueError, match="layer '3': embeddings must be finite; row 0"):
        objective(rows_of(0, 6, 4), LABELS)
