"""Triplets: a row, its nearest partner, its nearest stranger. (chapter 16)"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad, softplus

from snnl_tutorial.loss.batch import Batch, check_batch
from snnl_tutorial.loss.distance import real_rows, unit_rows
from snnl_tutorial.loss.masking import neighbor_masks
from snnl_tutorial.loss.temperature import read_temperature

TILE = 2**22
"""Similarities in memory at a time: 16 MiB in float32, however many rows there are."""


class Triplets(NamedTuple):
    """For each row its nearest partner and its nearest stranger, by cosine."""

    positive_similarity: Tensor
    """(N,) in [-1, 1]; NaN where the row has no partner."""
    negative_similarity: Tensor
    """(N,) in [-1, 1]; NaN where there is no stranger."""
    positive: Tensor
    """(N,) int64, the partner's row; -1 where there is none."""
    negative: Tensor
    """(N,) int64, the stranger's row; -1 where there is none."""


def closest_triplets(
    embeddings: Tensor,
    labels: Tensor,
    ref_embeddings: Tensor | None = None,
    ref_labels: Tensor | None = None,
    *,
    semihard: bool = False,
    ignore_index: int = -100,
) -> Triplets:
    r"""Find the nearest partner and the nearest stranger of each row.

    .. math:: S_{ap} = \max_{j:\,y_j = y_i} \cos(x_i, x_j), \qquad
              S_{an} = \max_{j:\,y_j \ne y_i} \cos(x_i, x_j)

    over all rows j other than i. The nearest partner is the *easy positive*, the
    nearest stranger the *hard negative* of Xuan et al. (2020). The search takes memory
    that grows with the rows, not with their square; the similarities have a gradient.

    Args:
        embeddings: (N, D).
        labels: (N,) integer.
        ref_embeddings: (M, D), where to look instead. No row is left out then.
        ref_labels: (M,) integer.
        semihard: whether to look only among strangers that are less similar than the
            nearest partner is (the *semi-hard* negatives of Schroff et al., 2015).
        ignore_index: the label of unlabeled rows, which are in no triplet.

    Returns:
        `Triplets`.

    Raises:
        ValueError, TypeError: as for `soft_nearest_neighbor_loss`.

    Example:
        >>> rows = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.8, -0.6]])
        >>> found = closest_triplets(rows, torch.tensor([0, 0, 1]))
        >>> found.positive.tolist(), found.negative.tolist()
        ([1, 0, -1], [2, 2, 0])
        >>> found.positive_similarity
        tensor([0.6000, 0.6000,    nan])
    """
    check_batch(Batch(embeddings, labels, ref_embeddings, ref_labels))
    rows = directions(embeddings)
    others, other_labels = rows, labels
    if ref_embeddings is not None and ref_labels is not None:
        others, other_labels = directions(ref_embeddings), ref_labels
    positive = torch.full((len(rows),), -1, device=rows.device)
    negative = positive.clone()
    step = max(1, TILE // max(1, len(others)))
    with torch.no_grad():
        for start in range(0, len(rows), step):
            tile = slice(start, start + step)
            own = start if others is rows else None
            masks = neighbor_masks(labels[tile], other_labels, ignore_index, own)
            similarity = rows[tile] @ others.T  # (tile, M)
            nearest, positive[tile] = largest(similarity, masks.partners)
            strangers = masks.candidates & ~masks.partners
            if semihard:
                strangers &= similarity < nearest[:, None]
            _, negative[tile] = largest(similarity, strangers)
    return Triplets(
        similarity_to(rows, others, positive),
        similarity_to(rows, others, negative),
        positive,
        negative,
    )


def directions(rows: Tensor) -> Tensor:
    """Rows of length 1, at least in float32; complex ones as real pairs."""
    return unit_rows(real_rows(rows))[0]


def largest(similarity: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """The largest allowed similarity of each row, and its column: -inf and -1 if none.

    Args:
        similarity: (N, M).
        allowed: (N, M) bool.
    """
    masked = similarity.masked_fill(~allowed, -torch.inf)
    values, columns = pad(masked, (1, 0), value=-torch.inf).max(dim=1)  # of equal ones,
    return values, columns - 1  # torch takes the first


def similarity_to(rows: Tensor, others: Tensor, column: Tensor) -> Tensor:
    """(N,) cosine of each row and its chosen other row; NaN where it has none."""
    has = column >= 0
    similarity = rows.new_full((len(rows),), torch.nan)
    similarity[has] = (rows[has] * others[column[has]]).sum(dim=1)
    return similarity


def distance_to_ideal(triplets: Triplets) -> Tensor:
    r"""How far each triplet is from the ideal one: partner at 1, stranger at 0.

    .. math:: \sqrt{(1 - S_{ap})^2 + S_{an}^2}

    Args:
        triplets: from `closest_triplets`.

    Returns:
        (N,); NaN where a row has no partner or no stranger.

    Example:
        >>> rows = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.8, -0.6]])
        >>> found = closest_triplets(rows, torch.tensor([0, 0, 1]))
        >>> distance_to_ideal(found)[0]  # sqrt(0.4^2 + 0.8^2)
        tensor(0.8944)
    """
    return torch.hypot(1 - triplets.positive_similarity, triplets.negative_similarity)


def easy_positive_loss(
    embeddings: Tensor, labels: Tensor, temperature: float = 0.1
) -> Tensor:
    r"""The nearest partner against all strangers (EP; Xuan et al., 2020).

    .. math:: -\frac1N \sum_i \log \frac{e^{S_{ap}/T}}
              {e^{S_{ap}/T} + \sum_{j:\,y_j \ne y_i} e^{\cos(x_i, x_j)/T}}

    The soft nearest neighbor loss has all partners in the place of the nearest; as T
    goes to 0, it tends to this one.

    Args:
        embeddings: (N, D).
        labels: (N,) integer; rows labeled -100 take no part.
        temperature: T.

    Returns:
        0-d, the mean over rows that have a partner; 0 if none has.

    Raises:
        ValueError, TypeError: as for `soft_nearest_neighbor_loss`.

    Example:
        >>> rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> easy_positive_loss(rows, torch.tensor([0, 0, 1]), temperature=1.0)
        tensor(0.3133)
    """
    temperature = read_temperature(temperature, "temperature")
    check_batch(Batch(embeddings, labels))
    rows, masks = directions(embeddings), neighbor_masks(labels)
    similarity = rows @ rows.T  # (N, N)
    nearest, _ = largest(similarity, masks.partners)
    strangers = masks.candidates & ~masks.partners
    logits = (similarity / temperature).masked_fill(~strangers, -torch.inf)
    logits = torch.cat([(nearest / temperature)[:, None], logits], dim=1)  # (N, 1 + N)
    logits = logits[masks.anchors]
    return mean_or_zero(logits.logsumexp(dim=1) - logits[:, 0], rows)


def easy_positive_semihard_loss(
    embeddings: Tensor, labels: Tensor, temperature: float = 0.1, order: int = 1
) -> Tensor:
    r"""The nearest partner against the nearest stranger beyond it (EPSHN).

    First order, as Xuan et al. (2020) have it; and our reading of what "second order"
    may mean, half the squared distance to the ideal triplet:

    .. math:: \frac1N \sum_i \log \left(1 + e^{(S_{an} - S_{ap})/T}\right), \qquad
              \frac1N \sum_i \frac{(1 - S_{ap})^2 + S_{an}^2}{2}

    The stranger is semi-hard: the nearest that is less similar than the partner.

    Args:
        embeddings: (N, D).
        labels: (N,) integer; rows labeled -100 take no part.
        temperature: T, of the first order; the second has none.
        order: 1 or 2.

    Returns:
        0-d, the mean over rows that have such a triplet; 0 if none has.

    Raises:
        ValueError, TypeError: as for `soft_nearest_neighbor_loss`; another order.

    Example:
        >>> rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> labels = torch.tensor([0, 0, 1])
        >>> easy_positive_semihard_loss(rows, labels, temperature=1.0)
        tensor(0.3133)
        >>> easy_positive_semihard_loss(rows, labels, order=2)
        tensor(0.)
    """
    temperature = read_temperature(temperature, "temperature")
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2; got {order!r}")
    found = closest_triplets(embeddings, labels, semihard=True)
    whole = (found.positive >= 0) & (found.negative >= 0)
    positive, negative = (similarity[whole] for similarity in found[:2])
    if order == 1:
        losses = softplus((negative - positive) / temperature)
    else:
        losses = ((1 - positive).square() + negative.square()) / 2
    return mean_or_zero(losses, found.positive_similarity)


def mean_or_zero(losses: Tensor, source: Tensor) -> Tensor:
    """The mean of the losses; of none, 0 with a zero gradient."""
    return losses.mean() if len(losses) else source.nan_to_num().sum() * 0
