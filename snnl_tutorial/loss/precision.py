"""Products that keep their precision, whatever the program around them has set."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor


def full_precision(like: Tensor) -> AbstractContextManager[None]:
    """A block in which no matrix product rounds its factors.

    Autocast would round them to half precision, and TF32, which
    `torch.set_float32_matmul_precision("high")` switches on, to a thousandth. A
    distance of 0.001 would be lost, and at a low temperature those decide the loss.

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
    with LOCK:
        exact = not USERS and float32_products(device) in EXACT
    if exact and not autocast:
        return UNCHANGED  # which is nearly always so
    return changed_precision(device, autocast)


UNCHANGED = nullcontext()


@contextmanager
def changed_precision(device: str, autocast: bool) -> Iterator[None]:
    """See `full_precision`."""
    me = object()
    enter(me, device)
    try:
        with torch.autocast(device, enabled=False) if autocast else nullcontext():
            yield
    finally:
        leave(me)


LOCK = threading.Lock()
USERS: set[object] = set()
"""The blocks that threads are inside of: the setting is one for the whole program, so
the first block changes it, and the last one that is left restores it."""

BEFORE: dict[str, str] = {}
"""What to restore, for each kind of device."""


def enter(user: object, device: str) -> None:
    """Make the products of a kind of device exact, until nobody needs it."""
    with LOCK:
        USERS.add(user)
        before = float32_products(device)
        if before not in EXACT:
            inherited = before == getattr(torch.backends, "fp32_precision", None)
            BEFORE[device] = "none" if inherited else before
            set_float32_products(device, EXACT[0])


def leave(user: object) -> None:
    """Restore what was before the first user, after the last."""
    with LOCK:
        USERS.remove(user)
        while BEFORE and not USERS:
            set_float32_products(*BEFORE.popitem())


if hasattr(torch.backends.cuda.matmul, "fp32_precision"):  # torch 2.9 and newer
    EXACT: tuple[str, ...] = ("ieee", "none")
    backends: Any = torch.backends
    PRODUCTS = {"cpu": backends.mkldnn.matmul, "cuda": backends.cuda.matmul}

    def float32_products(device: str) -> str:
        """How a kind of device rounds the factors of a product."""
        return PRODUCTS[device].fp32_precision if device in PRODUCTS else "ieee"

    def set_float32_products(device: str, name: str) -> None:
        """Set it; `"none"` inherits the setting of all devices."""
        PRODUCTS[device].fp32_precision = name

else:
    EXACT = ("highest",)

    def float32_products(device: str) -> str:
        """How all devices round the factors of a product."""
        return torch.get_float32_matmul_precision()

    def set_float32_products(device: str, name: str) -> None:
        """Set how all devices round the factors of a product."""
        torch.set_float32_matmul_precision(name)
