"""What torch makes by default, and where, changes no number of ours."""

import pytest
import torch

from snnl_tutorial import (
    AnnealedTemperature,
    ConstantTemperature,
    SoftNearestNeighborLoss,
    entanglement,
    soft_nearest_neighbor_loss,
)
from snnl_tutorial.datasets.augmentation import shift_and_mirror
from snnl_tutorial.datasets.batches import ShuffledBatches
from snnl_tutorial.loss.distance import pairwise_distance, published_cosine_distance
from snnl_tutorial.loss.masking import neighbor_masks
from snnl_tutorial.loss.sampling import published_sampling_probability
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
)
from snnl_tutorial.view import exercises
from tests.helpers import labels_of, rows_of

ROWS, LABELS = rows_of(0, 20, 4), labels_of(0, 20)
IMAGES = rows_of(1, 6, 16).view(6, 4, 4)


def loss_and_gradient(**settings):
    rows = ROWS.clone().requires_grad_()
    loss = soft_nearest_neighbor_loss(rows, LABELS, **settings)
    return loss.detach(), *torch.autograd.grad(loss, rows)


def augmented():
    return [shift_and_mirror(IMAGES, torch.Generator().manual_seed(3))]


CALLS = {
    "loss": loss_and_gradient,
    "tiles": lambda: loss_and_gradient(
        block_size=7, distance="sqeuclidean", temperature=1.0
    ),
    "a cold one": lambda: loss_and_gradient(temperature=1e-3),
    "callable": lambda: loss_and_gradient(distance=torch.cdist, temperature=1.0),
    "half": lambda: [soft_nearest_neighbor_loss(ROWS.half(), LABELS)],
    "constant": lambda: [
        SoftNearestNeighborLoss(ConstantTemperature(0.3))(ROWS, LABELS)
    ],
    "annealed": lambda: [
        SoftNearestNeighborLoss(AnnealedTemperature(2.0))(ROWS, LABELS)
    ],
    "distances": lambda: [pairwise_distance(ROWS), pairwise_distance(ROWS.half())],
    "masks": lambda: neighbor_masks(LABELS),
    "published": lambda: [published_soft_nearest_neighbor_loss(ROWS, LABELS)],
    "published probability": lambda: [
        published_sampling_probability(published_cosine_distance(ROWS), 0.5)
    ],
    "entanglement": lambda: torch.tensor(
        entanglement(ROWS, LABELS, training_temperature=0.3),
        dtype=torch.float64,
        device="cpu",
    ),
    "entanglement, given T": lambda: torch.tensor(
        entanglement(ROWS, LABELS, 0.5, training_temperature=0.3),
        dtype=torch.float64,
        device="cpu",
    ),
    "augmentation": augmented,
    "batches": lambda: list(ShuffledBatches(10, 4, seed=1)),
    "answers": lambda: [exercises.as_numbers([1, 2.5], (2,))],
}


@pytest.fixture(params=["meta", torch.float64, torch.float16], ids=str)
def default(request):
    """Sets a default; `meta` stands for a GPU: nothing of it can be read here."""
    if isinstance(request.param, str):
        set_default, before = torch.set_default_device, None
    else:
        set_default, before = torch.set_default_dtype, torch.get_default_dtype()
    yield lambda: set_default(request.param)
    set_default(before)


@pytest.mark.parametrize("name", list(CALLS))
def test_the_defaults_of_torch_change_nothing(name, default):
    want = list(CALLS[name]())
    default()
    for got, wanted in zip(CALLS[name](), want, strict=True):
        assert got.device == wanted.device
        assert got.dtype == wanted.dtype
        assert torch.equal(got, wanted)
