"""The methods of learning a code that the chapters compare, by name."""

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
from snnl_tutorial.loss.checks import check_choice, check_real
from snnl_tutorial.loss.layers import (
    LayerwiseLoss,
    LayerwiseSoftNearestNeighborLoss,
)
from snnl_tutorial.loss.temperature import (
    AnnealedTemperature,
    ConstantTemperature,
    LearnedTemperature,
    Temperature,
    read_temperature,
)

METHODS = {
    "autoencoder": "reconstruction alone",
    "snnl-code": "reconstruction, and the loss on the code",
    "snnl-layers": "reconstruction, and the loss on every layer of the encoder",
    "supcon": "reconstruction, and SupCon (Khosla et al., 2020) on the code",
    "nca": "reconstruction, and NCA (Goldberger et al., 2004) on the code",
    "autoencoder-classifier": "reconstruction, and cross-entropy of the code's classes",
    "classifier": "cross-entropy alone",
    "classifier-snnl": "cross-entropy, and the loss on the layer before the output",
}
NETWORKS = {
    "small": "fully connected, x-100-100-400-d-400-100-100-x",
    "paper": "fully connected, x-500-500-2000-d-2000-500-500-x",
    "convolutional": "three convolutions, and a decoder",
}
HIDDEN_UNITS = {"small": (100, 100, 400), "paper": (500, 500, 2000)}


def make_objective(
    method: str,
    network: str = "paper",
    *,
    factor: float = 1.0,
    temperature: str | float = "annealed",
    code_units: int = 50,
    classes: int = 10,
    in_features: int = 784,
) -> LayerwiseLoss:
    """Make a network with random weights, and the loss that trains it.

    Args:
        method: one of `METHODS`.
        network: one of `NETWORKS`.
        factor: weight of the auxiliary loss beside the primary loss.
        temperature: a number, `"annealed"` (1/(1 + epoch)^0.55), or `"learned"`. NCA
            and SupCon need a number.
        code_units: width of the code.
        classes: number of classes, for a linear layer "output" on the code.
        in_features: length of a flattened image, for a fully connected network.

    Raises:
        ValueError: an unknown method, network or temperature; a number out of range; a
            temperature that is not a number for NCA or SupCon.
        TypeError: a number of a wrong type.

    Example:
        >>> objective = make_objective("snnl-code", factor=10, temperature=0.3)
        >>> objective.layers, objective.factor
        (['encoder.7'], 10.0)
    """
    check_choice(method, METHODS, "method")
    check_choice(network, NETWORKS, "network")
    factor = check_real(factor, "factor")
    criterion: Callable[[Tensor, Tensor], Tensor]
    if method.startswith("classifier"):
        model = make_classifier(network, in_features, classes, code_units)
        criterion = classification_loss
    else:
        model = make_autoencoder(network, in_features, code_units)
        criterion = reconstruction_loss
    if method == "autoencoder-classifier":
        model.output = nn.Linear(code_units, classes)
        auxiliary: nn.Module = OutputLayerLoss(model.output)
        return LayerwiseLoss(model, criterion, auxiliary, factor, [model.code_layer])
    layers = model.encoder_layers if method == "snnl-layers" else [model.code_layer]
    if method in ("supcon", "nca"):
        auxiliary = metric_learning_loss(method, temperature)
        return LayerwiseLoss(model, criterion, auxiliary, factor, layers)
    return LayerwiseSoftNearestNeighborLoss(
        model,
        criterion,
        factor=0.0 if method in ("autoencoder", "classifier") else factor,
        layers=layers,
        temperature=make_temperature(temperature),
    )


def make_classifier(
    network: str, in_features: int, classes: int, code_units: int
) -> Any:
    """A classifier of one of the `NETWORKS`."""
    if network == "convolutional":
        return ConvolutionalClassifier(classes, code_units)
    return Classifier(in_features, classes, HIDDEN_UNITS[network])


def make_autoencoder(network: str, in_features: int, code_units: int) -> Any:
    """An autoencoder of one of the `NETWORKS`."""
    if network == "convolutional":
        return ConvolutionalAutoencoder(code_units)
    return Autoencoder(in_features, code_units, HIDDEN_UNITS[network])


def make_temperature(temperature: str | float) -> Temperature:
    """A `Temperature` by its name, or a constant one."""
    if isinstance(temperature, str):
        check_choice(temperature, ("annealed", "learned"), "temperature")
        return (
            AnnealedTemperature() if temperature == "annealed" else LearnedTemperature()
        )
    return ConstantTemperature(read_temperature(temperature, "temperature"))


def reconstruction_loss(outputs: Tensor, images: Tensor) -> Tensor:
    """Binary cross-entropy, averaged over all pixels; in float32 under autocast, too.

    Args:
        outputs: (N, D) in [0, 1].
        images: (N, ...) in [0, 1], D numbers each.

    Returns:
        0-d.

    Example:
        >>> reconstruction_loss(torch.full((2, 3), 0.5), torch.ones(2, 3))  # log 2
        tensor(0.6931)
    """
    wide = torch.promote_types(outputs.dtype, torch.float32)
    with torch.autocast(outputs.device.type, enabled=False):
        # On a NaN, PyTorch's function raises on a CPU and aborts the process on a GPU.
        # So NaNs are replaced before it, and put back into the loss after it.
        loss = nn.functional.binary_cross_entropy(
            outputs.to(wide).nan_to_num(nan=0.5), images.flatten(1).to(wide)
        )
        return loss + 0 * outputs.detach().sum(dtype=wide)


def classification_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, averaged over the labeled rows; 0 and not NaN without any.

    Args:
        outputs: (N, classes) logits.
        labels: (N,) integer; -100 where the row has no label.

    Returns:
        0-d.

    Example:
        >>> classification_loss(torch.zeros(2, 4), torch.tensor([3, -100]))  # log 4
        tensor(1.3863)
    """
    total = nn.functional.cross_entropy(outputs, labels, reduction="sum")
    return total / (labels != UNLABELED).sum().clamp(min=1)


class OutputLayerLoss(nn.Module):
    """The `classification_loss` of a layer on the code.

    Args:
        output: (N, D) codes to (N, classes) logits. It is trained, too.

    Example:
        >>> criterion = OutputLayerLoss(nn.Identity())
        >>> criterion(torch.zeros(2, 4), torch.tensor([3, -100]))  # log 4
        tensor(1.3863)
    """

    def __init__(self, output: nn.Module) -> None:
        super().__init__()
        self.output = output

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        return classification_loss(self.output(codes), labels)


def metric_learning_loss(method: str, temperature: str | float) -> "LabeledRowsLoss":
    """SupCon or NCA, from pytorch-metric-learning, on the labeled rows."""
    if isinstance(temperature, str):
        raise ValueError(
            f"temperature must be a number for method={method!r}; got {temperature!r}"
        )
    from pytorch_metric_learning.losses import NCALoss, SupConLoss

    number = read_temperature(temperature, "temperature")
    if method == "supcon":
        return LabeledRowsLoss(SupConLoss(temperature=number), number)
    return LabeledRowsLoss(NCALoss(softmax_scale=1 / number), number)


class LabeledRowsLoss(nn.Module):
    """A loss of the labeled rows alone; 0 with a zero gradient below two of them.

    Args:
        loss: (embeddings (N, D), labels (N,)) -> 0-d tensor.
        temperature: of that loss, for the history of a training.

    Example:
        >>> criterion = LabeledRowsLoss(nn.CrossEntropyLoss(), temperature=1.0)
        >>> criterion(torch.zeros(3, 4), torch.tensor([0, 1, -100]))  # log 4
        tensor(1.3863)
    """

    def __init__(self, loss: nn.Module, temperature: float) -> None:
        super().__init__()
        self.loss = loss
        self.temperature = ConstantTemperature(temperature)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        labeled = labels != UNLABELED
        if int(labeled.sum()) < 2:
            return embeddings.sum() * 0
        loss: Tensor = self.loss(embeddings[labeled], labels[labeled])
        return loss
