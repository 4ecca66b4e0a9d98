"""How far can a map, or any embedding, be trusted? Scores. (chapters 13 and 15)"""

import torch
from sklearn import manifold
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from torch import Tensor

from snnl_tutorial.learning.evaluation import (
    as_array,
    known_and_asked,
    nearest_neighbor_accuracy,
)
from snnl_tutorial.loss.batch import check_embeddings, check_others
from snnl_tutorial.loss.checks import check_integer, check_real


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


def gap_share(points: Tensor, new_points: Tensor, quantile: float = 0.99) -> float:
    """Share of new points in gaps of a map, where none of its own points lies.

    A gap begins where the nearest point is farther away than, for 99 % of the map's own
    points, their nearest point is. So about 1 % is what points like its own would have.

    Args:
        points: (N, D), the map.
        new_points: (M, D), placed on it.
        quantile: of the distances from a point to its nearest.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: fewer than two points, other columns, a value that is not finite, a
            quantile outside 0 to 1.
        TypeError: points that are no tensor.

    Example:
        >>> points = torch.arange(9.0)[:, None]
        >>> gap_share(points, torch.tensor([[2.5], [30.0]]))
        0.5
    """
    check_embeddings(points, "points")
    check_others(new_points, points, "new_points", "points")
    check_embeddings(new_points, "new_points")
    check_below(1, len(points), "points")
    quantile = check_real(quantile, "quantile", least=0)
    if quantile > 1:
        raise ValueError(f"quantile must be at most 1; got {quantile:g}")
    search = NearestNeighbors(n_neighbors=1).fit(as_array(points, "points"))
    own, _ = search.kneighbors()  # of each point, without itself
    asked, _ = search.kneighbors(as_array(new_points, "new_points"))
    edge = torch.from_numpy(own).quantile(quantile)
    return float((torch.from_numpy(asked) > edge).double().mean())


def displacement(first: Tensor, second: Tensor) -> float:
    r"""How far the points of one map lie from their places on another.

    .. math:: \sqrt{\frac{\sum_i |a_i - b_i|^2}
              {\frac12 \sum_i (|a_i - \bar a|^2 + |b_i - \bar b|^2)}}

    Args:
        first: (N, D).
        second: (N, D), the same rows in the same order.

    Returns:
        0 for equal maps; about the square root of 2 for maps that have nothing to do
        with each other.

    Raises:
        ValueError: other shapes, a value that is not finite, or nothing but one place.
        TypeError: a map that is no tensor.

    Example:
        >>> square = torch.tensor([[1.0, 1], [1, -1], [-1, -1], [-1, 1]])
        >>> round(displacement(square, square + 1), 4)
        1.0
    """
    check_embeddings(first, "first")
    check_embeddings(second, "second")
    if first.shape != second.shape:
        raise ValueError(
            f"second must have the shape of first, {tuple(first.shape)}; "
            f"got {tuple(second.shape)}"
        )
    a, b = first.double(), second.double()
    spread = sum((x - x.mean(dim=0)).square().sum() for x in (a, b)) / 2
    if spread == 0:
        raise ValueError("first and second must have points apart; got one place each")
    return float(((a - b).square().sum() / spread).sqrt())


def linearity(points: Tensor, neighbors: int = 20) -> float:
    r"""How much like lines a map looks, on the scale of a few neighbors.

    .. math:: \frac{1}{N} \sum_i \frac{\lambda_1 - \lambda_2}{\lambda_1}

    where :math:`\lambda_1 \ge \lambda_2` are the variances of the k nearest points of
    point i (itself among them) along their principal axes. The analysis of point
    clouds calls it so.

    Args:
        points: (N, 2).
        neighbors: k, at most N.

    Returns:
        1 for points on lines, about 0.5 for points strewn over an area. Where all
        neighbors coincide, it counts as a line.

    Raises:
        ValueError: too few points or neighbors, a value that is not finite.
        TypeError: points that are no tensor, or a number that is no integer.

    Example:
        >>> linearity(torch.arange(50.0)[:, None] * torch.tensor([[1.0, 2.0]]))
        1.0
    """
    check_embeddings(points, "points")
    neighbors = check_integer(neighbors, "neighbors", least=3)
    check_below(neighbors - 1, len(points), "points")
    rows = as_array(points, "points").astype("float64")
    search = NearestNeighbors(n_neighbors=neighbors).fit(rows)
    near = torch.from_numpy(rows[search.kneighbors(rows, return_distance=False)])
    near = near - near.mean(dim=1, keepdim=True)  # (N, k, 2)
    variances = torch.linalg.svdvals(near).square()  # (N, 2), largest first
    flat = variances[:, 1] / variances[:, 0].clamp(min=1e-300)
    return float((1 - flat).mean())


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
