"""Numbers of NumPy are numbers: every door takes what `numbers` calls a number."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from snnl_tutorial import (
    AnnealedTemperature,
    ConstantTemperature,
    LayerwiseSoftNearestNeighborLoss,
    LearnedTemperature,
    SoftNearestNeighborLoss,
    entanglement,
    soft_nearest_neighbor_loss,
)
from snnl_tutorial.loss.checks import check_integer, check_real
from snnl_tutorial.loss.sampling import published_sampling_probability
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
)
from tests.helpers import labels_of, rows_of

ROWS, LABELS = rows_of(0, 20, 4), labels_of(0, 20)
DISTANCES = torch.cdist(ROWS, ROWS)


def annealed(**settings):
    temperature = AnnealedTemperature(**settings)
    temperature.set_epoch(settings["floor"])
    return temperature()


# What is called, and with which numbers.
DOORS = {
    "function": (
        lambda **given: soft_nearest_neighbor_loss(ROWS, LABELS, **given),
        {"temperature": 0.5, "ignore_index": 1, "block_size": 7},
    ),
    "module": (
        lambda **given: SoftNearestNeighborLoss(**given)(ROWS, LABELS),
        {"temperature": 0.5, "ignore_index": 1, "block_size": 7},
    ),
    "entanglement": (
        lambda **given: entanglement(ROWS, LABELS, **given),
        {"temperature": 0.5, "training_temperature": 0.25, "seed": 3}
        | {"ignore_index": 1, "permutations": 2},
    ),
    "search": (
        lambda **given: entanglement(ROWS, LABELS, **given),
        {"ignore_index": 1, "permutations": 2, "seed": 2**40}
        | {"training_temperature": 0.5},
    ),
    "constant": (lambda **given: ConstantTemperature(**given)(), {"value": 0.5}),
    "learned": (lambda **given: LearnedTemperature(**given)(), {"initial": 0.5}),
    "annealed": (annealed, {"eta": 2, "gamma": 0.5, "floor": 0.25}),
    "published": (
        lambda **given: published_soft_nearest_neighbor_loss(ROWS, LABELS, **given),
        {"temperature": 0.5, "epsilon": 0.25, "units": 3},
    ),
    "published probability": (
        lambda **given: published_sampling_probability(DISTANCES, **given),
        {"temperature": 0.5, "epsilon": 0.25},
    ),
}
REAL = [np.float16, np.float32, np.float64, np.longdouble, Fraction]
CASES = [(door, name) for door, (_, given) in DOORS.items() for name in given]


@pytest.mark.parametrize(("door", "name"), CASES)
def test_a_number_of_any_type_is_a_number(door, name):
    call, given = DOORS[door]
    value, want = given[name], call(**given)
    types = REAL if isinstance(value, float) else [np.int64, np.uint64]
    for kind in types:
        got = call(**given | {name: kind(value)})
        assert torch.equal(torch.as_tensor(got), torch.as_tensor(want))


@pytest.mark.parametrize(("door", "name"), CASES)
@pytest.mark.parametrize("value", [True, np.bool_(True), np.array(1), "1", 1j])
def test_what_is_no_number_is_named(door, name, value):
    call, given = DOORS[door]
    with pytest.raises(
        TypeError, match=f"{name} must be .*; got {type(value).__name__}"
    ):
        call(**given | {name: value})


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), 10**400, -1])
def test_a_number_that_is_out_of_range_is_named(value):
    with pytest.raises(ValueError, match="width must be at least 0 and finite; got"):
        check_real(value, "width", least=0)


def test_a_temperature_beyond_all_floats_is_named():
    with pytest.raises(ValueError, match="temperature must be positive and finite"):
        soft_nearest_neighbor_loss(ROWS, LABELS, temperature=10**400)


def test_checked_numbers_are_plain_ones():
    assert type(check_integer(np.int16(3), "rows")) is int
    assert type(check_real(np.float32(0.5), "width")) is float
    assert type(check_real(np.int16(3), "width")) is float


# Each number at its least, and a call that ought to give the same.
LEAST = {
    "block_size": (
        lambda: soft_nearest_neighbor_loss(ROWS, LABELS, block_size=1),
        lambda: soft_nearest_neighbor_loss(ROWS, LABELS),
    ),
    "units": (
        lambda: published_soft_nearest_neighbor_loss(ROWS, LABELS, units=1),
        lambda: published_soft_nearest_neighbor_loss(ROWS[:, :1], LABELS),
    ),
    "units of layers": (
        lambda: of_layers(nn.Identity(), units=1),
        lambda: of_layers(FirstColumn()),
    ),
}


class FirstColumn(nn.Module):
    def forward(self, rows):
        return rows[:, :1]


def of_layers(layer, **settings):
    model = nn.Sequential(layer)
    return LayerwiseSoftNearestNeighborLoss(
        model, lambda outputs, targets: outputs.sum(), 1.0, ["0"], **settings
    )(ROWS, LABELS).snn


@pytest.mark.parametrize("name", list(LEAST))
def test_the_least_number_is_taken(name):
    got, want = (call() for call in LEAST[name])
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, np.uint64(2**63)])
def test_an_integer_beyond_64_bits_is_named(value):
    with pytest.raises(ValueError, match="ignore_index must fit 64 bits"):
        soft_nearest_neighbor_loss(ROWS, LABELS, ignore_index=value)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_an_integer_of_64_bits_is_taken(value):
    want = soft_nearest_neighbor_loss(ROWS, LABELS)
    assert soft_nearest_neighbor_loss(ROWS, LABELS, ignore_index=value) == want
