"""Masks: who may be picked, and whose pick counts as a hit? (chapter 3)"""

from typing import NamedTuple

import torch
from torch import Tensor


def other_rows(rows: int, device: torch.device | None = None) -> Tensor:
    """Everybody but oneself: a square mask that is False on the diagonal.

    Args:
        rows: N.
        device: where to build it.

    Returns:
        (N, N) bool.

    Example:
        >>> other_rows(2)
        tensor([[False,  True],
                [ True, False]])

    Derived in chapter 2.
    """
    return ~torch.eye(rows, dtype=torch.bool, device=device)


def same_class(labels: Tensor, ref_labels: Tensor | None = None) -> Tensor:
    """Which pairs carry the same label?

    Args:
        labels: (N,) integer.
        ref_labels: (M,) integer; the labels themselves if not given.

    Returns:
        (N, M) bool. A row is in its own class: the diagonal is True.

    Example:
        >>> same_class(torch.tensor([7, 7, 1])).int()
        tensor([[1, 1, 0],
                [1, 1, 0],
                [0, 0, 1]], dtype=torch.int32)

    Derived in chapter 3.
    """
    ref_labels = labels if ref_labels is None else ref_labels
    return labels[:, None] == ref_labels


class NeighborMasks(NamedTuple):
    """Who takes part, for each row of a batch.

    Attributes:
        candidates: (N, M) bool, whom row i may pick: labeled rows other than itself.
        partners: (N, M) bool, the candidates that share the row's label.
        anchors: (N,) bool, labeled rows with at least one partner; the loss is the
            mean over these.
    """

    candidates: Tensor
    partners: Tensor
    anchors: Tensor


def neighbor_masks(
    labels: Tensor,
    ref_labels: Tensor | None = None,
    ignore_index: int = -100,
    own_column: int | None = None,
) -> NeighborMasks:
    """Candidates, partners and anchors of a batch.

    Args:
        labels: (N,) integer.
        ref_labels: (M,) integer, if the neighbors are looked for in another set; then
            no diagonal is removed.
        ignore_index: the label of unlabeled rows. They pick nobody and nobody picks
            them.
        own_column: if the rows stand among the references: from there on. A row is
            not its own candidate.

    Returns:
        A `NeighborMasks` tuple.

    Example:
        >>> masks = neighbor_masks(torch.tensor([0, 0, 1, -100]))
        >>> masks.anchors  # row 2 is alone in its class, row 3 has no label
        tensor([ True,  True, False, False])
        >>> masks.candidates[0]
        tensor([False,  True,  True, False])

    Derived in chapter 3.
    """
    # int64: an unsigned type would wrap the -100 round to a genuine label.
    labels = labels.long()
    others = labels if ref_labels is None else ref_labels.long()
    labeled = (labels != ignore_index)[:, None] & (others != ignore_index)  # (N, M)
    if ref_labels is None:
        labeled = labeled & other_rows(len(labels), labels.device)
    elif own_column is not None:
        labeled.diagonal(own_column)[: len(labels)].fill_(False)
    partners = labeled & same_class(labels, others)
    return NeighborMasks(labeled, partners, partners.any(dim=1))


def masked_sampling_probability(probability: Tensor, labels: Tensor) -> Tensor:
    """Keep the probability of picks from the row's own class, zero the others.

    The published form's third step (Agarap and Azcarraga, 2020).

    Args:
        probability: (N, N), from `published_sampling_probability`.
        labels: (N,) integer.

    Returns:
        (N, N); a row's sum is the probability that it picks its own class.

    Example:
        >>> probability = torch.tensor([[0.0, 0.7, 0.3], [0.5, 0.0, 0.5], [1.0, 0, 0]])
        >>> masked_sampling_probability(probability, torch.tensor([0, 0, 1])).sum(1)
        tensor([0.7000, 0.5000, 0.0000])

    Derived in chapter 3.
    """
    return probability * same_class(labels)
