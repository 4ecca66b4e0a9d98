"""The temperature: constant, annealed or learned. (chapter 6)"""

import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from snnl_tutorial.loss.checks import check_real, plain_float, reading_is_free


def check_temperature(
    temperature: float | Tensor, name: str = "temperature"
) -> float | Tensor:
    """T as a Python `float`, or the 0-d floating tensor that it is.

    On a GPU the value is not read; a bad one shows up as a NaN or infinite loss.

    Raises:
        TypeError: neither a number nor a floating tensor.
        ValueError: a tensor of another shape; T not between 1e-30 and 1e30, beyond
            which a distance over T leaves float32. (Its gradient in T leaves it sooner:
            see `ranges.check_slope`.)
    """
    if isinstance(temperature, Tensor):
        if temperature.dim() != 0:
            shape = tuple(temperature.shape)
            raise ValueError(
                f"{name} must be a number or a 0-d tensor; got shape {shape}"
            )
        if not temperature.is_floating_point():
            raise TypeError(f"{name} must be floating; got dtype {temperature.dtype}")
        if not reading_is_free(temperature):
            return temperature
        value = float(temperature.detach())
    elif isinstance(temperature, numbers.Real) and not isinstance(temperature, bool):
        value = plain_float(temperature)
    else:
        kind = type(temperature).__name__
        raise TypeError(f"{name} must be a number or a 0-d tensor; got {kind}")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite; got {value}")
    if not 1e-30 <= value <= 1e30:
        raise ValueError(f"{name} must be between 1e-30 and 1e30; got {value}")
    return temperature if isinstance(temperature, Tensor) else value


def default_temperature(distance: Any) -> float:
    """T where none is given: 0.1 for cosine distances, which all lie in [0, 2].

    At T = 1 their logits span no more than 2, and classes that lie far apart still read
    as entangled. Other distances have the scale of the data, so T has, too.

    Raises:
        ValueError: another distance than `"cosine"`.
    """
    if distance == "cosine":
        return 0.1
    name = f"'{distance}'" if isinstance(distance, str) else "a callable"
    raise ValueError(
        f"temperature must be given where distance is {name}: it has the scale of your "
        "data (a start: entanglement(rows, labels, distance=...).temperature); got None"
    )


def read_temperature(value: float | Tensor, name: str) -> float:
    """T as a Python `float`, read from a GPU if that is where it is."""
    return float(check_temperature(float(check_temperature(value, name)), name))


class Temperature(nn.Module):
    """A temperature as a module: calling it returns T as a 0-d tensor."""

    def set_epoch(self, epoch: float) -> None:
        """Set the training epoch; most temperatures do not depend on it."""


def as_tensor(number: float) -> Tensor:
    """0-d float64 on the CPU, whatever the defaults, where it can be read at any time.

    Kept as a plain attribute, neither buffer nor number: `.to()` and `.half()` leave it
    alone, and `torch.compile` need not compile anew for each value.
    """
    return torch.scalar_tensor(number, dtype=torch.float64, device="cpu")


class NumberTemperature(Temperature):
    """Base class of temperatures whose state is one float64.

    A checkpoint holds the number under its name, so that no kind of temperature loads
    the number of another.
    """

    state_name: str
    """The attribute's name."""

    def restore(self, number: float) -> None:
        """Take a number from a checkpoint; raise if it is none."""
        raise NotImplementedError

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        destination[prefix + self.state_name] = getattr(self, self.state_name)

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        mine = prefix + self.state_name
        if mine in state_dict:
            try:
                self.restore(float(state_dict[mine]))
            except (TypeError, ValueError) as error:
                error_msgs.append(f"{mine}: {error}")
        elif strict:
            missing_keys.append(mine)
        if strict:
            here = [name for name in state_dict if name.startswith(prefix)]
            unexpected_keys += [name for name in here if name != mine]


class ConstantTemperature(NumberTemperature):
    """The same T all through training.

    T is exact (float64, `.half()` does not round it), stays on the CPU when the module
    moves, and is part of a checkpoint.

    Args:
        value: T, positive and finite, in the units of the distance.

    Raises:
        ValueError, TypeError: T is not a positive, finite number.

    Example:
        >>> ConstantTemperature(0.5)()
        tensor(0.5000, dtype=torch.float64)

    Derived in chapter 6.
    """

    value: Tensor
    state_name = "value"

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.restore(value)

    def forward(self) -> Tensor:
        return self.value

    def restore(self, number: float) -> None:
        self.value = as_tensor(read_temperature(number, "value"))

    def extra_repr(self) -> str:
        return f"{self.value.item():g}"


class AnnealedTemperature(NumberTemperature):
    r"""A temperature that falls from epoch to epoch.

    .. math:: T(\text{epoch}) = \frac{1}{(\eta + \text{epoch})^\gamma}

    Agarap and Azcarraga (2020) use eta = 1 and gamma = 0.55. Early on every pair is
    moved; later only the nearest ones.

    T is exact and stays on the CPU, as a `ConstantTemperature` does. A checkpoint holds
    the epoch, not the settings.

    Args:
        eta: shifts the start, positive. T(0) = 1 / eta**gamma.
        gamma: how fast T falls, at least 0.
        floor: T never falls below this, if given.

    Raises:
        ValueError: eta or floor not positive, gamma negative, any of them not finite.

    Example:
        >>> temperature = AnnealedTemperature()
        >>> temperature.set_epoch(9)
        >>> temperature()
        tensor(0.2818, dtype=torch.float64)

    Derived in chapter 6.
    """

    epoch: Tensor
    state_name = "epoch"
    eta: float
    gamma: float
    floor: float | None

    def __init__(
        self, eta: float = 1.0, gamma: float = 0.55, floor: float | None = None
    ) -> None:
        super().__init__()
        self.eta = read_temperature(eta, "eta")
        self.gamma = check_real(gamma, "gamma", least=0)
        self.floor = None if floor is None else read_temperature(floor, "floor")
        # Kept as state, so that a checkpoint stores it.
        self.epoch = as_tensor(0)

    def set_epoch(self, epoch: float) -> None:
        """Set the epoch, counted from 0; a fraction is welcome.

        Raises:
            ValueError: a negative or non-finite epoch.
        """
        self.epoch = as_tensor(check_real(epoch, "epoch", least=0))

    def forward(self) -> Tensor:
        annealed = (self.eta + self.epoch) ** -self.gamma
        return annealed if self.floor is None else annealed.clamp(min=self.floor)

    def restore(self, number: float) -> None:
        self.set_epoch(number)

    def extra_repr(self) -> str:
        return f"eta={self.eta:g}, gamma={self.gamma:g}, floor={self.floor}"


class LearnedTemperature(Temperature):
    """A temperature that the optimizer learns, through its logarithm.

    Since T = exp(log T), no step can make it negative. Give
    `loss.parameters()` to the optimizer, or T stays where it is.

    log T is made on torch's default device, as every parameter, and moves with `.to()`.
    But `.half()` and `.bfloat16()` leave it as wide as it is: rounded, T would be off
    by up to a hundredth, and stand still under an optimizer's small steps.

    Args:
        initial: T at the start, positive and finite.

    Raises:
        ValueError, TypeError: T is not a positive, finite number.

    Example:
        >>> temperature = LearnedTemperature(0.5)
        >>> round(temperature().item(), 4), len(list(temperature.parameters()))
        (0.5, 1)

    Derived in chapter 6.
    """

    def __init__(self, initial: float = 1.0) -> None:
        super().__init__()
        initial = read_temperature(initial, "initial")
        wide = torch.promote_types(torch.get_default_dtype(), torch.float32)
        start = torch.tensor(math.log(initial), dtype=wide)
        self.log_temperature = nn.Parameter(start)

    def forward(self) -> Tensor:
        return self.log_temperature.exp()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What `.to()` and its like call: log T moves, but not to half precision."""

        def moved(tensor: Tensor) -> Tensor:
            wanted = fn(tensor)
            too_narrow = wanted.is_floating_point() and wanted.itemsize < 4
            return tensor.to(wanted.device) if too_narrow else wanted

        return super()._apply(moved, recurse)


def as_temperature(temperature: float | Temperature) -> Temperature:
    """A number becomes a `ConstantTemperature`; a `Temperature` stays what it is."""
    if isinstance(temperature, Temperature):
        return temperature
    if isinstance(temperature, Tensor):
        raise TypeError(
            "temperature must be a number or a Temperature; got a tensor; "
            "LearnedTemperature(initial) is one that the optimizer can learn"
        )
    return ConstantTemperature(read_temperature(temperature, "temperature"))
