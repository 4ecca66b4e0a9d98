"""A disentangled code as a scikit-learn transformer."""

from numbers import Real
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from snnl_tutorial.datasets.load import UNLABELED
from snnl_tutorial.learning.models import Autoencoder, encode_all
from snnl_tutorial.learning.objectives import make_temperature, reconstruction_loss
from snnl_tutorial.learning.training import train
from snnl_tutorial.loss.checks import check_real, check_types
from snnl_tutorial.loss.layers import LayerwiseSoftNearestNeighborLoss

FLOATS = (np.float64, np.float32)


class SoftNearestNeighborEncoder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Learns a code that separates the classes and still reconstructs its input.

    An `Autoencoder` is trained on all rows, with their columns scaled to [0, 1]. Its
    loss is the reconstruction of all rows plus the soft nearest neighbor loss on the
    code of the labeled rows. It computes in float32 if the rows are float32, else in
    float64.

    A row without a label is marked by the number -1, also among text: then `y` is an
    array of `dtype=object`, as for scikit-learn's `SelfTrainingClassifier`, or a list.

    Args:
        code_units: columns of the code.
        hidden_units: widths of the layers between the input and the code.
        factor: weight of the soft nearest neighbor loss beside the reconstruction.
        temperature: a number, `"annealed"` or `"learned"`.
        epochs: passes through the rows.
        batch_size: rows in a batch.
        learning_rate: of Adam.
        random_state: seed of the initial weights and of the order of the rows. An
            integer gives the same codes again on a CPU, in any thread; nothing is drawn
            from torch's own generator.
        device: `"cpu"` or `"cuda"`, for example.
        verbose: whether to show a progress bar, if stderr is a terminal.

    Attributes:
        model_: the trained autoencoder.
        minimum_, width_: (D,) minimum and range of the columns in training.
        history_: see `train`.
        classes_: the labels, sorted, without -1.
        n_features_in_: D.

    Raises:
        ValueError: from `fit`: `y` is missing or continuous, marks unlabeled rows in
            another way, or a row is not finite; a setting out of range.
        TypeError: from `fit`: a setting of a wrong type.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> rows, classes = load_iris(return_X_y=True)
        >>> encoder = SoftNearestNeighborEncoder(code_units=2, epochs=3)
        >>> encoder.fit(rows, classes).transform(rows).shape
        (150, 2)
    """

    def __init__(
        self,
        code_units: int = 10,
        *,
        hidden_units: tuple[int, ...] = (100,),
        factor: float = 1.0,
        temperature: str | float = "annealed",
        epochs: int = 20,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        random_state: int | None = 0,
        device: str | torch.device = "cpu",
        verbose: bool = False,
    ) -> None:
        self.code_units = code_units
        self.hidden_units = hidden_units
        self.factor = factor
        self.temperature = temperature
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train on array-like rows X (N, D) and labels y (N,), -1 if unlabeled."""
        device = check_device(self.device)
        factor = check_real(self.factor, "factor")
        temperature = make_temperature(self.temperature)
        seed = draw_seed(self.random_state)
        table, classes = validate_data(self, X, keep_numbers(y), dtype=FLOATS)
        classes, labels = number_classes(classes)
        minimum, width = table.min(axis=0), np.ptp(table, axis=0)
        width = np.where(width > 0, width, 1).astype(table.dtype)
        rows = torch.from_numpy((table - minimum) / width).to(device)
        model = Autoencoder(
            table.shape[1],
            self.code_units,
            self.hidden_units,
            generator=torch.Generator("cpu").manual_seed(seed),
        )
        objective = LayerwiseSoftNearestNeighborLoss(
            model,
            reconstruction_loss,
            factor,
            layers=[model.code_layer],
            temperature=temperature,
        ).to(device, rows.dtype)
        history = train(
            objective,
            inputs=rows,
            targets=rows,
            labels=torch.from_numpy(labels).to(device),
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=seed,
            verbose=self.verbose,
        )
        # Only now, so that a training that fails leaves an earlier one whole.
        self.classes_, self.minimum_, self.width_ = classes, minimum, width
        self.model_, self.history_ = model, history
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes (N, code_units), in [0, 1], of rows X (N, D)."""
        check_is_fitted(self)
        table = validate_data(self, X, reset=False, dtype=FLOATS)
        dtype = next(self.model_.parameters()).dtype
        rows = torch.from_numpy((table - self.minimum_) / self.width_).to(dtype)
        codes = encode_all(self.model_, rows)
        return codes.numpy().astype(table.dtype)

    @property
    def _n_features_out(self) -> int:
        return self.code_units

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def check_device(device: str | torch.device) -> torch.device:
    """Return the device; raise if there is none of that name, or it cannot be used."""
    check_types(device=(device, str | torch.device))
    try:
        zero = torch.zeros(1, device=device)
        zero.tolist()  # fails on the device "meta"
        return zero.device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        raise ValueError(
            f"device must be one that torch can use; got {str(device)!r}: {why}"
        ) from error


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Draw a seed for torch, as scikit-learn's estimators draw theirs."""
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except (TypeError, ValueError) as error:
        raise ValueError(f"random_state: {error}") from error


def keep_numbers(y: Any) -> Any:
    """Return y; a list with text as an object array, or NumPy makes text of its -1."""
    if isinstance(y, (list, tuple)) and any(isinstance(label, str) for label in y):
        return np.array(y, dtype=object)
    return y


def number_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes, sorted, and the number of each row's class, -100 without one.

    Raises:
        ValueError: y is continuous, or has marks of unlabeled rows other than -1.
    """
    unlabeled = np.array([isinstance(label, Real) and label == -1 for label in y], bool)
    known = y[~unlabeled]
    if y.dtype == object:
        for label in known:
            if not isinstance(label, str):
                raise ValueError(
                    "Unknown label type: y of dtype object must hold text, and -1 "
                    f"where a row has no label; got {label!r} ({type(label).__name__})"
                )
        known = known.astype(str)
    if "-1" in known.tolist():
        raise ValueError(
            "y must mark a row without a label by the number -1, in an array of "
            "dtype=object; got the text '-1'"
        )
    check_classification_targets(known)
    classes, numbers = np.unique(known, return_inverse=True)
    labels = np.full(len(y), UNLABELED)
    labels[~unlabeled] = numbers
    return classes, labels
