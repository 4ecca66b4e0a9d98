"""Every way of learning a code that the chapters compare, by name."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from snnl_tutorial.datasets.load import UNLABELED
from snnl_tutorial.learning.models import (
    Autoencoder,
    Classifier,
    ConvolutionalAutoencoder,
    ConvolutionalClassifier,
)
from snnl_tutorial.loss.checks import check_choice
from snnl_tutorial.loss.layers import LayerwiseSoftNearestNeighborLoss
from snnl_tutorial.loss.temperature import (
    AnnealedTemperature,
    ConstantTemperature,
    LearnedTemperature,
    Temperature,
)

METHODS = {
    "autoencoder": "reconstruction alone",
    "snnl-code": "reconstruction, and the loss on the code",
    "snnl-layers": "reconstruction, and the loss on every layer of the encoder",
    "supcon": "reconstruction, and SupCon (Khosla et al., 2020) on the code",
    "nca": "reconstruction, and NCA (Goldberger et al., 2004) on the code",
    "classifier": "cross-entropy alone",
    "classifier-snnl": "cross-entropy, and the loss on the layer before the output",
}
NETWORKS = {
    "small": "fully connected, x-100-100-400-d-400-100-100-x",
    "paper": "fully connected, x-500-500-2000-d-2000-500-500-x",
    "convolutional": "three convolutions, and the way back",
}


def make_objective(
    method: str,
    network: str = "paper",
    *,
    factor: float = 1.0,
    temperature: str | float = "annealed",
    code_units: int = 50,
    classes: int = 10,
    in_features: int = 784,
) -> LayerwiseSoftNearestNeighborLoss:
    """A network, freshly drawn, with the loss that trains it.

    Args:
        method: one of `METHODS`.
        network: one of `NETWORKS`.
        factor: weight of what is added to the primary loss.
        temperature: a number, `"annealed"` (1/(1 + epoch)^0.55), or `"learned"`. NCA
            and SupCon need a number.
        code_units: width of the code.
        classes: for a classifier.
        in_features: numbers in an image, for the paper's network.

    Example:
        >>> objective = make_objective("snnl-code", factor=10, temperature=0.3)
        >>> objective.layers, objective.factor
        (['encoder.7'], 10)
    """
    check_choice(method, METHODS, "method")
    check_choice(network, NETWORKS, "network")
    hidden = {"small": (100, 100, 400), "paper": (500, 500, 2000)}.get(network)
    model: Any
    criterion: Callable[[Any, Any], Tensor]
    if method.startswith("classifier"):
        criterion = classification_loss
        if hidden:
            model = Classifier(in_features, classes, hidden)
            layers = ["hidden.5"]
        else:
            model = ConvolutionalClassifier(classes, code_units)
            layers = [model.code_layer]
    else:
        criterion = reconstruction_loss
        if hidden:
            model = Autoencoder(in_features, code_units, hidden)
            below = ["encoder.1", "encoder.3", "encoder.5"]
        else:
            model = ConvolutionalAutoencoder(code_units)
            below = ["encoder.stage1", "encoder.stage2", "encoder.stage3"]
        layers = [*(below if method == "snnl-layers" else []), model.code_layer]
    if method in ("autoencoder", "classifier"):
        factor = 0.0
    objective = LayerwiseSoftNearestNeighborLoss(
        *(model, criterion, factor, layers), temperature=make_temperature(temperature)
    )
    if method in ("supcon", "nca"):
        objective.soft_nearest_neighbor = other_loss(method, temperature)
    return objective


def make_temperature(temperature: str | float) -> Temperature:
    """A temperature by name, or constant."""
    if isinstance(temperature, str):
        check_choice(temperature, ("annealed", "learned"), "temperature")
        return (
            AnnealedTemperature() if temperature == "annealed" else LearnedTemperature()
        )
    return ConstantTemperature(temperature)


def reconstruction_loss(outputs: Tensor, images: Tensor) -> Tensor:
    """Binary cross-entropy, mean over all pixels; in float32 under autocast, too.

    Args:
        outputs: (N, D) in [0, 1].
        images: (N, ...) in [0, 1], D numbers each.

    Example:
        >>> reconstruction_loss(torch.full((2, 3), 0.5), torch.ones(2, 3))  # log 2
        tensor(0.6931)
    """
    wide = torch.promote_types(outputs.dtype, torch.float32)
    with torch.autocast(outputs.device.type, enabled=False):
        # A NaN in it raises on a CPU, and on a GPU ends the process: carry it past.
        loss = nn.functional.binary_cross_entropy(
            outputs.to(wide).nan_to_num(nan=0.5), images.flatten(1).to(wide)
        )
        return loss + 0 * outputs.detach().sum(dtype=wide)


def classification_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, mean over the labeled rows; 0 and not NaN if there is none.

    Args:
        outputs: (N, classes).
        labels: (N,) integer; -100 where the class is not told.

    Example:
        >>> classification_loss(torch.zeros(2, 4), torch.tensor([3, -100]))  # log 4
        tensor(1.3863)
    """
    total = nn.functional.cross_entropy(outputs, labels, reduction="sum")
    return total / (labels != UNLABELED).sum().clamp(min=1)


def other_loss(method: str, temperature: str | float) -> Any:
    """A loss of pytorch-metric-learning, where the soft nearest neighbor loss stood."""
    if isinstance(temperature, str):
        raise ValueError(
            f"temperature must be a number for method={method!r}; got {temperature!r}"
        )
    from pytorch_metric_learning.losses import NCALoss, SupConLoss

    if method == "supcon":
        return LabeledRowsOnly(SupConLoss(temperature=temperature), temperature)
    return LabeledRowsOnly(NCALoss(softmax_scale=1 / temperature), temperature)


class LabeledRowsOnly(nn.Module):
    """Hands a loss the rows that have a label, and knows its temperature.

    Args:
        loss: (embeddings, labels) -> 0-d tensor.
        temperature: of the loss.
    """

    def __init__(self, loss: nn.Module, temperature: float) -> None:
        super().__init__()
        self.loss = loss
        self.temperature = ConstantTemperature(temperature)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        known = labels != UNLABELED
        if int(known.sum()) < 2:
            return embeddings.sum() * 0
        loss: Tensor = self.loss(embeddings[known], labels[known])
        return loss
