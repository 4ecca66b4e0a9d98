"""How far can a map, or any embedding, be trusted? Scores of neighbors. (chapter 13)"""

import torch
from sklearn import manifold
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from torch import Tensor

from snnl_tutorial.learning.evaluation import (
    as_array,
    known_and_asked,
    nearest_neighbor_accuracy,
)
from snnl_tutorial.loss.batch import check_embeddings
from snnl_tutorial.loss.checks import check_integer


def neighbor_accuracy(
    points: Tensor,
    labels: Tensor,
    new_points: Tensor | None = None,
    new_labels: Tensor | None = None,
    neighbors: int = 10,
) -> float:
    """Share of points whose nearest neighbors vote for their class.

    Without new points, each point is judged by the *other* points; with them, each new
    point by all points. Distances are Euclidean. It is `nearest_neighbor_accuracy`, to
    which a training point would be its own neighbor.

    Args:
        points: (N, D).
        labels: (N,) integer; rows labeled -100 are left out.
        new_points: (M, D), to be judged instead.
        new_labels: (M,) integer.
        neighbors: how many vote.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: too few labeled points, one of `new_points` and `new_labels` without
            the other; labels that are not one for each point.
        TypeError: an argument that is no tensor, or a number that is no integer.

    Example:
        >>> points, labels = torch.tensor([[0.0], [1.0], [3.0]]), [0, 0, 1]
        >>> round(neighbor_accuracy(points, torch.tensor(labels), neighbors=1), 4)
        0.6667
    """
    if (new_points is None) != (new_labels is None):
        missing = "new_points" if new_points is None else "new_labels"
        raise ValueError(f"new_points and new_labels go together; got no {missing}")
    if new_points is not None and new_labels is not None:
        new = new_points, new_labels
        return nearest_neighbor_accuracy(points, labels, *new, neighbors, "euclidean")
    neighbors = check_integer(neighbors, "neighbors", least=1)
    (rows, classes), _ = known_and_asked(points, labels, points, labels)
    check_below(neighbors, len(rows), "labeled points")
    vote = KNeighborsClassifier(neighbors).fit(rows, classes)
    # Asked without rows, scikit-learn leaves each row out of its own neighbors.
    return float((vote.predict(None) == classes).mean())


def trustworthiness(rows: Tensor, points: Tensor, neighbors: int = 10) -> float:
    r"""Are the neighbors on a map neighbors among the rows, too?

    .. math:: 1 - \frac{2}{N k (2N - 3k - 1)} \sum_i \sum_{j \in U_i} (r_{ij} - k)

    where :math:`U_i` are those among the k nearest points of point i that are not among
    the k nearest rows of row i, and :math:`r_{ij}` is the rank of row j among them
    (Venna and Kaski, 2001), computed by scikit-learn. Euclidean on both sides.

    Args:
        rows: (N, K), what the map is a map of.
        points: (N, D), the map.
        neighbors: k, below N / 2.

    Returns:
        At most 1; about 0.5 for points in random places.

    Raises:
        ValueError: rows and points that differ in number, too many neighbors, a value
            that is not finite.
        TypeError: rows or points that are no tensor, or a number that is no integer.

    Example:
        >>> rows = torch.arange(9.0)[:, None]
        >>> trustworthiness(rows, -2 * rows, neighbors=2)
        1.0
    """
    neighbors = check_pair(rows, points, "rows", "points", neighbors)
    if 2 * neighbors >= len(rows):
        raise ValueError(
            f"neighbors must be below {len(rows) / 2:g}, half of the rows; "
            f"got {neighbors}"
        )
    pair = as_array(rows, "rows"), as_array(points, "points")
    return float(manifold.trustworthiness(*pair, n_neighbors=neighbors))


def shared_neighbors(first: Tensor, second: Tensor, neighbors: int = 10) -> float:
    r"""Share of the nearest neighbors that two maps of the same rows have in common.

    .. math:: \frac{1}{N k} \sum_i |U_i \cap V_i|

    where :math:`U_i` and :math:`V_i` are the k nearest points of point i on the two
    maps. Turning, mirroring or scaling a map changes nothing.

    Args:
        first: (N, D).
        second: (N, E), the same rows in the same order.
        neighbors: k, below N.

    Returns:
        Between 0 and 1; k / (N - 1) by chance.

    Raises:
        ValueError: maps that differ in their number of points, too many neighbors, a
            value that is not finite.
        TypeError: a map that is no tensor, or a number that is no integer.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
        >>> shared_neighbors(points, -2 * points, neighbors=1)
        1.0
    """
    neighbors = check_pair(first, second, "first", "second", neighbors)
    check_below(neighbors, len(first), "points")
    lists = []
    for points in (first, second):
        search = NearestNeighbors(n_neighbors=neighbors).fit(as_array(points, "points"))
        nearest = search.kneighbors(return_distance=False)  # (N, k), without itself
        lists.append(torch.from_numpy(nearest))
    same = lists[0][:, :, None] == lists[1][:, None, :]  # (N, k, k)
    return float(same.any(dim=2).double().mean())


def check_pair(
    rows: Tensor, points: Tensor, name: str, other: str, neighbors: int
) -> int:
    """Raise unless these are as many finite rows; return the number of neighbors."""
    check_embeddings(rows, name)
    check_embeddings(points, other)
    if len(points) != len(rows):
        raise ValueError(
            f"{other} must be one for each of the {len(rows)} {name}; got {len(points)}"
        )
    return check_integer(neighbors, "neighbors", least=1)


def check_below(neighbors: int, count: int, what: str) -> None:
    """Raise unless each of so many points has that many others."""
    if neighbors >= count:
        raise ValueError(f"neighbors must be below the {count} {what}; got {neighbors}")
