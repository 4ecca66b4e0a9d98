"""Scores of a code: clusters, nearest neighbors, and the entanglement of layers."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn import metrics
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from snnl_tutorial.datasets.load import UNLABELED
from snnl_tutorial.learning.models import restore_modes
from snnl_tutorial.loss.checks import check_choice, check_integer
from snnl_tutorial.loss.entanglement import Entanglement, entanglement
from snnl_tutorial.loss.layers import record_activations


def cluster(
    codes: Tensor, clusters: int, init: str = "random", seed: int = 0, starts: int = 10
) -> Tensor:
    """Assign each row to a cluster by k-means.

    Args:
        codes: (N, D), on any device.
        clusters: number of clusters.
        init: initial centers: `"random"` rows, as in Agarap and Azcarraga (2020), or
            `"k-means++"`.
        seed: of the starts.
        starts: how many; that with the smallest squared distances is returned.

    Returns:
        (N,) int64, numbers of clusters from 0, on the CPU.

    Raises:
        ValueError: fewer than one cluster or more clusters than rows, or an unknown
            `init`.

    Example:
        >>> a, b, c, d = cluster(torch.tensor([[0.0], [0.1], [5.0], [5.1]]), 2).tolist()
        >>> a == b != c == d
        True
    """
    check_integer(clusters, "clusters", least=1)
    check_integer(starts, "starts", least=1)
    check_choice(init, ("random", "k-means++"), "init")
    if clusters > len(codes):
        raise ValueError(f"clusters must be at most {len(codes)} rows; got {clusters}")
    kmeans = KMeans(clusters, init=init, n_init=starts, random_state=seed)
    return torch.from_numpy(kmeans.fit_predict(as_array(codes))).long()


def clustering_accuracy(labels: Tensor, assignments: Tensor) -> float:
    r"""Share of rows whose cluster matches their class, under the best matching.

    .. math:: \mathrm{ACC} = \max_m \frac1N \sum_i [y_i = m(c_i)]

    where m matches each cluster with a class of its own (the Hungarian method).

    Args:
        labels: (N,) integer, the classes.
        assignments: (N,) integer, the clusters.

    Returns:
        Between 0 and 1.

    Example:
        >>> clustering_accuracy(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 0, 1]))
        0.75
    """
    table = metrics.cluster.contingency_matrix(
        as_array(labels), as_array(assignments)
    )  # (classes, clusters)
    return float(table[linear_sum_assignment(-table)].sum() / len(labels))


def cluster_scores(
    codes: Tensor, labels: Tensor, assignments: Tensor
) -> dict[str, float]:
    """Score how well clusters match the classes, and how well separated they are.

    Args:
        codes: (N, D).
        labels: (N,) integer, the classes.
        assignments: (N,) integer, the clusters.

    Returns:
        Against the classes, 1 at best: `"acc"` (`clustering_accuracy`), `"nmi"`
        (normalized mutual information) and `"ari"` (adjusted Rand index, 0 by chance).
        Of the clusters alone, where they are defined: `"dbi"` (Davies-Bouldin index,
        low is good), `"ch"` (Calinski-Harabasz score, high is good) and `"silhouette"`
        (-1 to 1, high is good).

    Example:
        >>> codes, classes = torch.tensor([[0.0], [0.1], [5.0], [5.1]]), [0, 0, 1, 1]
        >>> scores = cluster_scores(codes, torch.tensor(classes), cluster(codes, 2))
        >>> {name: round(scores[name], 2) for name in ("acc", "nmi", "ari", "dbi")}
        {'acc': 1.0, 'nmi': 1.0, 'ari': 1.0, 'dbi': 0.02}
    """
    scores = agreement(labels, assignments)
    clusters, rows = as_array(assignments), as_array(codes)
    if 1 < len(np.unique(clusters)) < len(rows):  # else not defined
        scores["dbi"] = metrics.davies_bouldin_score(rows, clusters)
        scores["ch"] = metrics.calinski_harabasz_score(rows, clusters)
        scores["silhouette"] = metrics.silhouette_score(rows, clusters)
    return {name: float(score) for name, score in scores.items()}


def agreement(labels: Tensor, assignments: Tensor) -> dict[str, float]:
    """The part of `cluster_scores` that compares with the classes: acc, nmi and ari."""
    classes, clusters = as_array(labels), as_array(assignments)
    return {
        "acc": clustering_accuracy(labels, assignments),
        "nmi": float(metrics.normalized_mutual_info_score(classes, clusters)),
        "ari": float(metrics.adjusted_rand_score(classes, clusters)),
    }


def nearest_neighbor_accuracy(
    codes: Tensor,
    labels: Tensor,
    new_codes: Tensor,
    new_labels: Tensor,
    neighbors: int = 5,
    metric: str = "cosine",
) -> float:
    """Accuracy of a nearest-neighbor classifier on new rows.

    Args:
        codes: (N, D), the rows among which neighbors are searched.
        labels: (N,) integer; rows labeled -100 are left out.
        new_codes: (M, D), the rows to classify.
        new_labels: (M,) integer, their classes.
        neighbors: number of neighbors that vote.
        metric: of scikit-learn, such as `"cosine"` or `"euclidean"`.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: fewer than one neighbor, or more neighbors than labeled rows.

    Example:
        >>> known, labels = torch.eye(2), torch.tensor([0, 1])
        >>> new = torch.tensor([[2.0, 1.0], [0.1, 3.0]])
        >>> nearest_neighbor_accuracy(known, labels, new, labels, neighbors=1)
        1.0
    """
    labeled = labels != -100
    check_integer(neighbors, "neighbors", least=1)
    if neighbors > int(labeled.sum()):
        raise ValueError(
            f"neighbors must be at most the {int(labeled.sum())} labeled rows; "
            f"got {neighbors}"
        )
    classifier = KNeighborsClassifier(neighbors, metric=metric)
    classifier.fit(as_array(codes[labeled]), as_array(labels[labeled]))
    return float(classifier.score(as_array(new_codes), as_array(new_labels)))


def recall_at(codes: Tensor, labels: Tensor, k: int, metric: str = "cosine") -> float:
    """Share of rows that find their class among the k nearest other rows.

    Recall@k, as metric learning counts it (Musgrave et al., 2020). Rows labeled -100
    are left out; a row that is alone in its class is not asked, but may be found.

    Args:
        codes: (N, D).
        labels: (N,) integer; often of classes that no training has seen.
        k: how many other rows to look at.
        metric: of scikit-learn, such as `"cosine"` or `"euclidean"`.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: k below 1, or not below the number of labeled rows; no two rows of
            one class.

    Example:
        >>> codes, labels = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 1, 0])
        >>> [recall_at(codes, labels, k, metric="euclidean") for k in (1, 2)]
        [0.0, 1.0]
    """
    check_integer(k, "k", least=1)
    labeled = labels != UNLABELED
    rows, classes = as_array(codes[labeled]), labels[labeled].cpu()
    if k >= len(rows):
        raise ValueError(f"k must be below the {len(rows)} labeled rows; got {k}")
    _, which, count = classes.unique(return_inverse=True, return_counts=True)
    asked = count[which] > 1
    if not asked.any():
        raise ValueError("labels must have two rows of one class; got none")
    search = NearestNeighbors(n_neighbors=k, metric=metric).fit(rows)
    nearest = search.kneighbors(return_distance=False)  # (N, k), without the row itself
    found = (classes[torch.from_numpy(nearest)] == classes[:, None]).any(dim=1)
    return float(found[asked].double().mean())


def linear_probe_accuracy(
    codes: Tensor, labels: Tensor, new_codes: Tensor, new_labels: Tensor
) -> float:
    """Accuracy of a linear classifier of the codes on new rows.

    It is a logistic regression on standardized columns, with scikit-learn's own weight
    of the penalty (Alain and Bengio, 2017).

    Args:
        codes: (N, D), of which the labeled ones are fitted.
        labels: (N,) integer; -100 where a row has none.
        new_codes: (M, D), the rows to classify.
        new_labels: (M,) integer, their classes.

    Example:
        >>> known, labels = torch.eye(2), torch.tensor([0, 1])
        >>> linear_probe_accuracy(known, labels, torch.tensor([[0.9, 0.2]]), labels[:1])
        1.0
    """
    labeled = labels != -100
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(as_array(codes[labeled]), as_array(labels[labeled]))
    return float(probe.score(as_array(new_codes), as_array(new_labels)))


@torch.no_grad()
def entanglement_by_layer(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    layers: Sequence[str] | None = None,
    **settings: float,
) -> dict[str, Entanglement]:
    """Measure the entanglement of every layer on the same rows, in evaluation mode.

    Args:
        model: any module; its modes are restored afterwards.
        inputs: (N, ...), on the device of the model; a thousand rows are enough.
        labels: (N,) integer.
        layers: names; see `record_activations`.
        settings: of `entanglement`.

    Returns:
        {layer: its entanglement}, in the order in which the layers run.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        >>> inputs, labels = torch.rand(8, 4), torch.arange(8) % 2
        >>> list(entanglement_by_layer(model, inputs, labels))
        ['0', '1']
    """
    with restore_modes(model), record_activations(model, layers) as activations:
        model.eval()
        model(inputs)
    return {
        name: entanglement(rows, labels, **settings)  # type: ignore[arg-type]
        for name, rows in activations.items()
    }


def as_array(tensor: Tensor) -> np.ndarray:
    """Convert to NumPy, for scikit-learn."""
    return tensor.detach().cpu().numpy()
