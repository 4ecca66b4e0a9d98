"""The whole batch across processes, with its gradient. (chapter 11)

Each process holds a part of the batch. It gathers everybody's rows, computes the losses
of its own with all of them as neighbors, and the sums are added up: memory is linear in
the whole batch, and the work on its pairs is shared. In each process::

    model = DistributedDataParallel(model)
    criterion = SoftNearestNeighborLoss(gather_distributed=True)
    criterion(model(inputs), labels).backward()

One rule gives all gradients: each row receives the gradient of the sum of all
processes' losses. Two steps of the forward pass mix processes, and the backward of each
adds up the gradients that all processes send back.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from snnl_tutorial.loss.batch import Batch


def has_peers() -> bool:
    """Whether this is one of several processes of an initialized group.

    Example:
        >>> has_peers()
        False
    """
    ready = dist.is_available() and dist.is_initialized()
    return ready and dist.get_world_size() > 1


def gather_batch(batch: Batch, **settings: object) -> Batch:
    """The batch with the rows (or references) of all processes as its references.

    They stand in the order of the processes' ranks. All processes must call this
    together. How many rows each brings is exchanged first, which on a GPU waits.

    Args:
        batch: the rows of this process, 0 included, and its references, if any.
        settings: of the loss, which must be the same in all processes.

    Returns:
        The same rows with M references, differentiable. Where the references are the
        rows of all processes, `own_column` says where those of this process begin.

    Raises:
        ValueError: in all processes, if their settings differ, or their rows do in
            columns, dtype, in having a gradient, or in being references.

    Derived in chapter 11.
    """
    rows, labels = batch.ref_embeddings, batch.ref_labels
    references = rows is not None and labels is not None
    if rows is None or labels is None:
        rows, labels = batch.embeddings, batch.labels
    sizes = exchange_sizes(rows, describe(rows, references, settings))
    first = sum(sizes[: dist.get_rank()])
    return batch._replace(
        ref_embeddings=GatherRows.apply(rows, sizes, first),
        ref_labels=all_gather(labels.long(), sizes),
        own_column=None if references else first,
    )


def exchange_sizes(rows: Tensor, description: str) -> list[int]:
    """How many rows each process has; raise in all if their descriptions differ.

    A mismatch would make the next collective hang, or mix up numbers.
    """
    letters = description.encode()[:LETTERS].ljust(LETTERS)
    mine = torch.tensor([len(rows), *letters], dtype=torch.int64, device=rows.device)
    everybody = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(everybody, mine)
    table = [process.tolist() for process in everybody]
    descriptions = [
        bytes(letters).decode(errors="ignore").strip() for _, *letters in table
    ]
    for rank, other in enumerate(descriptions):
        if other != descriptions[0]:
            raise ValueError(
                "gather_distributed needs the same settings and kind of rows in all "
                f"processes; got {descriptions[0]} in process 0, {other} in {rank}"
            )
    return [size for size, *_ in table]


LETTERS = 256
"""Bytes of a description that are sent; all of them, but for a long name of a callable,
which comes last."""


def describe(rows: Tensor, references: bool, settings: Mapping[str, object]) -> str:
    """One process's rows and settings in words."""
    name = "ref_embeddings" if references else "embeddings"
    differentiable = rows.requires_grad and torch.is_grad_enabled()
    words = [
        f"{name} with {rows.shape[1]} columns of {rows.dtype} "
        f"{'with' if differentiable else 'without'} a gradient"
    ]
    for setting, value in settings.items():
        if isinstance(value, Tensor):
            value = value.item()
        elif callable(value):
            value = getattr(value, "__name__", type(value).__name__)
        words.append(f"{setting}={value!r}")
    return ", ".join(words)


def all_gather(rows: Tensor, sizes: list[int]) -> Tensor:
    """The rows of all processes; padded on the way, as gloo wants equal sizes."""
    padded = rows.new_zeros(max(sizes), *rows.shape[1:])
    padded[: len(rows)] = rows.detach()
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


class GatherRows(torch.autograd.Function):
    """`all_gather` with a gradient: the gradients from all processes add up."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: list[int], first: int) -> Tensor:
        ctx.mine = slice(first, first + len(rows))
        return all_gather(rows, sizes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        wide = torch.promote_types(gradient.dtype, torch.float32)
        total = gradient.new_empty(gradient.shape, dtype=wide).copy_(gradient)
        dist.all_reduce(total)
        return total[ctx.mine].to(gradient.dtype), None, None


def sum_over_processes(total: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The sums, over all processes, of a 0-d loss and of a 0-d integer.

    Every process receives the same sums. So each of them is the whole batch's loss,
    and DistributedDataParallel, which averages gradients over processes, finds the
    gradient of the whole batch's loss.
    """
    both = torch.stack([total.double(), count.double()])
    both = SumOverProcesses.apply(both)
    return both[0].to(total.dtype), both[1].to(count.dtype)


class SumOverProcesses(torch.autograd.Function):
    """Every process receives the sum, so the gradients from all of them add up."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total
