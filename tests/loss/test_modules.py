"""The modules in somebody's code: saved, copied, moved, compiled, with a memory."""

import copy
import io
import pickle
from functools import partial

import pytest
import torch
from torch import nn

from snnl_tutorial import (
    AnnealedTemperature,
    ConstantTemperature,
    LayerwiseSoftNearestNeighborLoss,
    LearnedTemperature,
    SoftNearestNeighborLoss,
    soft_nearest_neighbor_loss,
)
from tests import oracle

MAKE = {
    "constant": ConstantTemperature,
    "annealed": AnnealedTemperature,
    "learned": LearnedTemperature,
}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"),
    ),
]
each_kind = pytest.mark.parametrize("kind", MAKE)


def trained(kind):
    """A temperature that is no longer what its class starts with."""
    temperature = MAKE[kind](0.1)  # T, or for the annealed one eta
    temperature.set_epoch(7)
    for parameter in temperature.parameters():
        parameter.data += 0.3
    return temperature


def saved_and_loaded(module):
    """Its state, as a file would bring it back."""
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def batch(rows=40, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, 5, generator=generator, dtype=torch.float64)
    return embeddings.to(dtype), torch.randint(4, (rows,), generator=generator)


# --- saved and copied -----------------------------------------------------------------


@each_kind
def test_the_state_of_a_temperature_comes_back(kind):
    temperature = trained(kind)
    fresh = MAKE[kind](0.1 if kind == "annealed" else 2.0)  # a setting, no state
    assert fresh() != temperature()
    fresh.load_state_dict(saved_and_loaded(temperature))
    assert torch.equal(fresh(), temperature())


@each_kind
def test_the_state_of_the_loss_comes_back(kind):
    criterion = SoftNearestNeighborLoss(trained(kind))
    state = saved_and_loaded(criterion)
    assert len(state) == 1  # T, log T or the epoch; the rest are settings
    assert all(isinstance(entry, torch.Tensor) for entry in state.values())
    fresh = SoftNearestNeighborLoss(MAKE[kind](0.1))
    fresh.load_state_dict(state)
    assert torch.equal(fresh(*batch()), criterion(*batch()))


def test_a_state_does_not_change_after_it_was_taken():
    temperature = trained("annealed")
    state = temperature.state_dict()
    temperature.set_epoch(8)
    fresh = AnnealedTemperature()
    fresh.load_state_dict(state)
    assert fresh.epoch == 7


@each_kind
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))]
)
def test_a_copy_is_equal_and_independent(kind, copied):
    criterion = SoftNearestNeighborLoss(trained(kind), "sqeuclidean", reduction="sum")
    twin = copied(criterion)
    before = criterion(*batch())
    assert torch.equal(twin(*batch()), before)
    twin.temperature.set_epoch(30)
    twin.temperature.load_state_dict(MAKE[kind](5.0).state_dict())
    assert twin(*batch()) != before
    assert torch.equal(criterion(*batch()), before)


# --- moved ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["constant", "annealed"])
def test_a_number_is_exact_in_float64(kind):
    """A T of 0.1 rounded to float32 is off by 1.5e-8, and so is the loss."""
    temperature = MAKE[kind](0.1)
    number = 0.1 if kind == "constant" else 0.1**-0.55
    embeddings, labels = batch(dtype=torch.float64)
    want = soft_nearest_neighbor_loss(embeddings, labels, temperature=number)
    got = SoftNearestNeighborLoss(temperature)(embeddings, labels)
    assert got.item() == pytest.approx(want.item(), rel=1e-14)


@each_kind
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_no_dtype_changes_the_temperature(kind, dtype):
    criterion = SoftNearestNeighborLoss(trained(kind))
    want = criterion.temperature().item()
    moved = criterion.to(dtype)
    assert moved.temperature().item() == pytest.approx(want, rel=1e-7)
    assert moved.temperature().dtype in (torch.float32, torch.float64)
    loss = moved(*batch(dtype=dtype))
    rounded, labels = batch(dtype=dtype)
    want = oracle.loss(rounded.double(), labels, temperature=want)
    assert loss.item() == pytest.approx(want, rel=1e-5)


def test_a_learned_temperature_follows_to_float64_and_only_there():
    temperature = LearnedTemperature(0.1)
    assert temperature.double().log_temperature.dtype == torch.float64
    assert temperature.float().log_temperature.dtype == torch.float32
    assert temperature.half().log_temperature.dtype == torch.float32
    (1 + temperature()).backward()
    assert temperature.bfloat16().log_temperature.grad.dtype == torch.float32
    assert temperature.log_temperature.grad == temperature()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_learned_temperature_learns_in_a_half_precision_model(dtype):
    """In bfloat16, log 0.1 would have to move by 0.008 to move at all."""
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 4))
    learned = LearnedTemperature(0.1)
    objective = LayerwiseSoftNearestNeighborLoss(
        model, nn.functional.cross_entropy, 1.0, layers=["1"], temperature=learned
    ).to(dtype)
    optimizer = torch.optim.SGD(objective.parameters(), lr=1e-4)
    embeddings, labels = batch(dtype=dtype)
    objective(embeddings, labels).total.backward()
    optimizer.step()
    assert model[0].weight.dtype == dtype
    assert 0 < abs(learned().item() / 0.1 - 1) < 0.01


@each_kind
@pytest.mark.parametrize("device", DEVICES)
def test_on_a_device(kind, device):
    """A number stays on the CPU, where the loss can look at it; a parameter moves."""
    criterion = SoftNearestNeighborLoss(trained(kind)).to(device)
    home = device if kind == "learned" else "cpu"
    assert criterion.temperature().device.type == home
    embeddings, labels = batch()
    moved = embeddings.clone().to(device).requires_grad_()
    loss = criterion(moved, labels.to(device))
    loss.backward()
    T = criterion.temperature().item()
    want = oracle.loss(embeddings, labels, temperature=T)
    gradient = oracle.cosine_gradient(embeddings, labels, T)
    assert loss.device.type == device
    assert loss.item() == pytest.approx(want, rel=1e-5)
    torch.testing.assert_close(
        moved.grad.cpu().double(), torch.from_numpy(gradient), rtol=1e-4, atol=1e-6
    )
    saved = saved_and_loaded(criterion)
    fresh = SoftNearestNeighborLoss(MAKE[kind](0.1))
    fresh.load_state_dict(saved)
    assert fresh.temperature().item() == pytest.approx(T, rel=1e-6)


@each_kind
@pytest.mark.parametrize("distance", ["cosine", "sqeuclidean"])
def test_a_moved_module_looks_at_no_value_beside_the_cpu(kind, distance):
    """As on a GPU, which the program would have to wait for: `meta` has no values."""
    criterion = SoftNearestNeighborLoss(MAKE[kind](), distance).to("meta")
    rows, labels = (tensor.to("meta") for tensor in batch())
    loss = criterion(rows.requires_grad_(), labels)
    loss.backward()
    assert rows.grad.shape == rows.shape
    with pytest.raises(RuntimeError, match="meta"):
        loss.item()


def test_numbers_are_made_on_the_cpu_whatever_the_default_device():
    with torch.device("meta"):
        for temperature in (ConstantTemperature(0.1), AnnealedTemperature()):
            temperature.set_epoch(3)
            assert temperature().device.type == "cpu"


# --- with a memory of earlier batches -------------------------------------------------


@pytest.mark.parametrize("distance", ["cosine", "sqeuclidean"])
def test_a_bank_of_earlier_batches(distance):
    """A queue that fills up and then forgets; each step against the definition."""
    torch.manual_seed(0)
    encoder = nn.Linear(6, 5)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.05)
    criterion = SoftNearestNeighborLoss(0.5, distance)
    bank, bank_labels = torch.empty(0, 5), torch.empty(0, dtype=torch.long)
    for step in range(8):
        labels = torch.randint(4, (16,))
        labels[0] = -100 if step % 2 else 9  # unlabeled, or not in the bank at first
        embeddings = encoder(torch.randn(16, 6) + labels[:, None])
        embeddings.retain_grad()
        loss = criterion(embeddings, labels, bank, bank_labels)
        settings = {"temperature": 0.5, "distance": distance}
        references = {"refs": bank.double(), "ref_labels": bank_labels}
        rows = embeddings.detach().double()
        want = oracle.loss(rows, labels, **settings, **references)
        assert loss.item() == pytest.approx(want, rel=1e-5, abs=1e-7)

        optimizer.zero_grad()
        loss.backward()
        _, anchors = oracle.row_losses(rows, labels, **settings, **references)
        moved = embeddings.grad.abs().sum(dim=1) > 0
        assert moved.tolist() == anchors.tolist()
        assert anchors.any() == (step > 0)
        assert bank.grad is None
        optimizer.step()
        bank = torch.cat([bank, embeddings.detach()])[-50:]
        bank_labels = torch.cat([bank_labels, labels])[-50:]
    assert len(bank) == 50


@pytest.mark.parametrize("distance", ["cosine", "sqeuclidean"])
def test_the_gradient_with_a_bank(distance):
    """By differences of the definition, in the rows; there is none in the bank."""
    rows, labels = batch(6, torch.float64)
    bank, bank_labels = batch(9, torch.float64, seed=1)
    settings = {"temperature": 0.3, "distance": distance}
    references = {"refs": bank, "ref_labels": bank_labels}
    moved = rows.clone().requires_grad_()
    SoftNearestNeighborLoss(0.3, distance)(moved, labels, bank, bank_labels).backward()
    by_differences = torch.zeros_like(rows)
    for place in torch.cartesian_prod(torch.arange(6), torch.arange(5)).tolist():
        ends = []
        for step in (-1e-5, 1e-5):
            shifted = rows.clone()
            shifted[tuple(place)] += step
            ends.append(oracle.loss(shifted, labels, **settings, **references))
        by_differences[tuple(place)] = (ends[1] - ends[0]) / 2e-5
    torch.testing.assert_close(moved.grad, by_differences, rtol=1e-5, atol=1e-7)


# --- compiled -------------------------------------------------------------------------


def check_compiled(criterion, called, epochs, stance="default"):
    """A compiled step, which calls the loss as `called`, against an eager one."""
    torch.compiler.reset()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 4))
    parameters = [*model.parameters(), *criterion.parameters()]

    @partial(torch.compile, backend="aot_eager")  # as the default, but ready at once
    def step(rows, labels):
        return called(model(rows), labels)

    for epoch in range(epochs):
        criterion.temperature.set_epoch(epoch)
        rows, labels = batch(seed=epoch)
        want = criterion(model(rows), labels)
        with torch.compiler.set_stance(stance if epoch else "default"):
            got = step(rows, labels)
        torch.testing.assert_close(got, want)
        torch.testing.assert_close(
            torch.autograd.grad(got, parameters), torch.autograd.grad(want, parameters)
        )


@each_kind
def test_a_compiled_step_leaves_the_loss_alone_if_told_to(kind):
    """Without a warning, and without another compilation in later epochs."""
    criterion = SoftNearestNeighborLoss(trained(kind))
    called = torch.compiler.disable(criterion)
    check_compiled(criterion, called, epochs=10, stance="fail_on_recompile")


compiling = pytest.mark.filterwarnings(
    # where the compiler cuts a step into pieces, it says so; what it does to a tensor
    # between two pieces, and to an autograd function, warns; it hides that as a rule
    "ignore:Dynamo does not know how to trace:UserWarning",
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning",
    "ignore:.*autograd.function.Function.*should not be inst:DeprecationWarning",
)


@compiling
@each_kind
def test_a_step_that_is_compiled_with_the_loss_computes_the_same(kind):
    criterion = SoftNearestNeighborLoss(trained(kind))
    check_compiled(criterion, criterion, epochs=3)


@compiling
def test_a_step_with_the_loss_is_not_one_graph():
    torch.compiler.reset()
    criterion = SoftNearestNeighborLoss(0.1)
    step = torch.compile(criterion, backend="aot_eager", fullgraph=True)
    # Which of the two depends on what was compiled before in this process.
    errors = torch._dynamo.exc.Unsupported, torch._dynamo.exc.UserError
    with pytest.raises(errors, match="data-dependent"):
        step(*batch())


def test_a_new_epoch_needs_no_new_compilation():
    """It would if it were a number: each is compiled for, and eight are kept."""
    torch.compiler.reset()
    temperature = AnnealedTemperature(floor=0.3)
    scaled = torch.compile(lambda rows: rows / temperature(), backend="aot_eager")
    for epoch in range(12):
        temperature.set_epoch(epoch)
        with torch.compiler.set_stance("fail_on_recompile" if epoch else "default"):
            got = scaled(torch.ones(1)).item()
        assert got == pytest.approx(1 / max((1 + epoch) ** -0.55, 0.3))
