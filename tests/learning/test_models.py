"""Shapes, ranges, first weights, and names of layers that the chapters rely on."""

import math
from itertools import pairwise

import pytest
import torch

from snnl_tutorial import record_activations
from snnl_tutorial.learning.models import (
    Autoencoder,
    ConvolutionalAutoencoder,
    ConvolutionalClassifier,
    encode_all,
)


def test_the_papers_widths():
    model = Autoencoder(784, code_units=50)
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    widths = [784, 500, 500, 2000, 50, 2000, 500, 500, 784]
    assert [(m.in_features, m.out_features) for m in linear] == list(pairwise(widths))


def test_first_weights_follow_he_and_glorot():
    torch.manual_seed(0)
    model = Autoencoder()
    first, code = model.encoder[0], model.encoder[6]
    assert first.weight.std().item() == pytest.approx(math.sqrt(2 / 784), rel=0.02)
    limit = math.sqrt(6 / (2000 + 50))
    assert code.weight.abs().max().item() == pytest.approx(limit, rel=0.01)
    assert code.weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert not any(
        m.bias.any() for m in model.modules() if isinstance(m, torch.nn.Linear)
    )


@pytest.mark.parametrize("kind", [Autoencoder, ConvolutionalAutoencoder])
def test_images_flat_or_not_are_rebuilt_from_their_code(kind):
    torch.manual_seed(0)
    model, images = kind(code_units=7), torch.rand(4, 28, 28)
    model.eval()
    with record_activations(model) as activations:
        rebuilt = model(images)
    assert torch.equal(rebuilt, model(images.flatten(1)))
    assert rebuilt.shape == (4, 784)
    assert rebuilt.min() >= 0
    assert rebuilt.max() <= 1
    assert torch.equal(activations[model.code_layer], model.encode(images))
    assert model.encode(images).shape == (4, 7)


def test_the_classifier_reads_the_code():
    model = ConvolutionalClassifier(3, code_units=5).eval()
    images = torch.rand(2, 28, 28)
    assert torch.equal(model(images), model.output(model.encode(images)))


@pytest.mark.parametrize("training", [True, False])
def test_codes_of_many_images_come_in_batches_and_in_evaluation_mode(training):
    model = ConvolutionalAutoencoder(code_units=3).train(training)
    images = torch.rand(5, 28, 28)
    codes = encode_all(model, images, batch_size=2)
    assert model.training == training
    assert not codes.requires_grad
    assert torch.allclose(codes, model.eval().encode(images), atol=1e-6)
