"""Checks of arguments: errors name the argument, what came and what is expected."""

import inspect
import math
import numbers
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def reading_is_free(tensor: Tensor) -> bool:
    """Whether a value of the tensor can be read without a wait.

    A GPU runs asynchronously: to read one of its values, the program has to wait.
    """
    return tensor.device.type == "cpu"


def refuse_second_derivatives() -> None:
    """Raise if backward itself is being recorded (`create_graph=True`)."""
    if torch.is_grad_enabled():
        raise RuntimeError(
            "the tiled loss has no second derivative; give it a callable distance, "
            "such as distance=cosine_distance, and autograd finds one"
        )


def check_same_device(
    tensor: Tensor, rows: Tensor, name: str, rows_name: str = "embeddings"
) -> None:
    """Raise unless the tensor lies where the rows lie."""
    if tensor.device != rows.device:
        raise ValueError(
            f"{name} must be on the device of {rows_name} ({rows.device}); "
            f"got {tensor.device}"
        )


def check_integer(value: int, name: str, least: int | None = None) -> int:
    """The value as a Python `int`, which torch takes where it refuses NumPy's.

    Raises:
        TypeError: no integer. (A NumPy array is none, not even a 0-d one.)
        ValueError: below `least`, if that is given, or beyond 64 bits.

    Example:
        >>> import numpy
        >>> check_integer(numpy.int64(3), "rows", least=1)
        3
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer; got {type(value).__name__}")
    if least is not None and value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} must fit 64 bits; got {value}")
    return int(value)


def check_real(value: float, name: str, least: float = -math.inf) -> float:
    """The value as a Python `float`; see `check_integer`.

    Raises:
        TypeError: no real number.
        ValueError: not finite, or below `least`.

    Example:
        >>> import numpy
        >>> check_real(numpy.float32(0.5), "factor")
        0.5
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number; got {type(value).__name__}")
    number = plain_float(value)
    if not least <= number < math.inf:  # false for a NaN
        bound = "" if least == -math.inf else f"at least {least:g} and "
        raise ValueError(f"{name} must be {bound}finite; got {value}")
    return number


def plain_float(value: float) -> float:
    """A real number of any type as a Python `float`; infinity if it is too large."""
    try:
        return float(value)
    except OverflowError:  # of an integer
        return math.inf


def check_dense(tensor: Tensor, name: str) -> None:
    """Raise unless the tensor has strides: is neither sparse nor nested."""
    if tensor.layout != torch.strided or tensor.is_nested:
        kind = "a nested tensor" if tensor.is_nested else tensor.layout
        raise TypeError(f"{name} must be a dense tensor; got {kind}")


def warn(message: str) -> None:
    """Warn at the line that called the package, past all frames of ours and torch's."""
    level, frame = 1, inspect.currentframe()
    while frame and frame.f_globals["__name__"].split(".")[0] in WITHIN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


WITHIN = (__name__.split(".")[0], "torch")


def check_choice(value: str, choices: Iterable[str], name: str) -> None:
    """Raise unless the value is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        names = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be {names}; got {value!r}")


def check_types(**arguments: tuple[Any, Any]) -> None:
    """Raise unless each argument, given as (value, type), is of its type.

    Example:
        >>> check_types(rows=([1.0], Tensor))
        Traceback (most recent call last):
        TypeError: rows must be of type Tensor; got list
    """
    for name, (value, kind) in arguments.items():
        if not isinstance(value, kind):
            wanted = getattr(kind, "__name__", kind)  # a union has no name
            got = type(value).__name__
            raise TypeError(f"{name} must be of type {wanted}; got {got}")
