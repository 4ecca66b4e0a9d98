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

from snnl_tutorial.datasets.load import UNLABELED, check_seed
from snnl_tutorial.learning.models import restore_modes
from snnl_tutorial.loss.checks import check_choice, check_integer, check_types
from snnl_tutorial.loss.entanglement import Entanglement, entanglement
from snnl_tutorial.loss.layers import record_activations, rows_of_labels


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
        ValueError: fewer than one cluster or more clusters than rows, an unknown
            `init`, or a seed that is not between 0 and 2**32 - 1.
        TypeError: codes that are no tensor, or a number that is no integer.

    Example:
        >>> a, b, c, d = cluster(torch.tensor([[0.0], [0.1], [5.0], [5.1]]), 2).tolist()
        >>> a == b != c == d
        True
    """
    rows = as_array(codes, "codes")
    clusters = check_integer(clusters, "clusters", least=1)
    starts = check_integer(starts, "starts", least=1)
    check_choice(init, ("random", "k-means++"), "init")
    seed = check_seed(seed)
    if clusters > len(codes):
        raise ValueError(f"clusters must be at most {len(codes)} rows; got {clusters}")
    kmeans = KMeans(clusters, init=init, n_init=starts, random_state=seed)
    return torch.from_numpy(kmeans.fit_predict(rows)).long()


def clustering_accuracy(labels: Tensor, assignments: Tensor) -> float:
    r"""Share of rows whose cluster matches their class, under the best matching.

    .. math:: \mathrm{ACC} = \max_m \frac1N \sum_i [y_i = m(c_i)]

    where m matches each cluster with a class of its own (the Hungarian method).

    Args:
        labels: (N,) integer, the classes.
        assignments: (N,) integer, the clusters.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: no rows, or labels and assignments that differ in length.
        TypeError: an argument that is no tensor.

    Example:
        >>> clustering_accuracy(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 0, 1]))
        0.75
    """
    classes = as_array(labels, "labels")
    clusters = as_array(assignments, "assignments")
    check_same_rows(classes, "labels", clusters, "assignments")
    table = metrics.cluster.contingency_matrix(classes, clusters)  # (classes, clusters)
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

    Raises:
        ValueError, TypeError: as `clustering_accuracy`.

    Example:
        >>> codes, classes = torch.tensor([[0.0], [0.1], [5.0], [5.1]]), [0, 0, 1, 1]
        >>> scores = cluster_scores(codes, torch.tensor(classes), cluster(codes, 2))
        >>> {name: round(scores[name], 2) for name in ("acc", "nmi", "ari", "dbi")}
        {'acc': 1.0, 'nmi': 1.0, 'ari': 1.0, 'dbi': 0.02}
    """
    clusters, rows = as_array(assignments, "assignments"), as_array(codes, "codes")
    check_same_rows(as_array(labels, "labels"), "labels", rows, "codes")
    scores = agreement(labels, assignments)
    if 1 < len(np.unique(clusters)) < len(rows):  # else not defined
        scores["dbi"] = metrics.davies_bouldin_score(rows, clusters)
        scores["ch"] = metrics.calinski_harabasz_score(rows, clusters)
        scores["silhouette"] = metrics.silhouette_score(rows, clusters)
    return {name: float(score) for name, score in scores.items()}


def agreement(labels: Tensor, assignments: Tensor) -> dict[str, float]:
    """The part of `cluster_scores` that compares with the classes: acc, nmi and ari."""
    accuracy = clustering_accuracy(labels, assignments)
    classes, clusters = as_array(labels, "labels"), as_array(assignments, "assignments")
    return {
        "acc": accuracy,
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
        ValueError: fewer than one neighbor, or more neighbors than labeled rows; codes
            and labels that differ in length.
        TypeError: codes or labels that are no tensor, or a number that is no integer.

    Example:
        >>> known, labels = torch.eye(2), torch.tensor([0, 1])
        >>> new = torch.tensor([[2.0, 1.0], [0.1, 3.0]])
        >>> nearest_neighbor_accuracy(known, labels, new, labels, neighbors=1)
        1.0
    """
    known, asked = known_and_asked(codes, labels, new_codes, new_labels)
    neighbors = check_integer(neighbors, "neighbors", least=1)
    if neighbors > len(known[0]):
        raise ValueError(
            f"neighbors must be at most the {len(known[0])} labeled rows; "
            f"got {neighbors}"
        )
    classifier = KNeighborsClassifier(neighbors, metric=metric)
    return float(classifier.fit(*known).score(*asked))


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
    k = check_integer(k, "k", least=1)
    known, _ = known_and_asked(codes, labels, codes, labels)
    rows, classes = known[0], torch.from_numpy(known[1])
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

    Raises:
        ValueError: fewer than two classes are labeled; codes and labels that differ in
            length.
        TypeError: codes or labels that are no tensor.

    Example:
        >>> known, labels = torch.eye(2), torch.tensor([0, 1])
        >>> linear_probe_accuracy(known, labels, torch.tensor([[0.9, 0.2]]), labels[:1])
        1.0
    """
    known, asked = known_and_asked(codes, labels, new_codes, new_labels)
    if len(np.unique(known[1])) < 2:
        raise ValueError("labels must show two classes or more; got one or none")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(probe.fit(*known).score(*asked))


def known_and_asked(
    codes: Tensor, labels: Tensor, new_codes: Tensor, new_labels: Tensor
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The labeled rows and their classes; the new rows and theirs. All are checked."""
    rows, classes = as_array(codes, "codes"), as_array(labels, "labels")
    check_same_rows(classes, "labels", rows, "codes")
    new_rows = as_array(new_codes, "new_codes")
    new_classes = as_array(new_labels, "new_labels")
    check_same_rows(new_classes, "new_labels", new_rows, "new_codes")
    labeled = classes != UNLABELED
    return (rows[labeled], classes[labeled]), (new_rows, new_classes)


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
    required = [] if layers is None else activations
    return {
        name: entanglement(rows, labels, **settings)  # type: ignore[arg-type]
        for name, rows in rows_of_labels(activations, labels, required).items()
    }


def as_array(tensor: Tensor, name: str) -> np.ndarray:
    """Convert to NumPy, for scikit-learn; raise if it is no tensor."""
    check_types(**{name: (tensor, Tensor)})
    return tensor.detach().cpu().numpy()


def check_same_rows(
    labels: np.ndarray, name: str, rows: np.ndarray, of_name: str
) -> None:
    """Raise unless there is one label for each row, and at least one row."""
    if len(rows) == 0:
        raise ValueError(f"{of_name} must have at least one row; got none")
    if labels.shape != rows.shape[:1]:
        raise ValueError(
            f"{name} must be one for each of the {len(rows)} {of_name}; "
            f"got shape {labels.shape}"
        )
