"""Bad input, named: the argument, what came, what is expected."""

import math
import numbers
from collections.abc import Iterable

import torch
from torch import Tensor

DTYPES = (
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
    *(torch.complex64, torch.complex128),
)


def check_embeddings(embeddings: Tensor, name: str = "embeddings") -> None:
    """Raise unless these are (N, D) real floating or complex, finite rows.

    Whether the values are finite is looked at on the CPU only: on a GPU the look
    would make the program wait for it. There, NaN or infinity in gives NaN out.
    """
    if not isinstance(embeddings, Tensor):
        kind = type(embeddings).__name__
        raise TypeError(f"{name} must be a torch.Tensor; got {kind}")
    if embeddings.dtype not in DTYPES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
        raise TypeError(f"{name} must be {known}; got {embeddings.dtype}")
    if embeddings.dim() != 2 or embeddings.shape[1] == 0:
        shape = tuple(embeddings.shape)
        hint = "; flatten(1) makes rows of images" if embeddings.dim() > 2 else ""
        raise ValueError(
            f"{name} must have shape (N, D) with D at least 1; got {shape}{hint}"
        )
    if embeddings.device.type == "cpu":
        check_finite(embeddings, name)


def check_finite(embeddings: Tensor, name: str) -> None:
    """Raise a ValueError that names the first row with a NaN or an infinity."""
    # A sum takes a twentieth of the time, and any NaN or infinity shows in it.
    half = embeddings.dtype in (torch.float16, torch.bfloat16)
    total = embeddings.detach().sum(dtype=torch.float32 if half else None)
    if total.abs().item() < math.inf:  # false for a NaN
        return
    bad = (~embeddings.isfinite()).any(dim=1)
    if bad.any():  # or else the sum was too large
        row = bad.nonzero()[0].item()
        raise ValueError(f"{name} must be finite; row {row} has a NaN or an infinity")


def check_labels(labels: Tensor, embeddings: Tensor, name: str = "labels") -> None:
    """Raise unless there is one integer label, on the same device, for each row."""
    if not isinstance(labels, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor; got {type(labels).__name__}")
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


def check_same_device(tensor: Tensor, embeddings: Tensor, name: str) -> None:
    """Raise unless the tensor lies where the embeddings lie."""
    if tensor.device != embeddings.device:
        raise ValueError(
            f"{name} must be on the device of embeddings ({embeddings.device}); "
            f"got {tensor.device}"
        )


def check_references(
    embeddings: Tensor, ref_embeddings: Tensor | None, ref_labels: Tensor | None
) -> None:
    """Raise unless both references are absent, or both are there and fit."""
    if ref_embeddings is None and ref_labels is None:
        return
    if ref_embeddings is not None and not isinstance(ref_embeddings, Tensor):
        kind = type(ref_embeddings).__name__
        hint = "; a miner's indices are not taken" if kind == "tuple" else ""
        raise TypeError(f"ref_embeddings must be a torch.Tensor; got {kind}{hint}")
    if ref_embeddings is None or ref_labels is None:
        given, missing = "ref_embeddings", "ref_labels"
        if ref_embeddings is None:
            given, missing = missing, given
        raise ValueError(f"{given} needs {missing} too; got {missing}=None")
    check_embeddings(ref_embeddings, "ref_embeddings")
    check_labels(ref_labels, ref_embeddings, "ref_labels")
    if ref_embeddings.shape[1] != embeddings.shape[1]:
        raise ValueError(
            f"ref_embeddings must have as many columns as embeddings "
            f"({embeddings.shape[1]}); got {ref_embeddings.shape[1]}"
        )
    if ref_embeddings.dtype != embeddings.dtype:
        raise TypeError(
            f"ref_embeddings must have the dtype of embeddings ({embeddings.dtype}); "
            f"got {ref_embeddings.dtype}"
        )
    check_same_device(ref_embeddings, embeddings, "ref_embeddings")


def check_integer(value: int, name: str, least: int | None = None) -> None:
    """Raise unless the value is an integer, and at least `least` if that is given."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer; got {type(value).__name__}")
    if least is not None and value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} must fit 64 bits; got {value}")


def check_choice(value: str, choices: Iterable[str], name: str) -> None:
    """Raise unless the value is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        names = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be {names}; got {value!r}")
