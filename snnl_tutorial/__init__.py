"""The soft nearest neighbor loss, taken apart: the package under the book.

The public names are loaded when they are first used, so that importing the package
costs nothing beyond torch, and loads neither matplotlib nor scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what editors and type checkers see
    from snnl_tutorial.datasets.load import load_dataset
    from snnl_tutorial.learning.estimator import SoftNearestNeighborEncoder
    from snnl_tutorial.learning.models import Autoencoder
    from snnl_tutorial.loss.entanglement import entanglement
    from snnl_tutorial.loss.layers import (
        LayerwiseLoss,
        LayerwiseSoftNearestNeighborLoss,
        record_activations,
    )
    from snnl_tutorial.loss.soft_nearest_neighbor import (
        SoftNearestNeighborLoss,
        soft_nearest_neighbor_loss,
    )
    from snnl_tutorial.loss.temperature import (
        AnnealedTemperature,
        ConstantTemperature,
        LearnedTemperature,
    )

HOMES = {
    "AnnealedTemperature": "loss.temperature",
    "Autoencoder": "learning.models",
    "ConstantTemperature": "loss.temperature",
    "LayerwiseLoss": "loss.layers",
    "LayerwiseSoftNearestNeighborLoss": "loss.layers",
    "LearnedTemperature": "loss.temperature",
    "SoftNearestNeighborEncoder": "learning.estimator",
    "SoftNearestNeighborLoss": "loss.soft_nearest_neighbor",
    "entanglement": "loss.entanglement",
    "load_dataset": "datasets.load",
    "record_activations": "loss.layers",
    "soft_nearest_neighbor_loss": "loss.soft_nearest_neighbor",
}

__version__ = "0.1.0"
__all__ = [
    "AnnealedTemperature",
    "Autoencoder",
    "ConstantTemperature",
    "LayerwiseLoss",
    "LayerwiseSoftNearestNeighborLoss",
    "LearnedTemperature",
    "SoftNearestNeighborEncoder",
    "SoftNearestNeighborLoss",
    "entanglement",
    "load_dataset",
    "record_activations",
    "soft_nearest_neighbor_loss",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
