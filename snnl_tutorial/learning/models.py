"""The networks that the chapters train."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from snnl_tutorial.loss.checks import check_integer, check_types


class Classifier(nn.Module):
    """A fully connected classifier with ReLU between its layers.

    Layers: "hidden.0" (linear), "hidden.1" (ReLU) and so on; "output" returns one logit
    for each class. `code_layer` names the last ReLU.

    Args:
        in_features: length of one flattened input.
        classes: number of classes.
        hidden_units: width of each hidden layer.
        inplace: whether the ReLUs overwrite their inputs, as in many networks.

    Raises:
        ValueError, TypeError: a width that is no positive integer, or none at all.

    Example:
        >>> model = Classifier(784, 10)
        >>> model(torch.zeros(2, 28, 28)).shape, model.encode(torch.zeros(2, 784)).shape
        (torch.Size([2, 10]), torch.Size([2, 64]))
    """

    def __init__(
        self,
        in_features: int = 784,
        classes: int = 10,
        hidden_units: Sequence[int] = (256, 64),
        inplace: bool = False,
    ) -> None:
        super().__init__()
        widths = [
            check_integer(in_features, "in_features", least=1),
            *check_widths(hidden_units, "hidden_units"),
        ]
        if len(widths) == 1:
            raise ValueError("hidden_units must have at least one width; got none")
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace)]
        self.hidden = nn.Sequential(*layers)
        self.code_layer = f"hidden.{len(layers) - 1}"
        self.output = nn.Linear(widths[-1], check_integer(classes, "classes", least=1))

    def encode(self, images: Tensor) -> Tensor:
        """(N, ...) images to (N, hidden_units[-1]) activations of the last ReLU."""
        return self.hidden(images.flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.encode(images))


class Autoencoder(nn.Module):
    """The fully connected autoencoder x-500-500-2000-d-2000-500-500-x.

    The widths are those of Agarap and Azcarraga (2020), after Salakhutdinov and Hinton
    (2007). ReLU between the layers, a sigmoid on the code and on the output. Initial
    weights follow He et al. (2015) before a ReLU, and Glorot and Bengio (2010) before a
    sigmoid; biases start at 0.

    Layers for an auxiliary loss: `encoder_layers` are "encoder.1", "encoder.3" and
    "encoder.5" (ReLUs) and the code "encoder.7" (`code_layer`); in the decoder,
    "decoder.1", "decoder.3" and "decoder.5", and the output "decoder.7".

    Args:
        in_features: x, the length of one flattened input.
        code_units: d, the width of the code.
        hidden_units: widths of the layers between the input and the code.
        generator: draws the initial weights, in float32 and on its device, and nothing
            is drawn from torch's own generator. Default: torch's own generator, which
            all threads of a process share.

    Raises:
        ValueError, TypeError: a width that is no positive integer.

    Example:
        >>> model = Autoencoder(784, code_units=50)
        >>> model(torch.zeros(2, 28, 28)).shape, model.encode(torch.zeros(2, 784)).shape
        (torch.Size([2, 784]), torch.Size([2, 50]))
    """

    def __init__(
        self,
        in_features: int = 784,
        code_units: int = 50,
        hidden_units: Sequence[int] = (500, 500, 2000),
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        widths = [
            check_integer(in_features, "in_features", least=1),
            *check_widths(hidden_units, "hidden_units"),
            check_integer(code_units, "code_units", least=1),
        ]
        self.encoder = linear_stack(widths, generator)
        self.decoder = linear_stack(widths[::-1], generator)
        activations = range(1, len(self.encoder), 2)
        self.encoder_layers = [f"encoder.{number}" for number in activations]
        self.code_layer = self.encoder_layers[-1]

    def encode(self, images: Tensor) -> Tensor:
        """(N, ...) images to (N, code_units) codes in [0, 1]."""
        return self.encoder(images.flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encode(images))


def check_widths(widths: Sequence[int], name: str) -> list[int]:
    """Return the widths as Python integers, each at least 1."""
    try:
        found = list(widths)
    except TypeError:
        kind = type(widths).__name__
        raise TypeError(f"{name} must be a sequence of integers; got {kind}") from None
    return [check_integer(width, f"each of {name}", least=1) for width in found]


def linear_stack(
    widths: Sequence[int], generator: torch.Generator | None
) -> nn.Sequential:
    """Linear layers of these widths, ReLUs between them, a sigmoid at the end."""
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths), start=1):
        if generator is None:
            linear = nn.Linear(inputs, outputs)
        else:  # nn.Linear would draw weights from torch's own generator
            kind = {"dtype": torch.float32, "device": generator.device}
            linear = skip_init(nn.Linear, inputs, outputs, **kind)
        nn.init.zeros_(linear.bias)
        if number < len(widths) - 1:
            nn.init.kaiming_normal_(
                linear.weight, nonlinearity="relu", generator=generator
            )
            layers += [linear, nn.ReLU()]
        else:
            nn.init.xavier_uniform_(linear.weight, generator=generator)
            layers += [linear, nn.Sigmoid()]
    return nn.Sequential(*layers)


class ConvolutionalAutoencoder(nn.Module):
    """A small convolutional autoencoder for gray images of 28 x 28 pixels.

    Of its three convolutions, the first two halve the image. The code is linear and
    centered by a batch norm: its rows can point in all directions, which suits the
    cosine distance.

    Layers for an auxiliary loss: `encoder_layers` are "encoder.stage1",
    "encoder.stage2", "encoder.stage3" and the code "encoder.code" (`code_layer`).

    Args:
        code_units: width of the code.
        channels: of the three convolutions.

    Raises:
        ValueError, TypeError: a width that is no positive integer.

    Example:
        >>> model = ConvolutionalAutoencoder(code_units=50)
        >>> model(torch.zeros(2, 28, 28)).shape, model.encode(torch.zeros(2, 784)).shape
        (torch.Size([2, 784]), torch.Size([2, 50]))
    """

    encoder_layers = (
        "encoder.stage1",
        "encoder.stage2",
        "encoder.stage3",
        "encoder.code",
    )
    code_layer = "encoder.code"

    def __init__(
        self, code_units: int = 50, channels: tuple[int, int, int] = (32, 64, 64)
    ) -> None:
        super().__init__()
        code_units = check_integer(code_units, "code_units", least=1)
        widths = check_widths(channels, "channels")
        if len(widths) != 3 or widths[0] < 2:  # the decoder halves the first
            raise ValueError(
                f"channels must be three numbers, the first at least 2; got {widths}"
            )
        first, second, third = widths
        self.encoder = nn.Sequential(
            OrderedDict(
                image=nn.Unflatten(1, (1, 28, 28)),
                stage1=convolution_block(1, first, size=5, stride=2),
                stage2=convolution_block(first, second, size=3, stride=2),
                stage3=convolution_block(second, third, size=3, stride=1),
                flat=nn.Flatten(),
                linear=nn.Linear(third * 49, code_units, bias=False),
                code=nn.BatchNorm1d(code_units),
            )
        )
        self.decoder = nn.Sequential(
            nn.Linear(code_units, first * 49),
            nn.ReLU(),
            nn.Unflatten(1, (first, 7, 7)),
            nn.ConvTranspose2d(first, first // 2, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(first // 2, 1, 4, stride=2, padding=1),
            nn.Flatten(),
            nn.Sigmoid(),
        )
        # Channels last is a third faster on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, images: Tensor) -> Tensor:
        """(N, ...) images to (N, code_units) codes."""
        return self.encoder(images.flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encode(images))


class ConvolutionalClassifier(nn.Module):
    """The encoder of `ConvolutionalAutoencoder` with one linear layer on its code.

    Args:
        classes: number of classes.
        code_units: width of the code, layer "encoder.code" (`code_layer`).
        channels: of the three convolutions.

    Raises:
        ValueError, TypeError: a width that is no positive integer.

    Example:
        >>> ConvolutionalClassifier(10)(torch.zeros(2, 28, 28)).shape
        torch.Size([2, 10])
    """

    code_layer = "encoder.code"

    def __init__(
        self,
        classes: int = 10,
        code_units: int = 50,
        channels: tuple[int, int, int] = (32, 64, 64),
    ) -> None:
        super().__init__()
        self.encoder = ConvolutionalAutoencoder(code_units, channels).encoder
        code_units = check_integer(code_units, "code_units", least=1)
        classes = check_integer(classes, "classes", least=1)
        self.output = nn.Linear(code_units, classes)

    def encode(self, images: Tensor) -> Tensor:
        """(N, ...) images to (N, code_units) codes."""
        return self.encoder(images.flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.encode(images))


def convolution_block(
    inputs: int, outputs: int, size: int, stride: int
) -> nn.Sequential:
    """A convolution of `inputs` channels to `outputs`, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


@contextmanager
def restore_modes(model: nn.Module) -> Iterator[None]:
    """Restore the mode of each module, training or evaluation, after the block."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@torch.no_grad()
def encode_all(model: Any, images: Tensor, batch_size: int = 1000) -> Tensor:
    """Encode all images, batch by batch, in evaluation mode.

    Args:
        model: has a method `encode`, and all its parameters on one device.
        images: (N, ...), on any device.
        batch_size: images in a batch.

    Returns:
        (N, D) on the CPU.

    Raises:
        ValueError, TypeError: `batch_size` is no positive integer, images no tensor.

    Example:
        >>> encode_all(Autoencoder(4, 2, (3,)), torch.rand(5, 4), batch_size=2).shape
        torch.Size([5, 2])
    """
    batch_size = check_integer(batch_size, "batch_size", least=1)
    check_types(images=(images, Tensor))
    device = next(model.parameters()).device
    with restore_modes(model):
        model.eval()
        parts = [
            model.encode(part.to(device)).cpu() for part in images.split(batch_size)
        ]
    return torch.cat(parts)
