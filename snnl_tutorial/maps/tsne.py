"""t-SNE maps by openTSNE: fitted once, then never moved. (chapter 13)"""

from typing import Any

import torch
from torch import Tensor

from snnl_tutorial.datasets.load import check_seed
from snnl_tutorial.learning.evaluation import as_array
from snnl_tutorial.loss.batch import check_embeddings, check_others
from snnl_tutorial.loss.checks import check_choice, check_real

FEW = 10_000
"""Rows below which the Barnes-Hut tree is faster than interpolation on a grid."""


class FittedMap:
    """A t-SNE map, from `fit_map`.

    Attributes:
        points: (N, 2) float64 on the CPU, where the rows lie on the map. They never
            move.
    """

    points: Tensor

    def __init__(self, rows: Tensor, embedding: Any) -> None:
        self.points = torch.from_numpy(embedding.__array__().copy())
        self._rows = rows
        self._embedding = embedding

    def transform(self, rows: Tensor) -> Tensor:
        """Place new rows on the map, each for itself, by openTSNE.

        A row starts at the median of its 25 nearest neighbors among the fitted rows,
        and descends the objective of t-SNE while the map rests (Poličar et al., 2024).

        Args:
            rows: (M, D), of the dtype of the fitted rows.

        Returns:
            (M, 2) float64 on the CPU.

        Raises:
            ValueError, TypeError: rows that do not fit those of the map.

        Example:
            >>> rows = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
            >>> fit_map(rows, perplexity=5).transform(rows[:2]).shape
            torch.Size([2, 2])
        """
        check_others(rows, self._rows, "rows", "the fitted rows")
        check_embeddings(rows, "rows")
        placed = self._embedding.transform(as_array(rows, "rows"))
        # openTSNE has moved the whole map so that its center is at 0. Move it back, and
        # the new points with it.
        center = self.points - torch.from_numpy(self._embedding.__array__())
        self._embedding[:] = self.points.numpy()
        return torch.from_numpy(placed.__array__().copy()) + center[0]


def fit_map(
    rows: Tensor, perplexity: float = 30.0, seed: int = 0, initial: str = "pca"
) -> FittedMap:
    r"""Fit a t-SNE map of the plane by openTSNE.

    .. math:: \min_u \sum_{ij} P_{ij} \log \frac{P_{ij}}{Q_{ij}}, \quad
              P_{ij} = \frac{p_{ij} + p_{ji}}{2N}, \quad
              Q_{ij} \propto \frac{1}{1 + |u_i - u_j|^2}

    where :math:`u_i` is the point of row i, and :math:`p_{ij}` our
    `sampling_probability` of the squared distances, at a temperature of each row's own,
    at which the row has `perplexity` neighbors (van der Maaten and Hinton, 2008). In
    one thread, so that the same seed gives the same map.

    Args:
        rows: (N, D) real floating, on any device.
        perplexity: to how many neighbors a row looks.
        seed: of everything that is drawn.
        initial: where the points start: near their first two principal components
            (`"pca"`), or at `"random"`.

    Returns:
        A `FittedMap`.

    Raises:
        ValueError: rows without two principal components, unless the start is random; a
            perplexity below 1, or too large for so few rows: it takes three
            times as many neighbors; rows that are not finite, an unknown start, a seed
            that is not between 0 and 2**32 - 1.
        TypeError: rows that are no real floating tensor, or a number that is none.
        ModuleNotFoundError: openTSNE is not installed.

    Example:
        >>> rows = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        >>> fit_map(rows, perplexity=5).points.shape
        torch.Size([40, 2])

    Derived in chapter 13.
    """
    check_choice(initial, ("pca", "random"), "initial")
    check_map_rows(rows, "rows", by_components=initial == "pca")
    perplexity = check_perplexity(perplexity, len(rows))
    seed = check_seed(seed)
    tsne = import_opentsne().TSNE(
        perplexity=perplexity,
        initialization=initial,
        negative_gradient_method="bh" if len(rows) < FEW else "fft",
        random_state=seed,
        n_jobs=1,
    )
    return FittedMap(rows, tsne.fit(as_array(rows, "rows")))


def check_map_rows(rows: Tensor, name: str, by_components: bool = False) -> None:
    """Raise unless these are real rows, with two components if a map starts there."""
    check_embeddings(rows, name)
    if rows.is_complex():
        raise TypeError(f"{name} must be real; got {rows.dtype}")
    if by_components and (rows.shape[1] < 2 or bool((rows == rows[:1]).all())):
        what = "equal rows" if rows.shape[1] > 1 else "one column"
        raise ValueError(
            f"{name} must have two principal components, where the map starts; "
            f"got {what}; initial='random' needs none"
        )


def check_perplexity(perplexity: float, rows: int) -> float:
    """Return it as a float; raise unless so many rows have neighbors enough."""
    perplexity = check_real(perplexity, "perplexity", least=1)
    if 3 * perplexity > rows - 1:
        raise ValueError(
            f"perplexity must be at most {(rows - 1) / 3:.4g}, a third of the "
            f"other rows; got {perplexity:g}"
        )
    return perplexity


def import_opentsne() -> Any:
    """Import openTSNE, an extra; raise with one line that says what to install."""
    try:
        import openTSNE
    except ModuleNotFoundError as error:
        if error.name != "openTSNE":
            raise
        raise ModuleNotFoundError(
            "t-SNE maps need openTSNE: pip install openTSNE", name="openTSNE"
        ) from None
    return openTSNE
