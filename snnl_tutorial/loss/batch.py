"""A batch: rows and labels, and the rows among which their neighbors are looked for."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.loss.checks import (
    check_dense,
    check_same_device,
    reading_is_free,
)

DTYPES = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.complex64,
    torch.complex128,
)


class Batch(NamedTuple):
    """What the loss is computed on.

    Attributes:
        embeddings: (N, D) real floating or complex.
        labels: (N,) integer.
        ref_embeddings: (M, D), the neighbors to choose from; the rows themselves if
            `None`.
        ref_labels: (M,) integer.
        own_column: the reference column at which the rows themselves begin, if they
            are among the references; no row is its own candidate.
    """

    embeddings: Tensor
    labels: Tensor
    ref_embeddings: Tensor | None = None
    ref_labels: Tensor | None = None
    own_column: int | None = None


def check_batch(batch: Batch) -> None:
    """Raise unless rows and labels fit each other, and so do the references."""
    check_embeddings(batch.embeddings)
    check_labels(batch.labels, batch.embeddings)
    check_references(batch.embeddings, batch.ref_embeddings, batch.ref_labels)


def check_rows(rows: Tensor, name: str) -> None:
    """Raise unless these are (N, D) real floating or complex."""
    if not isinstance(rows, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor; got {type(rows).__name__}")
    check_dense(rows, name)
    if rows.dtype not in DTYPES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
        raise TypeError(f"{name} must be {known}; got {rows.dtype}")
    if rows.dim() != 2 or rows.shape[1] == 0:
        shape = tuple(rows.shape)
        hint = "; flatten(1) makes rows of images" if rows.dim() > 2 else ""
        raise ValueError(
            f"{name} must have shape (N, D) with D at least 1; got {shape}{hint}"
        )


def check_others(others: Tensor, rows: Tensor, name: str, rows_name: str) -> None:
    """Raise unless these are rows, and of the kind of the first ones."""
    check_rows(others, name)
    if others.shape[1] != rows.shape[1]:
        raise ValueError(
            f"{name} must have as many columns as {rows_name} ({rows.shape[1]}); "
            f"got {others.shape[1]}"
        )
    if others.dtype != rows.dtype:
        raise TypeError(
            f"{name} must have the dtype of {rows_name} ({rows.dtype}); "
            f"got {others.dtype}"
        )
    check_same_device(others, rows, name, rows_name)


def check_embeddings(embeddings: Tensor, name: str = "embeddings") -> None:
    """Raise unless these are (N, D) real floating or complex, finite rows.

    Finiteness is checked on the CPU only; on a GPU, NaN or infinity in the rows gives a
    NaN loss.
    """
    check_rows(embeddings, name)
    if reading_is_free(embeddings):
        check_finite(embeddings, name)


def check_finite(embeddings: Tensor, name: str) -> None:
    """Raise a ValueError that names the first row with a NaN or an infinity."""
    # Any NaN or infinity shows in the sum, which takes a twentieth of the time.
    half = embeddings.dtype in (torch.float16, torch.bfloat16)
    total = embeddings.detach().sum(dtype=torch.float32 if half else None).item()
    if abs(total) < math.inf:  # false for a NaN
        return
    bad = (~embeddings.isfinite()).any(dim=1)
    if bad.any():  # otherwise the sum overflowed
        row = bad.nonzero()[0].item()
        raise ValueError(f"{name} must be finite; row {row} has a NaN or an infinity")


def check_labels(labels: Tensor, embeddings: Tensor, name: str = "labels") -> None:
    """Raise unless there is one integer label, on the same device, for each row."""
    if not isinstance(labels, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor; got {type(labels).__name__}")
    check_dense(labels, name)
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(
            f"{name} must be integer; got {labels.dtype}; try {name}.long()"
        )
    if labels.dtype == torch.uint64:  # its upper half would wrap to negative labels
        raise TypeError(f"{name} must fit 64 bits with a sign; got {labels.dtype}")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"{name} must have shape ({len(embeddings)},), one label for each row; "
            f"got {tuple(labels.shape)}"
        )
    check_same_device(labels, embeddings, name)


def check_references(
    embeddings: Tensor, ref_embeddings: Tensor | None, ref_labels: Tensor | None
) -> None:
    """Raise unless both references are absent, or both are there and fit."""
    if ref_embeddings is None and ref_labels is None:
        return
    if ref_embeddings is not None and not isinstance(ref_embeddings, Tensor):
        kind = type(ref_embeddings).__name__
        hint = "; a miner's indices are not supported" if kind == "tuple" else ""
        raise TypeError(f"ref_embeddings must be a torch.Tensor; got {kind}{hint}")
    if ref_embeddings is None or ref_labels is None:
        given, missing = "ref_embeddings", "ref_labels"
        if ref_embeddings is None:
            given, missing = missing, given
        raise ValueError(f"{given} needs {missing} too; got {missing}=None")
    check_embeddings(ref_embeddings, "ref_embeddings")
    check_labels(ref_labels, ref_embeddings, "ref_labels")
    check_others(ref_embeddings, embeddings, "ref_embeddings", "embeddings")
