"""The networks that the chapters train, small enough to read."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """A plain fully connected classifier with ReLU between its layers.

    Its hidden layers are named "hidden.0", "hidden.1" (the linear map, the ReLU), and
    so on; "output" puts out one logit a class.

    Args:
        in_features: numbers in one flattened input.
        classes: how many.
        hidden_units: width of each hidden layer.
        inplace: whether the ReLUs overwrite their inputs, as many networks do.

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
        widths = [in_features, *hidden_units]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace)]
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(widths[-1], classes)

    def encode(self, images: Tensor) -> Tensor:
        """(N, ...) images to (N, hidden_units[-1]) activations of the last ReLU."""
        return self.hidden(images.flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.encode(images))


class Autoencoder(nn.Module):
    """The fully connected autoencoder x-500-500-2000-d-2000-500-500-x.

    The widths of Agarap and Azcarraga (2020), after Salakhutdinov and Hinton (2007).
    ReLU between the layers; a sigmoid makes the code and the output. Weights before a
    ReLU start as He et al. (2015) say, before a sigmoid as Glorot and Bengio (2010)
    say, biases at 0.

    Its layers to put a loss on are "encoder.1", "encoder.3" and "encoder.5" (ReLUs),
    the code "encoder.7", "decoder.1", "decoder.3" and "decoder.5", and the output
    "decoder.7".

    Args:
        in_features: x, numbers in one flattened input.
        code_units: d.
        hidden_units: widths between the input and the code.

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
    ) -> None:
        super().__init__()
        widths = [in_features, *hidden_units, code_units]
        self.encoder = sigmoid_ending(widths)
        self.decoder = sigmoid_ending(widths[::-1])
        self.code_layer = f"encoder.{len(self.encoder) - 1}"

    def encode(self, images: Tensor) -> Tensor:
        """(N, ...) images to (N, code_units) codes in [0, 1]."""
        return self.encoder(images.flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encode(images))


def sigmoid_ending(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers of these widths, ReLUs between them, a sigmoid at the end."""
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths), start=1):
        linear = nn.Linear(inputs, outputs)
        nn.init.zeros_(linear.bias)
        if number < len(widths) - 1:
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            layers += [linear, nn.ReLU()]
        else:
            nn.init.xavier_uniform_(linear.weight)
            layers += [linear, nn.Sigmoid()]
    return nn.Sequential(*layers)


class ConvolutionalAutoencoder(nn.Module):
    """A small autoencoder of convolutions, for gray images of 28 x 28.

    Three convolutions, the first two of which halve the image. The code is linear and
    centered by a batch norm of its own, so that its directions, which are what a cosine
    sees, can point anywhere.

    Its layers to put a loss on are "encoder.stage1", "encoder.stage2",
    "encoder.stage3" and the code "encoder.code".

    Args:
        code_units: width of the code.
        channels: of the three convolutions.

    Example:
        >>> model = ConvolutionalAutoencoder(code_units=50)
        >>> model(torch.zeros(2, 28, 28)).shape, model.encode(torch.zeros(2, 784)).shape
        (torch.Size([2, 784]), torch.Size([2, 50]))
    """

    code_layer = "encoder.code"

    def __init__(
        self, code_units: int = 50, channels: tuple[int, int, int] = (32, 64, 64)
    ) -> None:
        super().__init__()
        first, second, third = channels
        self.encoder = nn.Sequential(
            OrderedDict(
                image=nn.Unflatten(1, (1, 28, 28)),
                stage1=convolution(1, first, size=5, stride=2),
                stage2=convolution(first, second, size=3, stride=2),
                stage3=convolution(second, third, size=3, stride=1),
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
        # A third faster on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, images: Tensor) -> Tensor:
        """(N, ...) images to (N, code_units) codes."""
        return self.encoder(images.flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encode(images))


class ConvolutionalClassifier(nn.Module):
    """The encoder of `ConvolutionalAutoencoder` with one linear layer on its code.

    Args:
        classes: how many.
        code_units: width of the code, the layer "encoder.code".
        channels: of the three convolutions.

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
        self.output = nn.Linear(code_units, classes)

    def encode(self, images: Tensor) -> Tensor:
        """(N, ...) images to (N, code_units) codes."""
        return self.encoder(images.flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.encode(images))


def convolution(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    """A convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


@contextmanager
def modes_restored(model: nn.Module) -> Iterator[None]:
    """Each module trains, or does not, as before: a frozen one stays frozen."""
    training = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, was in training.items():
            module.training = was


@torch.no_grad()
def encode_all(model: Any, images: Tensor, batch_size: int = 1000) -> Tensor:
    """Codes of all images, in evaluation mode, batch by batch, on the CPU.

    Args:
        model: with a method `encode`; its device is that of its first parameter.
        images: (N, ...), on any device.
        batch_size: rows at a time.

    Returns:
        (N, D) on the CPU.

    Example:
        >>> encode_all(Autoencoder(4, 2, (3,)), torch.rand(5, 4), batch_size=2).shape
        torch.Size([5, 2])
    """
    device = next(model.parameters()).device
    with modes_restored(model):
        model.eval()
        parts = [
            model.encode(part.to(device)).cpu() for part in images.split(batch_size)
        ]
    return torch.cat(parts)
