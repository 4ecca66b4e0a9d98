"""On a GPU: the numbers of the CPU, without a wait, whatever rounds products there."""

import copy
from contextlib import contextmanager

import pytest
import torch

from snnl_tutorial import (
    LayerwiseSoftNearestNeighborLoss,
    LearnedTemperature,
    SoftNearestNeighborLoss,
    entanglement,
    soft_nearest_neighbor_loss,
)
from snnl_tutorial.learning.models import encode_all
from snnl_tutorial.learning.objectives import METHODS, NETWORKS, make_objective
from snnl_tutorial.learning.training import train
from tests import oracle
from tests.helpers import labels_of, rows_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
DISTANCES = ["cosine", "sqeuclidean"]


@contextmanager
def no_wait():
    """A block in which whatever makes the program wait for the GPU raises."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def loss_and_gradient(device, rows, labels, **settings):
    rows = rows.detach().to(device).requires_grad_()
    loss = soft_nearest_neighbor_loss(rows, labels.to(device), **settings)
    loss.backward()
    return loss.item(), rows.grad.cpu()


@pytest.mark.parametrize("temperature", [1e-3, 0.01, 0.1, 1.0, 1e3])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("block", [None, 7])
def test_equal_to_the_loop_and_to_the_gradient_of_the_cpu(temperature, distance, block):
    rows, labels = rows_of(0, 40, 6, torch.float64), labels_of(0, 40)
    rows[5] = 0
    labels[7] = -100
    settings = {"temperature": temperature, "distance": distance, "block_size": block}
    got, gradient = loss_and_gradient("cuda", rows, labels, **settings)
    want = oracle.loss(rows.numpy(), labels, temperature=temperature, distance=distance)
    assert got == pytest.approx(want, rel=1e-9)
    _, expected = loss_and_gradient("cpu", rows, labels, **settings)
    scale = expected.abs().max()
    assert (gradient - expected).abs().max() <= 1e-7 * scale + 1e-12
    assert not gradient[7].any()


@pytest.mark.parametrize("rows", [300, 5000])  # one tile, and several
@pytest.mark.parametrize("temperature", [0.01, 0.1])
def test_float32_at_a_millionth(rows, temperature):
    batch = rows_of(0, rows, 20), labels_of(0, rows, classes=10)
    got, gradient = loss_and_gradient("cuda", *batch, temperature=temperature)
    want, expected = loss_and_gradient(
        "cpu", batch[0].double(), batch[1], temperature=temperature
    )
    assert got == pytest.approx(want, rel=1e-6)
    assert (gradient - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("precision", ["high", "bfloat16", "float16"])
def test_tf32_and_autocast_change_nothing(distance, precision):
    batch = rows_of(0, 200, 30) + 3, labels_of(0, 200)
    settings = {"temperature": 0.01, "distance": distance}
    want, expected = loss_and_gradient("cuda", *batch, **settings)
    before = entanglement(batch[0].cuda(), batch[1].cuda(), distance=distance)
    dtype = torch.float16 if precision == "float16" else torch.bfloat16
    if precision == "high":
        torch.set_float32_matmul_precision("high")
    try:
        with torch.autocast("cuda", dtype, enabled=precision != "high"):
            got, gradient = loss_and_gradient("cuda", *batch, **settings)
            measured = entanglement(batch[0].cuda(), batch[1].cuda(), distance=distance)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert got == want
    assert torch.equal(gradient, expected)
    assert measured == before


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("kind", ["number", "learned"])
def test_a_step_does_not_wait(distance, kind):
    temperature = 0.1 if kind == "number" else LearnedTemperature(0.1).cuda()
    criterion = SoftNearestNeighborLoss(temperature, distance=distance)
    with torch.device("cuda"):
        rows = torch.randn(200, 10, requires_grad=True)
        labels = torch.arange(200) % 5
        bank = torch.randn(300, 10), torch.arange(300) % 5
    with no_wait():
        for references in ((), bank):
            criterion(rows, labels, *references).backward()
    assert rows.grad.shape == (200, 10)


def test_a_step_with_the_loss_on_a_layer_does_not_wait():
    with torch.device("cuda"):
        model = torch.nn.Sequential(torch.nn.Linear(10, 8), torch.nn.ReLU())
        rows, labels = torch.randn(50, 10), torch.arange(50) % 5
    objective = LayerwiseSoftNearestNeighborLoss(
        model, torch.nn.CrossEntropyLoss(), factor=1.0, layers=["0"], temperature=0.1
    )
    with no_wait():
        objective(rows, labels).total.backward()


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("temperature", [0.01, 1.0])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_not_finite_in_is_nan_out(distance, temperature, value):
    rows, labels = rows_of(0, 30, 5), labels_of(0, 30)
    rows[3, 2] = value
    loss = soft_nearest_neighbor_loss(
        rows.cuda(), labels.cuda(), temperature=temperature, distance=distance
    )
    assert loss.isnan()


def test_labels_elsewhere_are_refused():
    with pytest.raises(ValueError, match=r"labels must be on the device of embeddings"):
        soft_nearest_neighbor_loss(torch.eye(4).cuda(), torch.zeros(4).long())


@pytest.mark.parametrize("distance", DISTANCES)
def test_entanglement_is_that_of_the_cpu(distance):
    rows, labels = rows_of(0, 400, 6), labels_of(0, 400)
    rows += 2 * torch.nn.functional.one_hot(labels % 6, 6)
    here = entanglement(rows, labels, distance=distance)
    there = entanglement(rows.cuda(), labels.cuda(), distance=distance)
    assert there == pytest.approx(here, rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", NETWORKS)
def test_training_goes_on_from_a_checkpoint(method, network, tmp_path):
    torch.manual_seed(0)
    images = torch.rand(60, 28, 28, device="cuda")
    labels = torch.arange(60, device="cuda") % 3
    temperature = 0.1 if method in ("supcon", "nca") else "learned"
    objective = make_objective(
        method, network, temperature=temperature, code_units=5, classes=3
    ).cuda()
    again = copy.deepcopy(objective)
    targets = labels if method.startswith("classifier") else images
    settings = {"batch_size": 20, "checkpoint": tmp_path / "training.pt"}
    train(objective, images, targets, labels, epochs=1, **settings)
    history = train(again, images, targets, labels, epochs=2, **settings)
    assert [record["epoch"] for record in history] == [0, 1]
    assert encode_all(again.model, images).isfinite().all()


def test_training_under_autocast():
    images, labels = torch.rand(60, 28, 28).cuda(), (torch.arange(60) % 3).cuda()
    objective = make_objective("snnl-layers", temperature=0.1, code_units=5).cuda()
    with torch.autocast("cuda", torch.bfloat16):
        history = train(objective, images, images, labels, epochs=2)
    assert history[-1]["total"] < history[0]["total"]
