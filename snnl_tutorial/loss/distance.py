"""Pairwise distances: how far apart is every row from every other? (chapter 1)"""

from collections.abc import Callable

import torch
from torch import Tensor

from snnl_tutorial.loss.batch import check_others, check_rows
from snnl_tutorial.loss.checks import reading_is_free
from snnl_tutorial.loss.precision import full_precision

Distance = str | Callable[[Tensor, Tensor], Tensor]


def as_real_rows(rows: Tensor) -> Tensor:
    """Write complex rows as real ones, and half precision as float32.

    The real rows (Re x, Im x) have the same lengths and the same (real) inner
    products as the complex rows x, so every formula below holds for both.

    Args:
        rows: (N, D) real floating or complex.

    Returns:
        (N, D), or (N, 2D) for complex rows; float32 or float64.

    Raises:
        ValueError, TypeError: as for `cosine_distance`.

    Example:
        >>> as_real_rows(torch.tensor([[3 + 4j]]))
        tensor([[3., 4.]])

    Derived in chapter 1.
    """
    check_rows(rows, "rows")
    return real_rows(rows)


def real_rows(rows: Tensor) -> Tensor:
    """`as_real_rows` of rows that are checked."""
    if rows.is_complex():
        rows = torch.view_as_real(rows.resolve_conj()).flatten(1)  # (N, 2D)
    return at_least_float32(rows)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half precision as float32."""
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.float() if half else tensor


def normalize_rows(rows: Tensor) -> Tensor:
    """Divide each row by its Euclidean length: `u = x / |x|`.

    A row of zeros has no direction: it stays zero and gets a zero gradient. (The
    usual `x / max(|x|, 1e-12)` hands such a row a gradient of the order of 1e12.)

    Args:
        rows: (N, D) real floating.

    Returns:
        (N, D), each row of length 1 or 0.

    Raises:
        ValueError, TypeError: as for `cosine_distance`.

    Example:
        >>> normalize_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])

    Derived in chapter 1.
    """
    check_rows(rows, "rows")
    return unit_rows(rows)[0]


def unit_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The normalized rows, (N, D), and the factors 1 / |x|, (N, 1): 0 for zeros."""
    if reading_is_free(rows):
        lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)  # (N, 1)
        if squares_in_range(lengths):
            factors = lengths.reciprocal()
            return rows * factors, factors
    # Divided by its largest number first, no row has squares out of range.
    limits = torch.finfo(rows.dtype)
    largest = torch.linalg.vector_norm(rows.detach(), torch.inf, dim=1, keepdim=True)
    largest = largest.clamp(min=limits.tiny)
    rows = rows / largest
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    factors = lengths.masked_fill(lengths == 0, torch.inf).reciprocal()
    return rows * factors, (factors / largest).clamp(max=limits.max)


def squares_in_range(lengths: Tensor) -> bool:
    """Whether no row is zero, and no square can have over- or underflowed."""
    if not lengths.numel():
        return False
    shortest, longest = lengths.detach().aminmax()
    return shortest.item() > 1e-15 and longest.item() < 1e15


def cosine_distance(rows: Tensor, others: Tensor | None = None) -> Tensor:
    r"""Cosine distance of each row to each other row, in [0, 2].

    .. math:: d_{ij} = 1 - \mathrm{Re}\,\frac{x_i \cdot \bar{z}_j}{|x_i|\,|z_j|}

    0: same direction, 1: perpendicular, 2: opposite. A row of zeros is at distance
    1 from everything. Used by Agarap and Azcarraga (2020): it does not grow with the
    dimension or with the brightness.

    Args:
        rows: (N, D) real floating or complex.
        others: (M, D); the rows themselves if not given.

    Returns:
        (N, M) real; float32 for half precision input.

    Raises:
        ValueError, TypeError: another shape than (N, D), integers; or others of other
            columns, dtype or device.

    Example:
        >>> cosine_distance(torch.tensor([[1.0, 0.0], [0.0, 5.0], [-2.0, 0.0]]))
        tensor([[0., 1., 2.],
                [1., 0., 1.],
                [2., 1., 0.]])

    Derived in chapter 1.
    """
    check_pair(rows, others)
    rows = normalize_rows(as_real_rows(rows))
    others = rows if others is None else normalize_rows(as_real_rows(others))
    with full_precision(rows):
        distances = 1 - rows @ others.T  # (N, M)
    # Rounding can leave [0, 2] by 1e-7. Clamp only the value: through a clamp, the
    # gradient would be 0.
    return distances + (distances.clamp(0, 2) - distances).detach()


def squared_euclidean_distance(rows: Tensor, others: Tensor | None = None) -> Tensor:
    r"""Squared Euclidean distance of each row to each other row.

    .. math:: d_{ij} = |x_i - z_j|^2 = |x_i|^2 + |z_j|^2 - 2\,x_i \cdot z_j

    The distance of Frosst, Papernot and Hinton (2019, equation 1). The right-hand
    side needs one matrix product, but subtracts large numbers to find small ones, so
    it is computed and returned in float64: float32 would lose close pairs altogether.

    Args:
        rows: (N, D) real floating or complex.
        others: (M, D); the rows themselves if not given.

    Returns:
        (N, M) float64, in squared units of the input (float32 on Apple GPUs, which
        have no float64).

    Raises:
        ValueError, TypeError: as for `cosine_distance`.

    Example:
        >>> squared_euclidean_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
        tensor([[ 0., 25.],
                [25.,  0.]], dtype=torch.float64)

    Derived in chapter 1.
    """
    check_pair(rows, others)
    wide = wide_dtype(rows)
    rows = as_real_rows(rows).to(wide)
    others = rows if others is None else as_real_rows(others).to(wide)
    center = mean_row(others)  # distances do not see a shift, but rounding does
    rows, others = rows - center, others - center
    squares = rows.square().sum(1)[:, None] + others.square().sum(1)  # (N, M)
    with full_precision(rows):
        distances = squares - 2 * rows @ others.T
    return distances + (distances.clamp(min=0) - distances).detach()


def check_pair(rows: Tensor, others: Tensor | None) -> None:
    """Raise unless these are rows, and others of their kind if there are any."""
    check_rows(rows, "rows")
    if others is not None:
        check_others(others, rows, "others", "rows")


def mean_row(rows: Tensor) -> Tensor:
    """The mean of the rows, without a gradient; zeros if there are none."""
    return rows.detach().sum(dim=0) / max(len(rows), 1)


def wide_dtype(rows: Tensor) -> torch.dtype:
    """float64, or float32 on Apple GPUs, which have no float64."""
    return torch.float32 if rows.device.type == "mps" else torch.float64


def published_cosine_distance(rows: Tensor) -> Tensor:
    """Cosine distance as the published code computes it, rounding residue and all.

    The diagonal comes out as about 1e-7 instead of 0, on either side. Kept for the
    chapters that show what this residue does; use `cosine_distance` for work.

    Args:
        rows: (N, D) real floating or complex.

    Returns:
        (N, N) real, in the precision of the input.

    Raises:
        ValueError, TypeError: as for `cosine_distance`.

    Example:
        >>> distances = published_cosine_distance(torch.tensor([[1.0, 2.0]]))
        >>> abs(distances.item()) < 1e-6
        True

    Derived in chapter 1.
    """
    check_rows(rows, "rows")
    unit = torch.nn.functional.normalize(rows, dim=1)
    return 1 - (unit @ unit.conj().T).real if rows.is_complex() else 1 - unit @ unit.T


NAMED_DISTANCES = {
    "cosine": cosine_distance,
    "sqeuclidean": squared_euclidean_distance,
}


def pairwise_distance(
    rows: Tensor, others: Tensor | None = None, distance: Distance = "cosine"
) -> Tensor:
    """The distance of each row to each other row, by name or by a function of yours.

    Args:
        rows: (N, D).
        others: (M, D); the rows themselves if not given.
        distance: `"cosine"`, `"sqeuclidean"`, or a callable (N, D), (M, D) -> (N, M).
            The gradient of a callable must be finite on the diagonal, too.

    Returns:
        (N, M) real floating, at least float32.

    Raises:
        ValueError: unknown name, or a callable that returns another shape or is a
            similarity; rows as for `cosine_distance`.
        TypeError: a distance that is neither, or returns no real floating tensor; rows
            as for `cosine_distance`.

    Example:
        >>> rows = torch.tensor([[0.0], [2.0]])
        >>> pairwise_distance(rows, distance=torch.cdist)
        tensor([[0., 2.],
                [2., 0.]])

    Derived in chapter 1.
    """
    check_distance(distance)
    check_pair(rows, others)
    if isinstance(distance, str):
        return NAMED_DISTANCES[distance](rows, others)
    others = rows if others is None else others
    distances = distance(rows, others)
    expected = (len(rows), len(others))
    if not isinstance(distances, Tensor) or not distances.is_floating_point():
        kind = getattr(distances, "dtype", type(distances).__name__)
        raise TypeError(f"distance must return a real floating tensor; got {kind}")
    if distances.shape != expected:
        raise ValueError(
            f"distance must return shape {expected}; got {tuple(distances.shape)}"
        )
    return at_least_float32(distances)


def check_distance(distance: Distance) -> None:
    """Raise unless this is the name of a distance, or a callable and no similarity.

    pytorch-metric-learning marks a similarity, large for near rows, by `is_inverted`.
    """
    if not isinstance(distance, str) and not callable(distance):
        kind = type(distance).__name__
        raise TypeError(f"distance must be a name or a callable; got {kind}")
    if isinstance(distance, str) and distance not in NAMED_DISTANCES:
        names = ", ".join(repr(name) for name in NAMED_DISTANCES)
        raise ValueError(f"distance must be {names} or a callable; got {distance!r}")
    if getattr(distance, "is_inverted", False):
        kind = type(distance).__name__
        raise ValueError(
            f"distance must be small for near rows; got a similarity, {kind}; turn it "
            "round: distance=lambda a, b: 1 - similarity(a, b)"
        )
