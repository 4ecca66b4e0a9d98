"""Every method trains its network; SupCon and NCA are auxiliary losses as ours is."""

import copy

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning.losses import NCALoss

from snnl_tutorial import soft_nearest_neighbor_loss
from snnl_tutorial.learning.objectives import (
    METHODS,
    NETWORKS,
    classification_loss,
    make_objective,
    reconstruction_loss,
)


def batch(n=24):
    torch.manual_seed(1)
    labels = torch.arange(n) % 3
    return torch.rand(n, 28, 28), labels.where(torch.arange(n) < n // 2, -100)


def new_objective(method, network="paper", **settings):
    torch.manual_seed(0)
    return make_objective(method, network, temperature=0.5, classes=3, **settings)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_a_step_gives_every_weight_a_gradient(method, network):
    images, labels = batch()
    objective = new_objective(method, network)
    targets = labels if method.startswith("classifier") else images
    terms = objective(images, targets, labels)
    terms.total.backward()
    assert terms.total == terms.primary + objective.factor * terms.auxiliary
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all()
        for parameter in objective.parameters()
    )
    plain = method in ("autoencoder", "classifier")
    assert (objective.factor == 0) == plain


def test_the_code_is_where_the_loss_is():
    images, labels = batch()
    objective = new_objective("snnl-code")
    terms = objective(images, images, labels)
    codes = objective.model.encode(images)[:12]
    want = soft_nearest_neighbor_loss(codes, labels[:12], temperature=0.5)
    assert terms.snn.item() == pytest.approx(want.item(), rel=1e-5)


def test_the_control_of_the_loss_on_the_code_has_a_classifier_there():
    images, labels = batch()
    objective = new_objective("autoencoder-classifier")
    terms = objective(images, images, labels)
    codes = objective.model.encode(images)[:12]
    want = F.cross_entropy(objective.model.output(codes), labels[:12])
    assert terms.auxiliary.item() == pytest.approx(want.item(), rel=1e-5)
    rebuilt = F.binary_cross_entropy(objective.model(images), images.flatten(1))
    assert terms.primary.item() == pytest.approx(rebuilt.item(), rel=1e-5)
    again = copy.deepcopy(objective)
    assert again.auxiliary.output is again.model.output


def test_every_layer_of_the_encoder():
    images, labels = batch()
    for network, count in (("paper", 4), ("convolutional", 4)):
        terms = new_objective("snnl-layers", network)(images, images, labels)
        assert len(terms.per_layer) == count
        assert all(name.startswith("encoder") for name in terms.per_layer)


def test_nca_sees_the_labeled_rows_only():
    images, labels = batch()
    objective = new_objective("nca")
    terms = objective(images, images, labels)
    codes = objective.model.encode(images)[:12]
    want = NCALoss(softmax_scale=2)(codes, labels[:12])
    assert terms.auxiliary.item() == pytest.approx(want.item(), rel=1e-5)
    none = objective(images, images, torch.full_like(labels, -100))
    assert none.auxiliary == 0


def test_the_reconstruction_by_hand():
    outputs, images = torch.tensor([[0.2, 0.9]]), torch.tensor([[[0.0], [1.0]]])
    want = -(torch.tensor(0.8).log() + torch.tensor(0.9).log()) / 2
    assert reconstruction_loss(outputs, images) == pytest.approx(want.item())


def test_a_nan_in_the_outputs_is_a_nan_in_the_reconstruction():
    outputs = torch.tensor([[0.2, torch.nan]])
    assert reconstruction_loss(outputs, torch.zeros(1, 2)).isnan()


def test_the_reconstruction_of_half_precision_is_taken_in_float32():
    outputs = torch.full((500, 784), 0.5, dtype=torch.float16)  # they add up to inf
    assert reconstruction_loss(outputs, outputs).item() == pytest.approx(0.6931, 1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "magic"}, "method must be 'autoencoder' or .*got 'magic'"),
        ({"method": "nca", "network": "deep"}, "network must be .*got 'deep'"),
        ({"method": "nca", "temperature": "annealed"}, "a number for method='nca'"),
        ({"method": "snnl-code", "temperature": "low"}, "temperature must be"),
        ({"method": "nca", "temperature": 0}, "temperature must be positive.*got 0"),
        ({"method": "supcon", "temperature": -1}, "temperature must be positive"),
        ({"method": "snnl-code", "temperature": torch.nan}, "temperature .*got nan"),
        ({"method": "snnl-code", "temperature": None}, "temperature .*got NoneType"),
        ({"method": "snnl-code", "factor": torch.inf}, "factor must be finite"),
        ({"method": "snnl-layers", "factor": "1"}, "factor must be a number; got str"),
        ({"method": "classifier", "classes": 0}, "classes must be at least 1; got 0"),
        ({"method": "nca", "temperature": 1, "code_units": 2.5}, "code_units must be"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make_objective(**settings)


def test_unlabeled_rows_do_not_count_in_the_classification():
    torch.manual_seed(0)
    outputs, labels = torch.randn(5, 3), torch.tensor([0, -100, 2, -100, 1])
    want = torch.nn.functional.cross_entropy(outputs[::2], labels[::2])
    assert classification_loss(outputs, labels).item() == pytest.approx(want.item())
    outputs.requires_grad_()
    loss = classification_loss(outputs, torch.full((5,), -100))
    loss.backward()
    assert loss == 0
    assert not outputs.grad.any()
