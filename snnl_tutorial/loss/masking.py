"""Masks: who may be picked, and whose pick counts as a hit? (chapter 3)"""

from typing import NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.batch import Batch
from snnl_tutorial.loss.checks import reading_is_free


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
        own_column: the reference column at which the rows themselves begin, if they
            are among the references; no row is its own candidate.

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
    candidates = (labels != ignore_index)[:, None] & (others != ignore_index)  # (N, M)
    if ref_labels is None:
        candidates = candidates & other_rows(len(labels), labels.device)
    elif own_column is not None:
        candidates.diagonal(own_column)[: len(labels)].fill_(False)
    partners = candidates & same_class(labels, others)
    anchors = partners.any(dim=1)  # false for singletons: they have no partner
    return NeighborMasks(candidates, partners, anchors)


class TileMasks(NamedTuple):
    """The masks of `neighbor_masks` between two blocks of rows at a time. (chapter 11)

    Attributes:
        labels: (N,), floats on a CPU, which compares them faster than integers.
        ref_labels: (M,).
        bias: (N,), `log_zero` where a row is unlabeled; `None` if none is.
        ref_bias: (M,), or `None`.
        own_column: as in `neighbor_masks`; 0 without references.
    """

    labels: Tensor
    ref_labels: Tensor
    bias: Tensor | None
    ref_bias: Tensor | None
    own_column: int | None

    def exclude(self, logits: Tensor, i: slice, j: slice) -> Tensor:
        """Lower the logits of all but the candidates to `log_zero`, in place."""
        if self.bias is not None and self.ref_bias is not None:
            logits += self.bias[i, None]
            logits += self.ref_bias[j]
        if self.own_column is not None:
            own = logits.diagonal(i.start + self.own_column - j.start)  # may be empty
            own.fill_(log_zero(logits.dtype))
        return logits

    def partner_weights(self, i: slice, j: slice, out: Tensor) -> Tensor:
        """1.0 where labels are equal, else 0.0; products with booleans are slow.

        Also 1.0 for a row itself and between unlabeled rows, which `exclude` left out.
        """
        return torch.eq(self.labels[i, None], self.ref_labels[j], out=out)


def tile_masks(batch: Batch, ignore_index: int, dtype: torch.dtype) -> TileMasks:
    """The `TileMasks` of a batch, for logits of this dtype.

    Labels too large for a float are replaced by their ranks. On a GPU, where no value
    is read, labels stay integers, and there is always a bias.
    """
    labels, own_column = batch.labels.long(), batch.own_column
    if batch.ref_labels is not None:
        labels = torch.cat([labels, batch.ref_labels.long()])
    codes, bias, may_be_unlabeled = labels, None, True
    if reading_is_free(labels) and labels.numel():
        lowest, highest = labels.aminmax()
        low, high = lowest.item(), highest.item()
        may_be_unlabeled = low <= ignore_index <= high
        if low < -(2**24) or high > 2**24:
            codes = torch.searchsorted(labels.sort().values, labels.contiguous())
        codes = codes.to(dtype)
    if may_be_unlabeled:
        bias = torch.zeros_like(labels, dtype=dtype)
        bias.masked_fill_(labels == ignore_index, log_zero(dtype))
    if batch.ref_labels is None:
        return TileMasks(codes, codes, bias, bias, own_column=0)
    n = len(batch.labels)
    if bias is None:
        return TileMasks(codes[:n], codes[n:], None, None, own_column)
    return TileMasks(codes[:n], codes[n:], bias[:n], bias[n:], own_column)


def log_zero(dtype: torch.dtype) -> float:
    """Stands for log 0: its exp is 0, and a few of them add up without overflow."""
    return torch.finfo(dtype).min / 8


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
