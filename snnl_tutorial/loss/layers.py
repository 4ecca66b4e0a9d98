"""The layer sum: an auxiliary loss on every layer of a network. (chapter 5)"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from snnl_tutorial.hooks import check_ran, find_layers, record_outputs
from snnl_tutorial.loss.checks import check_integer
from snnl_tutorial.loss.distance import Distance
from snnl_tutorial.loss.soft_nearest_neighbor import SoftNearestNeighborLoss
from snnl_tutorial.loss.temperature import Temperature


@contextmanager
def record_activations(
    model: nn.Module, layers: Sequence[str] | None = None
) -> Iterator[dict[str, Tensor]]:
    """Record the output of each layer as rows, in one forward pass.

    These are the copies that `record_outputs` makes, flattened: safe from in-place
    operations, with gradients, and readable after the block.

    Args:
        model: any module.
        layers: names as in `model.named_modules()`, with or without the `_orig_mod.`
            of a compiled model. Default: every module without children, except those
            that only reshape or drop out.

    Yields:
        A dictionary {name: (N, D) tensor} in the order in which the layers run. The
        forward pass fills it. Channels and pixels of a convolution become D columns.

    Raises:
        ValueError: the model has no layer of that name (the message lists its layers);
            by the end of the block a layer in `layers` has not run, or none at all
            has; a layer has run without the gradient that its record should have.
        TypeError: the output of a layer in `layers` is not a single floating tensor.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True))
        >>> with record_activations(model) as activations:
        ...     outputs = model(torch.ones(2, 4))
        >>> {name: tuple(rows.shape) for name, rows in activations.items()}
        {'0': (2, 3), '1': (2, 3)}

    Derived in chapter 5.
    """
    with record_outputs(model, layers, transform=flatten_to_rows) as activations:
        yield activations


def flatten_to_rows(output: Tensor) -> Tensor:
    """Reshape (N, ...) to (N, D), and (N,) to (N, 1)."""
    return output.flatten(1) if output.dim() > 1 else output[:, None]


def rows_of_labels(
    activations: Mapping[str, Tensor], labels: Tensor, required: Collection[str]
) -> dict[str, Tensor]:
    """Return the activations that have one row for each label, and leave out others.

    An embedding of positions puts out (1, ...), for instance.

    Raises:
        ValueError: a layer in `required` has another number of rows, or all have.
    """
    shape = torch.as_tensor(labels).shape
    fitting = {
        name: rows for name, rows in activations.items() if rows.shape[:1] == shape[:1]
    }
    for name, rows in activations.items():
        if name not in fitting and (name in required or not fitting):
            raise ValueError(
                f"layer {name!r} must put out one row for each label; got {len(rows)} "
                f"rows and labels of shape {tuple(shape)}"
            )
    return fitting


class LayerwiseTerms(NamedTuple):
    """The loss of one training step, term by term.

    Attributes:
        total: 0-d, primary + factor * auxiliary.
        primary: 0-d, the criterion of the outputs.
        auxiliary: 0-d, the sum over the layers.
        per_layer: {name: 0-d}, the auxiliary loss of each layer, without the factor.
        outputs: the outputs of the model.
    """

    total: Tensor
    primary: Tensor
    auxiliary: Tensor
    per_layer: dict[str, Tensor]
    outputs: Tensor


class SoftNearestNeighborTerms(NamedTuple):
    """`LayerwiseTerms` with `snn`, the soft nearest neighbor loss, as the auxiliary."""

    total: Tensor
    primary: Tensor
    snn: Tensor
    per_layer: dict[str, Tensor]
    outputs: Tensor

    @property
    def auxiliary(self) -> Tensor:
        """`snn`, by its name in `LayerwiseTerms`."""
        return self.snn


class LayerwiseLoss(nn.Module):
    r"""A primary criterion plus an auxiliary loss on every layer.

    .. math:: \text{total} = \text{primary} + \alpha \sum_{l} \ell(h_l, y)

    where h_l are the activations of layer l. The model is a submodule: `parameters()`
    are its weights and those of the auxiliary loss (a learned temperature), and
    `.to(device)` moves them all.

    Args:
        model: the network to train; one forward pass a step.
        criterion: (outputs, targets) -> 0-d tensor.
        auxiliary: (rows (N, D), labels (N,)) -> 0-d tensor. It decides what to do with
            unlabeled rows.
        factor: alpha.
        layers: names as in `model.named_modules()`; see `record_activations`. By
            default, outputs without one row for each label are left out.
        units: use only the first columns of a layer: their number for all layers, or
            {name: number} for some.

    Raises:
        ValueError: an unknown layer; in a step, a layer in `layers` or `units` that did
            not run, or without one row for each label, or without gradient.
        TypeError: a criterion or auxiliary loss that is not callable.

    Example:
        >>> def spread(rows, labels):  # of all rows, whatever their class
        ...     return rows.var(dim=0).mean()
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> objective = LayerwiseLoss(
        ...     model, nn.CrossEntropyLoss(), spread, factor=0.1, layers=["0", "1"]
        ... )
        >>> inputs, targets = torch.randn(6, 4), torch.tensor([0, 0, 0, 1, 1, 1])
        >>> terms = objective(inputs, targets)
        >>> bool(terms.auxiliary == terms.per_layer["0"] + terms.per_layer["1"])
        True

        Any other combination of the layers is a line of PyTorch, such as their minimum:

        >>> layer_losses = torch.stack(list(terms.per_layer.values()))
        >>> total = terms.primary + 0.1 * layer_losses.min()

    Derived in chapter 5.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Callable[[Any, Any], Tensor],
        auxiliary: Callable[[Tensor, Tensor], Tensor],
        factor: float,
        layers: Sequence[str] | None = None,
        *,
        units: int | Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        for name, loss in {"criterion": criterion, "auxiliary": auxiliary}.items():
            if not callable(loss):
                kind = type(loss).__name__
                raise TypeError(f"{name} must be a function or module; got {kind}")
        for count in units.values() if isinstance(units, Mapping) else [units]:
            if count is not None:
                check_integer(count, "units", least=1)
        self.model = model
        self.criterion = criterion
        self.auxiliary = auxiliary
        self.factor = factor
        self.layers = None if layers is None else list(find_layers(model, layers))
        self.units = units

    @property
    def temperature(self) -> Temperature | None:
        """The `Temperature` of the auxiliary loss, if it has one."""
        temperature = getattr(self.auxiliary, "temperature", None)
        return temperature if isinstance(temperature, Temperature) else None

    def set_epoch(self, epoch: float) -> None:
        """Pass the epoch, counted from 0, on to an annealed temperature."""
        if self.temperature is not None:
            self.temperature.set_epoch(epoch)

    def forward(
        self, inputs: Tensor, targets: Tensor, labels: Tensor | None = None
    ) -> LayerwiseTerms:
        """Return the terms of one step; without labels, the targets are the labels."""
        if labels is None:
            if not isinstance(targets, Tensor) or targets.is_floating_point():
                kind = getattr(targets, "dtype", type(targets).__name__)
                raise TypeError(
                    "labels must be given where the targets are not classes; got "
                    f"targets of {kind} and labels=None"
                )
            labels = targets
        with record_activations(self.model, self.layers) as activations:
            outputs = self.model(inputs)
        units = self.units if isinstance(self.units, Mapping) else {}
        check_ran(units, activations)
        required = units if self.layers is None else activations
        per_layer = {
            name: self.layer_loss(name, rows, labels)
            for name, rows in rows_of_labels(activations, labels, required).items()
        }
        auxiliary = torch.stack(list(per_layer.values())).sum()
        primary = self.criterion(outputs, targets)
        return LayerwiseTerms(
            total=primary + self.factor * auxiliary,
            primary=primary,
            auxiliary=auxiliary,
            per_layer=per_layer,
            outputs=outputs,
        )

    def layer_loss(self, name: str, rows: Tensor, labels: Tensor) -> Tensor:
        """Return the auxiliary loss of one layer; its errors name the layer."""
        units = self.units.get(name) if isinstance(self.units, Mapping) else self.units
        if units is not None:
            rows = rows[:, :units]
        try:
            return self.auxiliary(rows, labels)
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {name!r}: {error}") from error

    def extra_repr(self) -> str:
        settings = {"factor": self.factor, "layers": self.layers, "units": self.units}
        for name in ("criterion", "auxiliary"):
            loss = getattr(self, name)
            if not isinstance(loss, nn.Module):  # a module is printed as a child
                settings[name] = getattr(loss, "__name__", loss)
        return ", ".join(f"{name}={value!r}" for name, value in settings.items())


class LayerwiseSoftNearestNeighborLoss(LayerwiseLoss):
    r"""A primary criterion plus the soft nearest neighbor loss of every layer.

    .. math:: \text{total} = \text{primary} + \alpha \sum_{l} \ell(h_l, y, T)

    Frosst, Papernot and Hinton (2019, equation 3); h_l are the activations of layer
    l. A positive factor disentangles the classes, a negative one entangles them. Call
    `set_epoch(epoch)` before each epoch if the temperature is annealed.

    Args:
        model: the network to train; one forward pass a step.
        criterion: (outputs, targets) -> 0-d tensor.
        factor: alpha.
        layers: names as in `model.named_modules()`; see `record_activations`. By
            default, outputs without one row for each label are left out.
        temperature: a number, or a `Temperature`, shared by the layers. Default: 0.1
            for the cosine distance; the others need one.
        distance, ignore_index, singletons: as in `soft_nearest_neighbor_loss`.
        units: use only the first columns of a layer: their number for all layers, or
            {name: number} for some.

    Raises:
        ValueError: an unknown layer; in a step, a layer in `layers` or `units` that did
            not run, or without one row for each label, or without gradient.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> objective = LayerwiseSoftNearestNeighborLoss(
        ...     model, nn.functional.cross_entropy, factor=0.1, layers=["1"]
        ... )
        >>> inputs, targets = torch.randn(6, 4), torch.tensor([0, 0, 0, 1, 1, 1])
        >>> terms = objective(inputs, targets)
        >>> terms.total.backward()
        >>> list(terms.per_layer)
        ['1']

    Derived in chapter 5.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Callable[[Any, Any], Tensor],
        factor: float,
        layers: Sequence[str] | None = None,
        *,
        temperature: float | Temperature | None = None,
        distance: Distance = "cosine",
        units: int | Mapping[str, int] | None = None,
        ignore_index: int = -100,
        singletons: str = "exclude",
    ) -> None:
        auxiliary = SoftNearestNeighborLoss(
            temperature=temperature,
            distance=distance,
            ignore_index=ignore_index,
            singletons=singletons,
        )
        super().__init__(
            model=model,
            criterion=criterion,
            auxiliary=auxiliary,
            factor=factor,
            layers=layers,
            units=units,
        )

    def forward(  # type: ignore[override]  # the same terms; the sum is named `snn`
        self, inputs: Tensor, targets: Tensor, labels: Tensor | None = None
    ) -> SoftNearestNeighborTerms:
        terms = super().forward(inputs, targets, labels)
        return SoftNearestNeighborTerms(
            total=terms.total,
            primary=terms.primary,
            snn=terms.auxiliary,
            per_layer=terms.per_layer,
            outputs=terms.outputs,
        )
