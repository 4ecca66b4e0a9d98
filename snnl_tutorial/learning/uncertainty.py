"""Does a classifier know what it does not know? Calibration and outliers. (chapter 12)

Outliers are scored row by row; how well a score tells them from other rows is a number
of scikit-learn, `sklearn.metrics.roc_auc_score`.
"""

from typing import NamedTuple

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from snnl_tutorial.datasets.load import UNLABELED
from snnl_tutorial.learning.evaluation import as_array
from snnl_tutorial.loss.batch import check_embeddings, check_labels, check_others
from snnl_tutorial.loss.checks import check_integer


class Reliability(NamedTuple):
    """Confidence beside accuracy, in bins of equal width between 0 and 1.

    Attributes:
        confidence: (bins,) mean confidence of the rows in a bin; NaN if it has none.
        accuracy: (bins,) share of them that is right; NaN if it has none.
        rows: (bins,) int64, how many they are.
    """

    confidence: Tensor
    accuracy: Tensor
    rows: Tensor


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Reliability:
    """Sort the rows into bins by their confidence, the largest probability of a row.

    A bin holds its upper edge, as in Guo et al. (2017).

    Args:
        probabilities: (N, K), rows that sum to 1, such as a softmax.
        labels: (N,) integer from 0 to K - 1.
        bins: number of bins.

    Returns:
        A `Reliability` tuple in float64, on the CPU.

    Raises:
        ValueError, TypeError: the probabilities are none, or an argument does not fit.

    Example:
        >>> probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]])
        >>> measured = reliability(probabilities, torch.tensor([0, 1, 1]), bins=2)
        >>> measured.rows.tolist(), measured.accuracy.tolist()
        ([0, 3], [nan, 0.6666666666666666])

    Derived in chapter 12.
    """
    bins = check_integer(bins, "bins", least=1)
    check_probabilities(probabilities)
    check_classes(labels, probabilities)
    confidence, guess = probabilities.detach().cpu().double().max(dim=1)
    right = (guess == labels.cpu()).double()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device="cpu")
    bin_of = torch.bucketize(confidence, edges[1:-1])  # (N,); upper edges included
    rows = bin_of.bincount(minlength=bins)
    return Reliability(
        confidence=bin_of.bincount(confidence, minlength=bins) / rows,
        accuracy=bin_of.bincount(right, minlength=bins) / rows,
        rows=rows,
    )


def expected_calibration_error(
    probabilities: Tensor, labels: Tensor, bins: int = 15
) -> float:
    r"""How far confidence is from accuracy, on average over the rows.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{N}
              \left|\mathrm{accuracy}_b - \mathrm{confidence}_b\right|

    Guo et al. (2017, equation 3); n_b of N rows have a confidence in bin b. Few rows
    leave an error above 0 even if every probability is true.

    Args:
        probabilities: (N, K), rows that sum to 1.
        labels: (N,) integer from 0 to K - 1.
        bins: number of bins.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError, TypeError: as in `reliability`.

    Example:
        >>> sure = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> expected_calibration_error(sure, torch.tensor([0, 1]))
        0.5

    Derived in chapter 12.
    """
    measured = reliability(probabilities, labels, bins)
    gaps = (measured.accuracy - measured.confidence).abs().nan_to_num(0)  # 0 if empty
    return float((measured.rows * gaps).sum() / len(labels))


def energy(logits: Tensor) -> Tensor:
    r"""The free energy of each row of logits: high where all of them are low.

    .. math:: E_i = -\log \sum_c \exp z_{ic}

    Liu et al. (2020, equation 4, at their temperature 1). Unlike the softmax, it sees
    how large the logits are. Outliers should have a higher energy.

    Args:
        logits: (N, K) floating.

    Returns:
        (N,).

    Raises:
        ValueError, TypeError: the logits are no floating matrix.

    Example:
        >>> energy(torch.zeros(1, 4))  # -log 4
        tensor([-1.3863])

    Derived in chapter 12.
    """
    check_embeddings(logits, "logits")
    return -logits.logsumexp(dim=1)


def neighbor_agreement(
    codes: Tensor,
    labels: Tensor,
    new_codes: Tensor,
    new_labels: Tensor,
    neighbors: int = 50,
    metric: str = "cosine",
) -> Tensor:
    """Share of a new row's nearest training rows that are of its predicted class.

    After Frosst, Papernot and Hinton (2019): in the hidden layers, data from elsewhere
    has fewer neighbors of the class that the network predicts.

    Args:
        codes: (N, D), a layer's activations of the training rows.
        labels: (N,) integer, their classes; rows labeled -100 are left out.
        new_codes: (M, D), the same layer's activations of the new rows.
        new_labels: (M,) integer, the classes that the network predicts for them.
        neighbors: how many training rows to look at.
        metric: of scikit-learn, such as `"cosine"` or `"euclidean"`.

    Returns:
        (M,) float64 between 0 and 1, on the CPU.

    Raises:
        ValueError, TypeError: codes or labels that do not fit each other, or more
            neighbors than labeled rows.

    Example:
        >>> known, labels = torch.eye(2), torch.tensor([0, 1])
        >>> new = torch.tensor([[2.0, 1.0], [2.0, 1.0]])
        >>> neighbor_agreement(known, labels, new, torch.tensor([0, 1]), neighbors=1)
        tensor([1., 0.], dtype=torch.float64)

    Derived in chapter 12.
    """
    check_embeddings(codes, "codes")
    check_embeddings(new_codes, "new_codes")
    check_others(new_codes, codes, "new_codes", "codes")
    check_labels(labels, codes)
    check_labels(new_labels, new_codes, "new_labels")
    labeled = labels != UNLABELED
    neighbors = check_integer(neighbors, "neighbors", least=1)
    if neighbors > int(labeled.sum()):
        raise ValueError(
            f"neighbors must be at most the {int(labeled.sum())} labeled rows; "
            f"got {neighbors}"
        )
    search = NearestNeighbors(n_neighbors=neighbors, metric=metric)
    search.fit(as_array(codes[labeled], "codes"))
    asked = as_array(new_codes, "new_codes")
    nearest = search.kneighbors(asked, return_distance=False)  # (M, k)
    votes = labels[labeled].cpu()[torch.from_numpy(nearest)]
    return (votes == new_labels.cpu()[:, None]).double().mean(dim=1)


def check_classes(labels: Tensor, probabilities: Tensor) -> None:
    """Raise unless each row has a label, the number of a column."""
    check_labels(labels, probabilities)
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels must be from 0 to {classes - 1}, the columns of probabilities; "
            f"got {int(labels.min())} to {int(labels.max())}"
        )


def check_probabilities(probabilities: Tensor) -> None:
    """Raise unless each row holds probabilities that sum to 1."""
    check_embeddings(probabilities, "probabilities")
    if len(probabilities) == 0:
        raise ValueError("probabilities must have at least one row; got none")
    sums = probabilities.sum(dim=1)
    # Loose enough for a softmax in bfloat16.
    if probabilities.min() < 0 or (sums - 1).abs().max() > 0.01:
        worst = float(sums[(sums - 1).abs().argmax()])
        raise ValueError(
            "probabilities must be rows that sum to 1, none of them negative; got a "
            f"smallest of {float(probabilities.min()):.4g} and a sum of {worst:.6g} "
            "(logits need a softmax)"
        )
