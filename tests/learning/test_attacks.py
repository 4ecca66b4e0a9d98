"""Attacks against what is known of a linear model, and the bounds that they promise."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from snnl_tutorial.learning.attacks import fgsm, pgd
from snnl_tutorial.learning.models import Classifier

RADIUS = 0.1


def linear_model(weight):
    """Two classes, whose logits are 0 and a product with the weight."""
    model = nn.Linear(len(weight), 2, bias=False).double()
    model.weight.data = torch.stack([torch.zeros_like(weight), weight])
    return model


def inputs(seed, rows=20, columns=6):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    weight = torch.randn(columns, generator=generator, dtype=torch.float64)
    labels = torch.arange(rows) % 2
    return linear_model(weight), images, labels, weight


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_a_linear_model_is_attacked_at_a_corner(attack, seed):
    """Its loss grows against the weight in class 1, along it in class 0."""
    model, images, labels, weight = inputs(seed)
    away = weight.sign() * (1 - 2 * labels)[:, None]
    corner = (images + RADIUS * away).clamp(0, 1)
    moved = attack(model, images, labels, RADIUS)
    assert torch.allclose(moved, corner, atol=1e-12)


def convolutional():
    """A small network with dropout and batch norm, for images with a channel."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 36, 3))


MODELS = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)),
    "classifier": lambda: Classifier(64, 3, (16,)),
    "convolutional": convolutional,
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("settings", [{}, {"steps": 3}, {"step_size": 1.0, "seed": 7}])
def test_attacks_stay_in_the_ball_and_raise_the_loss(build, settings):
    torch.manual_seed(0)
    model = build()
    images, labels = torch.rand(12, 1, 8, 8), torch.arange(12) % 3
    images[:4] = images[:4].round()  # black and white: at the edge of [0, 1]
    before = cross_entropy(model.eval()(images), labels)
    attacks = [fgsm(model, images, labels, RADIUS)]
    attacks.append(pgd(model, images, labels, RADIUS, **settings))
    for moved in attacks:
        assert moved.shape == images.shape
        assert moved.dtype == images.dtype
        assert not moved.requires_grad
        assert moved.min() >= 0
        assert moved.max() <= 1
        assert (moved - images).abs().max() <= RADIUS + 1e-6
        assert cross_entropy(model(moved), labels) > before


@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_an_attack_leaves_the_model_as_it_was(attack):
    model = convolutional()
    model[1].eval()  # a frozen part
    state = {name: value.clone() for name, value in model.state_dict().items()}
    images, labels = torch.rand(4, 1, 8, 8), torch.zeros(4).long()
    with torch.no_grad():  # as in an evaluation
        first = attack(model, images, labels, RADIUS)
    assert torch.equal(first, attack(model, images, labels, RADIUS))  # no dropout
    assert model.training
    assert not model[1].training
    assert all(torch.equal(state[k], v) for k, v in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    assert not images.requires_grad


def test_a_radius_of_zero_changes_nothing():
    model, images, labels, _ = inputs(0)
    assert torch.equal(fgsm(model, images, labels, 0), images)
    assert torch.equal(pgd(model, images, labels, 0.0), images)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": torch.ones(2, 6) * 2}, ValueError, r"images must be .* \[0, 1\]"),
        ({"images": torch.full((2, 6), torch.nan)}, ValueError, "images must be"),
        ({"images": torch.empty(0, 6)}, ValueError, "at least one"),
        ({"images": torch.ones(2, 6).byte()}, TypeError, "floating .* got torch.uint8"),
        (
            {"labels": torch.zeros(3).long()},
            ValueError,
            r"have shape \(2,\), .* \(3,\)",
        ),
        (
            {"labels": torch.zeros(2)},
            TypeError,
            "labels must be integer; got torch.float32",
        ),
        (
            {"radius": -0.1},
            ValueError,
            "radius must be at least 0 and finite; got -0.1",
        ),
        ({"radius": float("inf")}, ValueError, "radius must be at least 0 and finite"),
        ({"radius": "0.1"}, TypeError, "radius must be a number; got str"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    model, *_ = inputs(0)
    given = {
        "images": torch.rand(2, 6).double(),
        "labels": torch.tensor([0, 1]),
        "radius": RADIUS,
    }
    for attack in (fgsm, pgd):
        with pytest.raises(error, match=message):
            attack(model, **given | change)


def test_bad_steps_are_named():
    model, images, labels, _ = inputs(0)
    with pytest.raises(ValueError, match="steps must be at least 1; got 0"):
        pgd(model, images, labels, RADIUS, steps=0)
    with pytest.raises(ValueError, match="step_size must be at least 0 and finite"):
        pgd(model, images, labels, RADIUS, step_size=-1.0)
