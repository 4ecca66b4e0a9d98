"""The log-mean: one number for a batch, as published and exact. (chapter 4)"""

import torch
from torch import Tensor, nn

from snnl_tutorial.loss.batch import (
    Batch,
    check_batch,
    check_labels,
    check_rows,
)
from snnl_tutorial.loss.checks import (
    check_choice,
    check_integer,
    check_real,
    check_same_device,
    reading_is_free,
)
from snnl_tutorial.loss.distance import (
    Distance,
    check_distance,
    pairwise_distance,
    published_cosine_distance,
)
from snnl_tutorial.loss.distributed import gather_batch, has_peers, sum_over_processes
from snnl_tutorial.loss.masking import (
    NeighborMasks,
    masked_sampling_probability,
    neighbor_masks,
)
from snnl_tutorial.loss.ranges import check_slope, has_gradient
from snnl_tutorial.loss.sampling import (
    masked_logsumexp,
    published_sampling_probability,
    sampling_logits,
)
from snnl_tutorial.loss.temperature import (
    Temperature,
    as_temperature,
    check_temperature,
    default_temperature,
)
from snnl_tutorial.loss.tiled import tiled_losses


def anchor_losses(logits: Tensor, masks: NeighborMasks) -> Tensor:
    r"""Loss of each row: minus the log-probability that it picks its own class.

    .. math:: \ell_i = -\log \frac{S_i}{S_i + O_i} = \log(1 + O_i / S_i)

    S_i sums exp(s_ij) over the row's partners, O_i over its other candidates. In
    logarithms this is softplus(log O_i - log S_i), exact for the smallest losses, too.

    Args:
        logits: (N, M), s_ij = -d_ij / T.
        masks: of the same batch.

    Returns:
        (N,), 0 at rows that are no anchors.

    Example:
        >>> masks = neighbor_masks(torch.tensor([0, 0, 1]))
        >>> anchor_losses(torch.zeros(3, 3), masks)  # a coin toss, twice
        tensor([0.6931, 0.6931, 0.0000])

    Derived in chapter 4.
    """
    partners = masked_logsumexp(logits, masks.partners)
    others = masked_logsumexp(logits, masks.candidates & ~masks.partners)
    losses = torch.logaddexp(others - partners, torch.zeros_like(partners))
    return losses.where(masks.anchors, 0)


def soft_nearest_neighbor_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    temperature: float | Tensor | None = None,
    distance: Distance = "cosine",
    ref_embeddings: Tensor | None = None,
    ref_labels: Tensor | None = None,
    ignore_index: int = -100,
    singletons: str = "exclude",
    reduction: str = "mean",
    block_size: int | None = None,
    gather_distributed: bool = False,
) -> Tensor:
    r"""Soft nearest neighbor loss of a batch, exact at every temperature.

    .. math::
        -\frac{1}{|A|} \sum_{i \in A} \log
        \frac{\sum_{j \ne i,\ y_j = y_i} e^{-d_{ij}/T}}{\sum_{k \ne i} e^{-d_{ik}/T}}

    Frosst, Papernot and Hinton (2019, equation 1). A are the anchors: the labeled
    rows that have a partner, another row of their class. Low: classes lie apart.
    High: they are entangled.

    To be exact, squared Euclidean distances are computed in float64, and cosine
    distances, too, where T is below 1e-5 (and need not be read from a GPU). A callable
    is as exact as the distances that it returns.

    Args:
        embeddings: (N, D) real floating or complex.
        labels: (N,) integer.
        temperature: T, a positive number or 0-d tensor (which then gets a gradient),
            in the units of the distance. Default: 0.1 for the cosine distance; the
            others need one.
        distance: `"cosine"` in [0, 2], `"sqeuclidean"` in squared input units, or a
            callable (N, D), (M, D) -> (N, M).
        ref_embeddings: (M, D); neighbors are looked for there, and no diagonal is
            removed.
        ref_labels: (M,) integer.
        ignore_index: rows with this label are neither anchors nor neighbors.
        singletons: labeled rows without a partner: `"exclude"` them from the anchors,
            or `"raise"`.
        reduction: `"mean"` over the anchors, `"sum"`, or `"none"`.
        block_size: compute the loss in tiles of this many rows and columns, with
            memory linear in N + M. `None` picks 512 (4096 on a GPU), and keeps the
            tiles for backward while that takes less than 256 MiB: faster, the same to
            rounding. So a batch of up to 512 rows is one tile, the whole matrix. A
            callable distance is computed whole and takes `None` only.
        gather_distributed: whether neighbors are looked for among the rows of all
            processes: see `SoftNearestNeighborLoss`.

    Returns:
        0-d, or (N,) for `reduction="none"` (0 at rows that are no anchors); real,
        float32 for half precision input. Without an anchor: 0, with a zero gradient.

    Raises:
        ValueError, TypeError: an argument does not fit; the message names it, what
            came and what is expected. NaN and infinity raise on the CPU; on a GPU they
            give a NaN loss, since no value is read there. Distances over T that
            float64 rounds by more than 0.01 raise a warning on the CPU: cosine
            distances at a T below 2e-14, squared Euclidean ones by their size.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
        >>> labels = torch.tensor([0, 0, 1, 1])
        >>> soft_nearest_neighbor_loss(embeddings, labels)
        tensor(0.0003)

    Derived in chapter 4.
    """
    batch = Batch(embeddings, labels, ref_embeddings, ref_labels)
    check_batch(batch)
    ignore_index, block_size = check_settings(
        distance, ignore_index, singletons, reduction, block_size
    )
    if temperature is None:
        temperature = default_temperature(distance)
    temperature = check_temperature(temperature)
    if isinstance(temperature, Tensor) and temperature.device.type != "cpu":
        check_same_device(temperature, embeddings, "temperature")
    gathered = gather_distributed and has_peers()
    if gathered:
        batch = gather_batch(
            batch,
            temperature=temperature,
            ignore_index=ignore_index,
            reduction=reduction,
            distance=distance,
        )
    losses, anchors = row_losses(
        batch,
        temperature=temperature,
        distance=distance,
        ignore_index=ignore_index,
        block_size=block_size,
    )
    if singletons == "raise":
        raise_for_singletons(labels, anchors, ignore_index)
    if reduction == "none":
        return losses
    total, count = losses.sum(), anchors.count_nonzero()
    if gathered:
        total, count = sum_over_processes(total, count)
    return total if reduction == "sum" else total / count.clamp(min=1)


def row_losses(
    batch: Batch,
    *,
    temperature: float | Tensor,
    distance: Distance,
    ignore_index: int = -100,
    block_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of each row and whether it is an anchor, (N,) each; nothing is checked.

    A named distance is computed in tiles (chapter 11), a callable with the whole
    matrix (chapters 2 to 4): the same numbers, to rounding.
    """
    if isinstance(distance, str):
        losses, anchors = tiled_losses(
            batch, temperature, distance, ignore_index, block_size
        )
    else:
        losses, anchors = whole_matrix_losses(
            batch, temperature, distance, ignore_index
        )
    if batch.embeddings.dtype not in (torch.float64, torch.complex128):
        losses = losses.float()  # squared Euclidean distances are float64
    return losses, anchors


def whole_matrix_losses(
    batch: Batch,
    temperature: float | Tensor,
    distance: Distance,
    ignore_index: int = -100,
) -> tuple[Tensor, Tensor]:
    """`row_losses` as chapters 1 to 4 build them, from the (N, M) distance matrix.

    Example:
        >>> batch = Batch(torch.eye(4), torch.tensor([0, 0, 1, 1]))
        >>> whole_matrix_losses(batch, 1.0, "cosine")[0]
        tensor([1.0986, 1.0986, 1.0986, 1.0986])

    Derived in chapter 4.
    """
    distances = pairwise_distance(batch.embeddings, batch.ref_embeddings, distance)
    logits = sampling_logits(distances, temperature)
    if has_gradient(temperature) and logits.numel() and reading_is_free(logits):
        largest = float(logits.detach().abs().max())
        check_slope(largest, temperature, logits.dtype)
    masks = neighbor_masks(
        batch.labels, batch.ref_labels, ignore_index, batch.own_column
    )
    return anchor_losses(logits, masks), masks.anchors


def check_settings(
    distance: Distance,
    ignore_index: int,
    singletons: str,
    reduction: str,
    block_size: int | None,
) -> tuple[int, int | None]:
    """`ignore_index` and `block_size` as Python integers.

    Raises:
        ValueError, TypeError: a setting of the loss is not valid, or two do not fit.
    """
    check_distance(distance)
    ignore_index = check_integer(ignore_index, "ignore_index")
    check_choice(singletons, ("exclude", "raise"), "singletons")
    check_choice(reduction, ("mean", "sum", "none"), "reduction")
    if block_size is None:
        return ignore_index, None
    block_size = check_integer(block_size, "block_size", least=1)
    if not isinstance(distance, str):
        raise ValueError(
            "block_size needs distance='cosine' or 'sqeuclidean': only they can be "
            "computed again, tile by tile, in backward; got a callable"
        )
    return ignore_index, block_size


def raise_for_singletons(labels: Tensor, anchors: Tensor, ignore_index: int) -> None:
    """Raise a ValueError that names the first labeled row without a partner."""
    alone = (labels.long() != ignore_index) & ~anchors
    if alone.any():
        row = int(alone.nonzero()[0])
        raise ValueError(
            f"labels: row {row} has no partner of its class {int(labels[row])} "
            f"({int(alone.sum())} such rows); singletons='exclude' leaves them out"
        )


class SoftNearestNeighborLoss(nn.Module):
    """`soft_nearest_neighbor_loss` as a module that holds its settings.

    With `gather_distributed`, the processes of a `torch.distributed` group (`torchrun`)
    compute the loss of one batch, of which each holds a part, of any size. Neighbors
    (or references) are looked for among the rows of all of them. `"mean"` and `"sum"`
    return the whole batch's loss in every process; with the model wrapped in
    `DistributedDataParallel`, its parameters get the gradient that one process would
    find for the whole batch. (A loss that learns its temperature is wrapped, too.)
    `"none"` returns the losses of the process's own rows, and the gradient is that of
    the average over processes of whatever each computes from them.

    All processes must call the loss, and `backward`, equally often. One that raises
    leaves the others waiting; `torchrun` ends them.

    Args:
        temperature: a number, or a `Temperature` (annealed, learned). Default: 0.1
            for the cosine distance; the others need one.
        distance, ignore_index, singletons, reduction, block_size: as in the function.
        gather_distributed: whether to take in the rows of all processes. No difference
            where there is only one.

    Raises:
        ValueError, TypeError: as the function does; and in all processes, if they
            differ in temperature, ignore_index, reduction or distance, or their rows in
            columns, dtype, or whether they have a gradient.

    Example:
        >>> criterion = SoftNearestNeighborLoss()
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]])
        >>> criterion(embeddings, torch.tensor([0, 1, 0]))
        tensor(8.8374e-05)

    Derived in chapter 4.
    """

    def __init__(
        self,
        temperature: float | Temperature | None = None,
        distance: Distance = "cosine",
        ignore_index: int = -100,
        singletons: str = "exclude",
        reduction: str = "mean",
        block_size: int | None = None,
        gather_distributed: bool = False,
    ) -> None:
        super().__init__()
        self.ignore_index, self.block_size = check_settings(
            distance, ignore_index, singletons, reduction, block_size
        )
        if temperature is None:
            temperature = default_temperature(distance)
        self.temperature = as_temperature(temperature)
        self.distance = distance
        self.singletons = singletons
        self.reduction = reduction
        self.gather_distributed = gather_distributed

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        ref_emb: Tensor | None = None,  # pytorch-metric-learning's name
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        return soft_nearest_neighbor_loss(
            embeddings,
            labels,
            temperature=self.temperature(),
            distance=self.distance,
            ref_embeddings=ref_emb,
            ref_labels=ref_labels,
            ignore_index=self.ignore_index,
            singletons=self.singletons,
            reduction=self.reduction,
            block_size=self.block_size,
            gather_distributed=self.gather_distributed,
        )

    def extra_repr(self) -> str:
        names = ("ignore_index", "singletons", "reduction")
        settings = [f"{name}={getattr(self, name)!r}" for name in names]
        distance = getattr(self.distance, "__name__", self.distance)
        return ", ".join([f"distance={distance!r}", *settings])


def published_soft_nearest_neighbor_loss(
    embeddings: Tensor,
    labels: Tensor,
    temperature: float | Tensor = 1.0,
    epsilon: float = 1e-5,
    units: int | None = None,
) -> Tensor:
    r"""The loss as the published code computes it, step by step.

    .. math::
        -\frac1N \sum_i \log\Big(\varepsilon + \sum_j [y_j = y_i]\,\hat p_{ij}\Big)

    Agarap and Azcarraga (2020). It saturates at -log(epsilon) for a row without a
    partner. Where the diagonal's rounding residue outweighs the true sum, a negative
    residue makes it NaN, a positive one too small. Kept for the chapters that show
    both; use `soft_nearest_neighbor_loss` for work.

    Args:
        embeddings: (N, D) real floating or complex.
        labels: (N,) integer.
        temperature: T > 0.
        epsilon: keeps the division and the logarithm finite, most of the time.
        units: only the first so many columns count, if given.

    Returns:
        0-d.

    Raises:
        ValueError, TypeError: an argument does not fit.

    Example:
        >>> embeddings, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
        >>> published_soft_nearest_neighbor_loss(embeddings, labels)  # -log(1/3)
        tensor(1.0986)

    Derived in chapter 4.
    """
    check_rows(embeddings, "embeddings")
    check_labels(labels, embeddings)
    epsilon = check_real(epsilon, "epsilon", least=0)
    units = None if units is None else check_integer(units, "units", least=1)
    distances = published_cosine_distance(embeddings[:, :units])
    probability = published_sampling_probability(distances, temperature, epsilon)
    picked = masked_sampling_probability(probability, labels).sum(dim=1)
    return -torch.log(picked + epsilon).mean()
