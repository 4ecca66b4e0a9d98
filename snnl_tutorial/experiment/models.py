"""Small networks that the chapters train."""

from collections.abc import Sequence
from itertools import pairwise

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
        >>> import torch
        >>> Classifier(784, 10)(torch.zeros(2, 28, 28)).shape
        torch.Size([2, 10])
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

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.hidden(images.flatten(1)))
