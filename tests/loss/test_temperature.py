"""Temperatures: the schedule's closed form, learning, saving and loading."""

import copy
import pickle

import pytest
import torch

from snnl_tutorial import (
    AnnealedTemperature,
    ConstantTemperature,
    LearnedTemperature,
    SoftNearestNeighborLoss,
    soft_nearest_neighbor_loss,
)
from snnl_tutorial.loss.temperature import as_temperature, check_temperature

ALL = [lambda: ConstantTemperature(0.3), AnnealedTemperature, LearnedTemperature]


@pytest.mark.parametrize("epoch", [0, 1, 9, 64, 230, 2.5])
def test_the_published_schedule(epoch):
    temperature = AnnealedTemperature()
    temperature.set_epoch(epoch)
    assert temperature().item() == pytest.approx(1 / (1 + epoch) ** 0.55, rel=1e-6)


def test_another_schedule_with_a_floor():
    temperature = AnnealedTemperature(eta=4.0, gamma=0.5, floor=0.2)
    assert temperature().item() == pytest.approx(0.5)
    temperature.set_epoch(1000)
    assert temperature().item() == pytest.approx(0.2)


@pytest.mark.parametrize("make", ALL)
def test_it_gives_a_0d_tensor_and_takes_any_epoch(make):
    temperature = make()
    temperature.set_epoch(3)
    assert temperature().shape == ()
    assert temperature().is_floating_point()


def test_only_the_learned_one_has_a_gradient():
    assert [len(list(make().parameters())) for make in ALL] == [0, 0, 1]
    learned = LearnedTemperature(0.5)
    (2 * learned()).backward()
    assert learned.log_temperature.grad.item() == pytest.approx(1.0)  # 2 dT/dlogT = 2T


def test_a_learned_temperature_stays_positive():
    learned = LearnedTemperature(0.5)
    optimizer = torch.optim.SGD(learned.parameters(), lr=10.0)
    for _ in range(5):
        optimizer.zero_grad()
        learned().backward()
        optimizer.step()
    assert 0 < learned().item() < 0.5


@pytest.mark.parametrize("make", ALL)
def test_save_and_load_copy_and_pickle(make):
    module = SoftNearestNeighborLoss(temperature=make())
    module.temperature.set_epoch(7)
    for parameter in module.parameters():
        parameter.data -= 1
    want = module.temperature().item()
    fresh = SoftNearestNeighborLoss(temperature=make())
    fresh.load_state_dict(module.state_dict())
    copies = [fresh, copy.deepcopy(module), pickle.loads(pickle.dumps(module))]
    assert [twin.temperature().item() for twin in copies] == [want] * 3


def test_a_number_becomes_a_constant():
    assert as_temperature(0.25)().item() == 0.25
    annealed = AnnealedTemperature()
    assert as_temperature(annealed) is annealed


def test_a_checkpoint_of_another_kind_of_temperature_is_refused():
    kinds = [ConstantTemperature(0.5), AnnealedTemperature(), LearnedTemperature(0.5)]
    for kind in kinds:
        for other in kinds:
            if kind is not other:
                with pytest.raises(RuntimeError, match="Missing key"):
                    kind.load_state_dict(other.state_dict())


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        (ConstantTemperature(0.5), {"value": torch.tensor(-1.0)}, "value must be posi"),
        (AnnealedTemperature(), {"epoch": torch.tensor(-1.0)}, "epoch must be at lea"),
        (AnnealedTemperature(), {"epoch": torch.zeros(2)}, "epoch: "),
    ],
)
def test_a_checkpoint_of_no_temperature_is_refused(kind, state, words):
    before = kind()
    with pytest.raises(RuntimeError, match=words):
        kind.load_state_dict(state)
    assert kind() == before


def test_without_strictness_another_checkpoint_changes_nothing():
    constant = ConstantTemperature(0.5)
    constant.load_state_dict(AnnealedTemperature().state_dict(), strict=False)
    assert constant() == 0.5


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.float16, torch.float64),
        (torch.bfloat16, torch.float64),
    ],
)
def test_log_t_follows_to_any_dtype_but_half(asked, kept):
    learned = LearnedTemperature(0.1).double().to(asked)
    assert learned.log_temperature.dtype == kept
    assert learned().item() == pytest.approx(0.1, rel=1e-6)


def test_log_t_is_wide_whatever_the_default_dtype():
    torch.set_default_dtype(torch.bfloat16)
    try:
        learned = LearnedTemperature(0.1)
    finally:
        torch.set_default_dtype(torch.float32)
    assert learned().item() == pytest.approx(0.1, rel=1e-6)


def gradient_in(temperature, distance, block):
    """Of the loss of a row whose partner lies on the other side, a stranger at 0."""
    loss = soft_nearest_neighbor_loss(
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([0]),
        temperature=temperature,
        distance=distance,
        ref_embeddings=torch.tensor([[-1.0, 0.0], [1.0, 0.0]]),
        ref_labels=torch.tensor([0, 1]),
        block_size=block,
    )
    return torch.autograd.grad(loss, temperature)[0]


WAYS = [("cosine", None), ("cosine", 1), ("sqeuclidean", None), (torch.cdist, None)]


@pytest.mark.filterwarnings("ignore:distances over the temperature")  # of course
@pytest.mark.parametrize(("distance", "block"), WAYS)
@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (torch.float16, [0.01, 0.1]),
        (torch.bfloat16, [1e-18, 1e-9, 0.1]),
        (torch.float32, [1e-18, 1e-12, 1e-6, 0.01, 0.1]),
        (torch.float64, [1e-18, 1e-12, 1e-6, 0.01, 0.1]),
    ],
)
def test_where_a_temperature_is_taken_its_gradient_is_right(
    distance, block, dtype, values
):
    d = 4 if distance == "sqeuclidean" else 2
    for value in values:
        temperature = torch.tensor(value, dtype=dtype, requires_grad=True)
        gradient = gradient_in(temperature, distance, block).item()
        assert gradient == pytest.approx(-d / temperature.item() ** 2, rel=0.01)


@pytest.mark.parametrize(("distance", "block"), WAYS)
@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (torch.float16, [1e-3, 5e-3]),
        (torch.bfloat16, [1e-29, 5e-20]),
        (torch.float32, [1e-29, 1e-20, 5e-20]),
        (torch.float64, [1e-29, 1e-20, 5e-20]),  # the rows are float32
    ],
)
def test_a_temperature_whose_gradient_would_overflow_is_refused(
    distance, block, dtype, values
):
    for value in values:
        temperature = torch.tensor(value, dtype=dtype, requires_grad=True)
        with pytest.raises(ValueError, match="temperature, which has a gradient, must"):
            gradient_in(temperature, distance, block)


@pytest.mark.parametrize("value", [1e-31, 1e31, 1e-320])
def test_a_temperature_that_float32_cannot_use_is_refused(value):
    with pytest.raises(ValueError, match="between 1e-30 and 1e30"):
        check_temperature(value)
