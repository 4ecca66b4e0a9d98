"""A network that repeats a map: rows in, their places out. (chapter 15)"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from snnl_tutorial.learning.models import check_widths
from snnl_tutorial.learning.training import train
from snnl_tutorial.loss.batch import check_embeddings, check_others
from snnl_tutorial.loss.checks import check_choice, check_integer
from snnl_tutorial.maps.tsne import check_map_rows

ACTIVATIONS = {"tanh": nn.Tanh, "elu": nn.ELU, "relu": nn.ReLU}
OUTPUTS = {"sigmoid": nn.Sigmoid, "linear": nn.Identity}
SCALINGS = ("columns", "global", "none")


class MapNetwork(nn.Module):
    """A fully connected network from rows to places in the unit square.

    Args:
        in_features: columns of a row.
        hidden: width of each hidden layer.
        activation: after each of them: `"tanh"`, `"elu"` or `"relu"`.
        output: `"sigmoid"`, which stays inside the square, or `"linear"`.
        branches: 1, one network for both coordinates, or 2, one for each.

    Raises:
        ValueError: an unknown activation or output, a number out of range.
        TypeError: a number that is no integer.

    Example:
        >>> MapNetwork(128, hidden=(64, 64))(torch.zeros(5, 128)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int] = (1024, 1024, 1024),
        activation: str = "tanh",
        output: str = "sigmoid",
        branches: int = 1,
    ) -> None:
        super().__init__()
        check_choice(activation, ACTIVATIONS, "activation")
        check_choice(output, OUTPUTS, "output")
        if branches not in (1, 2):
            raise ValueError(f"branches must be 1 or 2; got {branches!r}")
        self.in_features = check_integer(in_features, "in_features", least=1)
        widths = [self.in_features, *check_widths(hidden, "hidden")]
        self.branches = nn.ModuleList()
        for _ in range(branches):
            layers: list[nn.Module] = []
            for inputs, outputs in pairwise(widths):
                layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
            layers += [nn.Linear(widths[-1], 2 // branches), OUTPUTS[output]()]
            self.branches.append(nn.Sequential(*layers))

    def forward(self, rows: Tensor) -> Tensor:
        """(N, in_features) -> (N, 2)."""
        return torch.cat([branch(rows) for branch in self.branches], dim=1)


class Scaling(NamedTuple):
    """What is subtracted from each row, and by what the rest is divided.

    Attributes:
        offset, unit: (1, D).
    """

    offset: Tensor
    unit: Tensor

    def apply(self, rows: Tensor) -> Tensor:
        return (rows - self.offset) / self.unit

    def undo(self, scaled: Tensor) -> Tensor:
        return scaled * self.unit + self.offset


class RepeatedMap(NamedTuple):
    """A map as its network has learned it, from `repeat_map`.

    Attributes:
        network: the trained `MapNetwork`.
        row_scaling: of the rows that go in.
        map_scaling: of the places that come out; it turns the map into a unit square.
        history: of the training, as `train` returns it; "total" is the mean squared
            error in the unit square.
    """

    network: MapNetwork
    row_scaling: Scaling
    map_scaling: Scaling
    history: list[dict[str, float]]

    @torch.no_grad()
    def transform(self, rows: Tensor, batch_size: int = 10_000) -> Tensor:
        """Place rows on the map, batch by batch.

        Args:
            rows: (M, D), of the dtype and on the device of the rows of the training.
            batch_size: rows at a time; the memory grows with it, and not with M.

        Returns:
            (M, 2) on the CPU.

        Raises:
            ValueError, TypeError: rows that do not fit those of the training.
        """
        batch_size = check_integer(batch_size, "batch_size", least=1)
        check_others(rows, self.row_scaling.offset, "rows", "the rows of the training")
        check_embeddings(rows, "rows")
        self.network.eval()
        placed = [
            self.map_scaling.undo(self.network(self.row_scaling.apply(part))).cpu()
            for part in rows.split(batch_size)
        ]
        return torch.cat(placed)


class MapTerms(NamedTuple):
    """The loss of one training step: one term."""

    total: Tensor


class SquaredError(nn.Module):
    """The mean squared error of a network's places."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: Tensor, places: Tensor) -> MapTerms:
        return MapTerms((self.network(rows) - places).square().mean())


def repeat_map(
    network: MapNetwork,
    rows: Tensor,
    points: Tensor,
    *,
    scaling: str = "columns",
    epochs: int = 60,
    batch_size: int | None = None,
    learning_rate: float = 1e-3,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    after_epoch: Callable[[int], None] | None = None,
    verbose: bool = True,
) -> RepeatedMap:
    r"""Train a network to repeat a map: the mean squared error, by Adam.

    .. math:: \frac{1}{2N} \sum_i |f(z_i) - u_i|^2

    where :math:`z_i` is row i, scaled, and :math:`u_i` its place, the whole map scaled
    into the unit square.

    Args:
        network: is trained in place, and gets the dtype and the device of the rows.
        rows: (N, D).
        points: (N, 2), where they lie on the map.
        scaling: of the rows: each of the `"columns"` to mean 0 and variance 1, all of
            them by one number (`"global"`), or `"none"`.
        epochs: over all rows.
        batch_size: rows of a step. Default: N / 64.
        learning_rate: of Adam.
        seed: of the order of the rows.
        checkpoint: as in `train`.
        after_epoch: as in `train`.
        verbose: whether to show a progress bar, if stderr is a terminal.

    Returns:
        A `RepeatedMap`.

    Raises:
        ValueError: points that are not one for each row, an unknown scaling, an error
            that is not finite; as `train`.
        TypeError: rows or points that are no floating tensor.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> rows = torch.rand(300, 4)
        >>> repeated = repeat_map(MapNetwork(4, (32,)), rows, 5 * rows[:, :2])
        >>> error = (repeated.transform(rows) - 5 * rows[:, :2]).square().mean()
        >>> bool(error < 0.1)
        True

    Derived in chapter 15.
    """
    check_map_rows(rows, "rows")
    check_map_rows(points, "points")
    if rows.shape[1] != network.in_features:
        raise ValueError(
            f"rows must have the {network.in_features} columns of the network; "
            f"got {rows.shape[1]}"
        )
    if points.shape != (len(rows), 2):
        raise ValueError(
            f"points must have shape ({len(rows)}, 2), a place for each row; got "
            f"{tuple(points.shape)}"
        )
    row_scaling = scaling_of_rows(rows, scaling)
    places = points.to(rows)
    low = places.amin(dim=0, keepdim=True)
    side = (places.amax(dim=0, keepdim=True) - low).clamp(min=1e-12)
    map_scaling = Scaling(low, side)
    history = train(
        SquaredError(network).to(rows),
        inputs=row_scaling.apply(rows),
        targets=map_scaling.apply(places),
        epochs=epochs,
        batch_size=max(1, len(rows) // 64) if batch_size is None else batch_size,
        learning_rate=learning_rate,
        seed=seed,
        checkpoint=checkpoint,
        after_epoch=after_epoch,
        verbose=verbose,
    )
    return RepeatedMap(network, row_scaling, map_scaling, history)


def scaling_of_rows(rows: Tensor, scaling: str) -> Scaling:
    """The `Scaling` of one of the `SCALINGS`; a constant column is not divided."""
    check_choice(scaling, SCALINGS, "scaling")
    if scaling == "none":
        return Scaling(torch.zeros_like(rows[:1]), torch.ones_like(rows[:1]))
    center = rows.mean(dim=0, keepdim=True)
    unit = (rows - center).square().mean(dim=0, keepdim=True).sqrt()
    if scaling == "global":
        unit = unit.square().mean(dim=1, keepdim=True).sqrt().expand_as(center)
    return Scaling(center, torch.where(unit > 0, unit, 1))
