"""Products that keep their precision, whatever the program around them has set."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor


@contextmanager
def full_precision(like: Tensor) -> Iterator[None]:
    """A block in which no matrix product rounds its factors.

    Autocast would round them to half precision, and TF32, which
    `torch.set_float32_matmul_precision("high")` switches on, to a thousandth. A
    distance of 0.001 would be gone, and at a low temperature all hangs on those.

    Args:
        like: a tensor on the device of the products.

    Example:
        >>> rows = torch.tensor([[1.0, 0.001]])
        >>> with torch.autocast("cpu", torch.bfloat16), full_precision(rows):
        ...     (rows @ rows.T).dtype
        torch.float32
    """
    device = like.device.type
    available = torch.amp.is_autocast_available(device)
    autocast = available and torch.is_autocast_enabled(device)
    before = float32_products()
    if before != EXACT:
        set_float32_products(EXACT)
    try:
        with torch.autocast(device, enabled=False) if autocast else nullcontext():
            yield
    finally:
        if before != EXACT:
            set_float32_products(before)


if hasattr(torch.backends.cuda.matmul, "fp32_precision"):  # torch 2.9 and newer
    BACKENDS: Any = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    EXACT: tuple[str, ...] = ("ieee", "ieee")

    def float32_products() -> tuple[str, ...]:
        """How GPU and CPU round the factors of a product."""
        now = (backend.fp32_precision for backend in BACKENDS)
        return tuple("ieee" if name == "none" else name for name in now)

    def set_float32_products(names: tuple[str, ...]) -> None:
        """Undo with what `float32_products` returned before."""
        for backend, name in zip(BACKENDS, names, strict=True):
            backend.fp32_precision = name

else:
    EXACT = ("highest",)

    def float32_products() -> tuple[str, ...]:
        """How all devices round the factors of a product."""
        return (torch.get_float32_matmul_precision(),)

    def set_float32_products(names: tuple[str, ...]) -> None:
        """Undo with what `float32_products` returned before."""
        torch.set_float32_matmul_precision(names[0])
