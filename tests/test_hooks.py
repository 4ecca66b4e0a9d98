"""Hooks: one forward pass, safe from in-place operations, removed afterwards."""

import pytest
import torch
from torch import nn

from snnl_tutorial.hooks import record_outputs
from tests.helpers import rows_of


def convolutions(inplace):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(inplace=inplace), nn.Flatten(), nn.Linear(108, 2)
    )


def hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


class Counting(nn.Module):
    """Counts its forward passes, and can raise in the middle of one."""

    def __init__(self, fail=False):
        super().__init__()
        self.inner, self.passes, self.fail = nn.Linear(4, 4), 0, fail

    def forward(self, x):
        self.passes += 1
        x = self.inner(x)
        if self.fail:
            raise RuntimeError("broken on purpose")
        return x


@pytest.mark.parametrize("inplace", [False, True])
def test_the_outputs_of_the_layers_with_their_shapes(inplace):
    model, images = convolutions(inplace), rows_of(0, 5, 64).view(5, 1, 8, 8)
    with record_outputs(model) as outputs:
        logits = model(images)
    first = model[0](images)
    assert (first < 0).any()  # an in-place ReLU would erase these
    want = {"0": first, "1": first.relu(), "3": logits}  # flattening is no layer
    assert list(outputs) == list(want)
    for name, output in want.items():
        assert torch.equal(outputs[name], output)


def test_gradients_flow_through_the_records():
    model, images = convolutions(inplace=True), rows_of(0, 5, 64).view(5, 1, 8, 8)
    with record_outputs(model, ["1"]) as outputs:
        model(images)
    weight = model[0].weight
    (got,) = torch.autograd.grad(outputs["1"].square().sum(), weight)
    (want,) = torch.autograd.grad(model[0](images).relu().square().sum(), weight)
    assert torch.allclose(got, want)


def test_a_transform_changes_the_records_and_not_the_pass():
    model, x = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), rows_of(0, 6, 4)
    with record_outputs(
        model, ["0"], transform=lambda rows: rows.detach().zero_()
    ) as z:
        outputs = model(x)
    assert not z["0"].any()
    assert not z["0"].requires_grad
    assert torch.equal(outputs, model(x))


def test_one_forward_pass():
    model = Counting()
    with record_outputs(model):
        model(rows_of(0, 3, 4))
    assert model.passes == 1
    assert hooks(model) == 0


def test_hooks_are_removed_and_records_stay_when_the_model_raises():
    model = Counting(fail=True)
    with pytest.raises(RuntimeError, match="on purpose"):
        with record_outputs(model) as outputs:
            model(rows_of(0, 3, 4))
    assert hooks(model) == 0
    assert list(outputs) == ["inner"]


def test_nested_and_repeated_modules():
    class Repeats(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Tanh()))
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(self.body(self.act(x)))

    model, x = Repeats(), rows_of(0, 5, 4)
    with record_outputs(model) as outputs:
        last = model(x)
    assert list(outputs) == ["act", "body.0", "body.1.0", "act#2"]
    assert torch.equal(outputs["act#2"], last)
    with record_outputs(model, ["body"]) as outputs:
        model(x)
    assert torch.equal(outputs["body"], model.body(x.relu()))


def test_computed_weights_and_empty_shortcuts_are_not_layers():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 12))
    model = nn.Sequential(layer, nn.ReLU(), nn.Sequential(), nn.Linear(12, 3))
    with record_outputs(model) as outputs:
        model(rows_of(0, 6, 4))
    assert list(outputs) == ["0", "1", "3"]
    assert outputs["0"].shape == (6, 12)


class Pick(nn.Module):
    def forward(self, x):
        return x.argmax(dim=1)


class State(nn.Module):
    def forward(self, x):
        return x, x


class Mean(nn.Module):
    def forward(self, x):
        return x.mean()


@pytest.mark.parametrize(
    ("module", "kind"),
    [(Pick(), "torch.int64"), (State(), "tuple"), (Mean(), "torch.float32")],
)
def test_outputs_without_floating_rows_are_skipped_or_refused_by_name(module, kind):
    model = nn.Sequential(nn.Linear(4, 3), module)
    with record_outputs(model) as outputs:
        model(rows_of(0, 6, 4))
    assert list(outputs) == ["0"]
    with pytest.raises(TypeError, match=f"'1' puts out a {kind}"):
        with record_outputs(model, ["1"]):
            model(rows_of(0, 6, 4))


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (["conv1"], ValueError, "no 'conv1'; it has '0', '1', '2', '3'"),
        ("13", TypeError, "list of names; got the text '13'"),
        ([], ValueError, "at least one layer"),
    ],
)
def test_bad_layers_are_named_before_the_forward_pass(layers, error, message):
    with pytest.raises(error, match=message):
        with record_outputs(convolutions(inplace=False), layers):
            pytest.fail("the block has started")
