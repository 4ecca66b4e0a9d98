"""Shapes, ranges, first weights, and names of layers that the chapters rely on."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from snnl_tutorial import record_activations
from snnl_tutorial.learning.models import (
    Autoencoder,
    Classifier,
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


@pytest.mark.parametrize("hidden", [(), (6,), (9, 7)])
def test_a_generator_draws_the_first_weights_and_nothing_else_is_drawn(hidden):
    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        model = Autoencoder(8, 3, hidden, generator=generator)
        return torch.nn.utils.parameters_to_vector(model.parameters())

    before = torch.get_rng_state()
    first, again, other = draw(0), draw(0), draw(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_weights_from_a_generator_follow_he_and_glorot_too():
    model = Autoencoder(784, 50, (2000,), generator=torch.Generator().manual_seed(0))
    first, code = model.encoder[0], model.encoder[2]
    assert first.weight.std().item() == pytest.approx(math.sqrt(2 / 784), rel=0.02)
    limit = math.sqrt(6 / (2000 + 50))
    assert code.weight.abs().max().item() == pytest.approx(limit, rel=0.01)
    assert not any(layer.bias.any() for layer in (first, code))


@pytest.mark.parametrize(
    ("make", "plain", "given"),
    [
        (Classifier, (4, 3, [5, 6]), (np.int64(4), np.uint8(3), np.array([5, 6]))),
        (Autoencoder, (4, 3, [5]), (np.int32(4), np.int8(3), [np.int64(5)])),
        (ConvolutionalAutoencoder, (3, (4, 2, 2)), (np.int64(3), np.array([4, 2, 2]))),
        (ConvolutionalClassifier, (2, 3), (np.uint8(2), np.uint8(3))),
    ],
)
def test_widths_of_numpy_are_those_of_python(make, plain, given):
    assert repr(make(*given)) == repr(make(*plain))
    images = torch.rand(3, 784 if make.__name__.startswith("Conv") else 4)
    assert len(encode_all(make(*given), images, np.int64(2))) == 3


@pytest.mark.parametrize(
    ("make", "settings", "error", "message"),
    [
        (Autoencoder, {"hidden_units": 5}, TypeError, "hidden_units .*sequence.*; got"),
        (Autoencoder, {"hidden_units": (5, 0)}, ValueError, "hidden_units .*; got 0"),
        (Autoencoder, {"code_units": 2.0}, TypeError, "code_units .*; got float"),
        (Classifier, {"hidden_units": ()}, ValueError, "hidden_units .*; got none"),
        (Classifier, {"in_features": 0}, ValueError, "in_features must .*; got 0"),
        (Classifier, {"classes": "3"}, TypeError, "classes must .*; got str"),
        (ConvolutionalAutoencoder, {"channels": (8, 8)}, ValueError, "channels .*thr"),
        (ConvolutionalAutoencoder, {"channels": (1, 8, 8)}, ValueError, "at least 2"),
        (ConvolutionalClassifier, {"code_units": -1}, ValueError, "code_units .*-1"),
    ],
)
def test_bad_widths_are_named(make, settings, error, message):
    with pytest.raises(error, match=message):
        make(**settings)


@pytest.mark.parametrize(
    ("images", "batch_size", "error", "message"),
    [
        (torch.rand(5, 4), 0, ValueError, "batch_size must be at least 1; got 0"),
        (torch.rand(5, 4), None, TypeError, "batch_size must be an integer; got None"),
        (np.ones((5, 4)), 2, TypeError, "images must be .*Tensor; got ndarray"),
    ],
)
def test_bad_images_and_batches_to_encode_are_named(images, batch_size, error, message):
    with pytest.raises(error, match=message):
        encode_all(Autoencoder(4, 2, (3,)), images, batch_size)
