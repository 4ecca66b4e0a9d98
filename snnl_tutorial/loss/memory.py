"""A memory of earlier batches, for batches that cannot be large. (chapter 11)"""

import torch
from torch import Tensor, nn

from snnl_tutorial.loss.checks import check_integer, check_types
from snnl_tutorial.loss.soft_nearest_neighbor import SoftNearestNeighborLoss
from snnl_tutorial.loss.temperature import Temperature


class CrossBatchMemory(nn.Module):
    """A loss whose rows look for their neighbors among those of earlier batches.

    The last `rows` embeddings, with a label or without, are kept as the network made
    them at the time, without a gradient (Wang et al., 2020). They are good neighbors as
    long as the embeddings drift slowly. Until the memory holds a partner, a row is no
    anchor. A batch joins the memory after its loss, and only in training mode.

    What it holds is in its `state_dict`, so a checkpoint restores it. Several processes
    have a memory each: wrap the model, not this, in `DistributedDataParallel`, which
    would hand the first process's buffers to all.

    Args:
        criterion: the loss to compute.
        rows: how many embeddings it holds, at most.
        columns: D.
        dtype: of the embeddings.

    Example:
        >>> memory = CrossBatchMemory(SoftNearestNeighborLoss(1.0), rows=4, columns=2)
        >>> batch, labels = torch.eye(2), torch.tensor([0, 1])
        >>> memory(batch, labels)  # nothing to look at
        tensor(0.)
        >>> memory(batch, labels)  # distances 0 and 1: -log(1 / (1 + exp(-1)))
        tensor(0.3133)
    """

    embeddings: Tensor
    labels: Tensor

    def __init__(
        self,
        criterion: SoftNearestNeighborLoss,
        rows: int,
        columns: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        check_types(criterion=(criterion, SoftNearestNeighborLoss))
        rows = check_integer(rows, "rows", least=1)
        columns = check_integer(columns, "columns", least=1)
        self.criterion = criterion
        unlabeled = criterion.ignore_index  # no neighbors, until they are replaced
        self.register_buffer("embeddings", torch.zeros(rows, columns, dtype=dtype))
        self.register_buffer("labels", torch.full((rows,), unlabeled))

    @property
    def temperature(self) -> Temperature:
        """That of the criterion."""
        return self.criterion.temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        loss: Tensor = self.criterion(
            embeddings, labels, ref_emb=self.embeddings, ref_labels=self.labels
        )
        if self.training:
            self.store(embeddings, labels)
        return loss

    def store(self, embeddings: Tensor, labels: Tensor) -> None:
        """Add rows, and drop the oldest."""
        # New tensors: backward still needs the old ones.
        kept = len(self.labels)
        held = torch.cat([self.embeddings, embeddings.detach()])
        self.embeddings = held[-kept:]
        self.labels = torch.cat([self.labels, labels.to(self.labels.dtype)])[-kept:]

    def extra_repr(self) -> str:
        rows, columns = self.embeddings.shape
        return f"rows={rows}, columns={columns}"
