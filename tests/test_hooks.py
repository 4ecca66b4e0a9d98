"""Hooks: one forward pass, safe from in-place operations, removed afterwards."""

import threading
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from snnl_tutorial.hooks import record_outputs
from tests.helpers import rows_of


def convolutions(inplace):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(inplace=inplace), nn.Flatten(), nn.Linear(108, 2)
    )


def hooks(model):
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks)
        for module in model.modules()
    )


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


# Gradients ---------------------------------------------------------------------------


class Around(nn.Module):
    """A trainable layer, and a body of two that the test runs in its own way."""

    def __init__(self, run):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(4, 4)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.run = run

    def forward(self, x):
        return self.run(self.body, self.first(x))


class Cut(nn.Linear):
    """Detaches what it puts out."""

    def forward(self, x):
        return super().forward(x).detach()


def plainly(body, x):
    return body(x)


def reentrant(body, x):
    return checkpoint(body, x, use_reentrant=True)


def reentrant_by_parts(body, x):
    return checkpoint_sequential(body, 2, x, use_reentrant=True)


def recomputed(body, x):
    return checkpoint(body, x, use_reentrant=False)


def recomputed_by_parts(body, x):
    return checkpoint_sequential(body, 2, x, use_reentrant=False)


def without_gradients(body, x):
    with torch.no_grad():
        return body(x)


@pytest.mark.parametrize(
    ("model", "layers", "lost"),
    [
        (Around(reentrant), None, "body.0"),
        (Around(reentrant), ["first", "body.1"], "body.1"),  # has no weights
        (Around(reentrant_by_parts), None, "body.0"),
        (Around(without_gradients), None, "body.0"),
        (Around(without_gradients), ["body"], "body"),
        (nn.Sequential(Cut(4, 4), nn.Linear(4, 2)), ["0"], "0"),
    ],
)
def test_a_record_without_the_gradient_that_it_needs_is_refused(model, layers, lost):
    with pytest.raises(ValueError, match=f"'{lost}' ran without.*use_reentrant=False"):
        with record_outputs(model, layers):
            model(rows_of(0, 6, 4))
    assert hooks(model) == 0


@pytest.mark.parametrize("run", [reentrant, reentrant_by_parts])
def test_a_part_that_is_checkpointed_from_outside_is_refused_too(run):
    model, x = Around(plainly).body, rows_of(0, 6, 4).requires_grad_()
    with pytest.raises(ValueError, match="'0' ran without gradient"):
        with record_outputs(model):
            run(model, x)


@pytest.mark.parametrize("run", [plainly, reentrant, without_gradients])
@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_records_for_evaluation_need_no_gradient(run, off, outside):
    model, x = Around(run), rows_of(0, 6, 4)
    with off() if outside else nullcontext(), record_outputs(model) as outputs:
        with off():
            want = model(x)
    assert list(outputs) == ["first", "body.0", "body.1"]
    assert torch.equal(outputs["body.1"], want)


@pytest.mark.parametrize("run", [plainly, without_gradients])
def test_a_frozen_part_needs_no_gradient(run):
    part, x = Around(run).requires_grad_(False), rows_of(0, 6, 4)
    model = nn.Sequential(part, nn.Linear(4, 2))
    with record_outputs(model, ["0.body.0", "0.body.1", "1"]) as outputs:
        want = model(x)
    assert [rows.requires_grad for rows in outputs.values()] == [False, False, True]
    assert torch.equal(outputs["1"], want)


def test_a_layer_that_detaches_is_recorded_where_nobody_named_it():
    model = nn.Sequential(Cut(4, 4), nn.Linear(4, 2))
    with record_outputs(model) as outputs:
        model(rows_of(0, 6, 4))
    assert [output.requires_grad for output in outputs.values()] == [False, True]


@pytest.mark.parametrize("run", [recomputed, recomputed_by_parts])
@pytest.mark.parametrize("still_open", [True, False])
def test_checkpointing_that_is_not_reentrant_changes_nothing(run, still_open):
    x, gradients = rows_of(0, 6, 4), {}
    for way in (plainly, run):
        model = Around(way)
        with record_outputs(model) as outputs:
            last = model(x)
            loss = last.sum() + sum(rows.square().sum() for rows in outputs.values())
            if still_open:
                loss.backward()
        if not still_open:
            loss.backward()
        assert list(outputs) == ["first", "body.0", "body.1"]  # no "body.0#2"
        gradients[way] = [weight.grad for weight in model.parameters()]
    torch.testing.assert_close(gradients[run], gradients[plainly])


# Layers that did not run -------------------------------------------------------------


class Branches(nn.Module):
    """Runs one of its layers, after whatever the test does to the model."""

    def __init__(self, before=lambda model: None):
        super().__init__()
        self.used, self.idle = nn.Linear(4, 4), nn.Linear(4, 4)
        self.before = before

    def forward(self, x):
        self.before(self)
        return self.used(x)


def replace(model):
    model.used = nn.Linear(4, 4)


@pytest.mark.parametrize(
    ("model", "layers", "message"),
    [
        (Branches(), ["used", "idle"], "'idle' did not run; 'used' did"),
        (Branches(replace), ["used"], "'used' did not run; none did"),
        (Branches(replace), None, "layers did not run; none did"),
        (nn.Flatten(), None, "layers did not run; none did"),
    ],
)
def test_layers_that_did_not_run_are_named_at_the_end(model, layers, message):
    with pytest.raises(ValueError, match=message):
        with record_outputs(model, layers):
            model(rows_of(0, 6, 4))


def test_an_error_in_the_block_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        with record_outputs(Branches(), ["idle"]):
            raise ZeroDivisionError


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_a_scripted_layer_is_refused_by_name():
    model = nn.Sequential(nn.Linear(4, 4), torch.jit.script(nn.Linear(4, 4)))
    with pytest.raises(ValueError, match="'1'.*ScriptModules"):
        with record_outputs(model):
            pytest.fail("the block has started")
    assert hooks(model) == 0
    with record_outputs(model, ["0"]) as outputs:
        model(rows_of(0, 6, 4))
    assert list(outputs) == ["0"]


@pytest.mark.parametrize("layers", [None, ["0", "_orig_mod.1"]])
def test_a_compiled_model_is_recorded_or_the_way_out_is_named(layers):
    torch._dynamo.reset()
    model, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU()), rows_of(0, 6, 4)
    compiled = torch.compile(model, backend="eager")
    first = torch.compile(model, backend="eager", fullgraph=True)
    compiled(x)
    with pytest.raises(ValueError, match="did not run.*_orig_mod.*force_eager"):
        with record_outputs(compiled, layers):
            compiled(x)
    with record_outputs(compiled, layers) as original:
        model(x)
    with torch.compiler.set_stance("force_eager"):
        with record_outputs(compiled, layers) as eager:
            compiled(x)
    torch._dynamo.reset()
    for _ in range(2):
        with record_outputs(first, layers) as traced:  # before its first step
            first(x)
    for outputs in (original, eager, traced):
        assert list(outputs) == (layers or ["0", "1"])
        torch.testing.assert_close(next(iter(outputs.values())), model[0](x))
        assert all(rows.requires_grad for rows in outputs.values())


# Names -------------------------------------------------------------------------------


class Shared(nn.Module):
    """One layer under two names."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 4))
        self.decoder = nn.Sequential(self.encoder[0], nn.ReLU())

    def forward(self, x):
        return self.decoder(self.encoder(x))


@pytest.mark.parametrize("name", ["encoder.0", "decoder.0"])
def test_a_shared_layer_answers_to_each_of_its_names(name):
    model, x = Shared(), rows_of(0, 6, 4)
    with record_outputs(model, [name]) as outputs:
        model(x)
    once = model.encoder[0](x)
    assert list(outputs) == [name, f"{name}#2"]
    assert torch.equal(outputs[name], once)
    assert torch.equal(outputs[f"{name}#2"], model.encoder[0](once))
    with record_outputs(model) as outputs:
        model(x)
    assert list(outputs) == ["encoder.0", "encoder.0#2", "decoder.1"]


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        (Shared, ["encoder.0", "decoder.0"]),
        (lambda: nn.Sequential(*[nn.ReLU()] * 2), ["1", "0"]),
        (lambda: torch.compile(Shared(), backend="eager"), ["_orig_mod", ""]),
    ],
)
def test_one_layer_by_two_names_at_once_is_refused(model, layers):
    with pytest.raises(ValueError, match=f"'{layers[0]}' and '{layers[1]}' are the sa"):
        with record_outputs(model(), layers):
            pytest.fail("the block has started")


# Several passes at once --------------------------------------------------------------


def test_each_thread_records_its_own_pass():
    model, xs = nn.Sequential(nn.Linear(4, 3), nn.ReLU()), rows_of(0, 12, 4).split(4)
    together, recorded = threading.Barrier(3, timeout=60), {}

    def pass_of(i):
        with record_outputs(model) as outputs:
            together.wait()  # all blocks are open
            model(xs[i])
            together.wait()  # all passes are over
        recorded[i] = outputs

    threads = [threading.Thread(target=pass_of, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, x in enumerate(xs):
        assert list(recorded[i]) == ["0", "1"]
        torch.testing.assert_close(recorded[i]["0"], model[0](x))
        assert recorded[i]["0"].requires_grad
    assert hooks(model) == 0


def test_what_another_thread_runs_is_no_record():
    model = nn.Sequential(nn.Linear(4, 3))
    thread = threading.Thread(target=model, args=(rows_of(0, 6, 4),))

    def record():
        with record_outputs(model, ["0"]):
            thread.start()
            thread.join()

    with pytest.raises(ValueError, match="'0' did not run; none did.*this thread"):
        record()


def test_a_block_in_a_block_records_the_same_pass():
    model, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU()), rows_of(0, 6, 4)
    with record_outputs(model) as outer:
        with record_outputs(model, ["0"]) as inner:
            model(x)
    assert list(outer) == ["0", "1"]
    assert torch.equal(inner["0"], outer["0"])
    assert hooks(model) == 0
