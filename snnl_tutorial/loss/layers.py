"""The layer sum: one loss for every layer of a network. (chapter 5)"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from snnl_tutorial.loss.checks import check_choice, check_integer
from snnl_tutorial.loss.distance import Distance
from snnl_tutorial.loss.soft_nearest_neighbor import SoftNearestNeighborLoss
from snnl_tutorial.loss.temperature import Temperature

# These hand on what they are given: their output is no layer of its own. (An empty
# Sequential does, too: it is the usual shortcut of a residual block.)
PASSING_ON = (
    nn.Identity,
    nn.Flatten,
    nn.Unflatten,
    nn.Sequential,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)


@contextmanager
def record_activations(
    model: nn.Module, layers: Sequence[str] | None = None
) -> Iterator[dict[str, Tensor]]:
    """Record what each layer puts out while the model runs, in one forward pass.

    Each output is copied as it passes by, so that an in-place activation behind it
    cannot change it, and gradients flow through the copy. A module that runs a second
    time is recorded as `"name#2"`. The hooks are gone after the block, also when the
    model raises; what they recorded stays.

    Args:
        model: any module.
        layers: names as in `model.named_modules()`; if not given, every module
            without children, but for those that only reshape or drop out.

    Yields:
        A dictionary {name: (N, D) tensor} in the order in which the layers ran. It
        fills up during the forward pass; a convolution's channels and pixels are
        flattened to D columns.

    Raises:
        ValueError: a name that the model does not have, with those that it has.
        TypeError: a layer named here does not put out a single tensor.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True))
        >>> with record_activations(model) as activations:
        ...     outputs = model(torch.ones(2, 4))
        >>> {name: tuple(rows.shape) for name, rows in activations.items()}
        {'0': (2, 3), '1': (2, 3)}

    Derived in chapter 5.
    """
    modules = dict(model.named_modules())
    if layers is None:
        names = [name for name, module in modules.items() if is_layer(name, module)]
    else:
        names = check_layer_names(layers, modules)
    activations: dict[str, Tensor] = {}
    runs = dict.fromkeys(names, 0)

    def recorder(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def record(module: nn.Module, inputs: Any, output: Any) -> None:
            usable = isinstance(output, Tensor) and output.dim() >= 1
            if not usable or not (output.is_floating_point() or output.is_complex()):
                if layers is None:
                    return
                kind = getattr(output, "dtype", type(output).__name__)
                raise TypeError(
                    f"layers: {name!r} puts out a {kind}, not a floating tensor with "
                    "one row for each example"
                )
            runs[name] += 1
            key = name if runs[name] == 1 else f"{name}#{runs[name]}"
            rows = output.clone()
            activations[key] = rows.flatten(1) if rows.dim() > 1 else rows[:, None]

        return record

    handles = [modules[name].register_forward_hook(recorder(name)) for name in names]
    try:
        yield activations
    finally:
        for handle in handles:
            handle.remove()


def is_layer(name: str, module: nn.Module) -> bool:
    """Whether a module is a layer of its own, and not a part or a wrapper of one.

    What `nn.utils.parametrizations` (weight or spectral norm) hangs below a layer
    computes weights, not activations.
    """
    parts = [
        child for child, _ in module.named_children() if child != "parametrizations"
    ]
    inside = "parametrizations" in name.split(".")
    return not parts and not inside and not isinstance(module, PASSING_ON)


def check_layer_names(
    layers: Sequence[str], modules: Mapping[str, nn.Module]
) -> list[str]:
    """The names, each once; raise for one that is no module, naming those that are."""
    if isinstance(layers, str):
        raise TypeError(f"layers must be a list of names; got the text {layers!r}")
    names = list(dict.fromkeys(layers))
    if not names:
        raise ValueError("layers must name at least one layer, or be None; got none")
    for name in names:
        if name not in modules:
            known = ", ".join(repr(known) for known in modules if known)
            raise ValueError(f"layers: the model has no {name!r}; it has {known}")
    return names


class LayerwiseTerms(NamedTuple):
    """What a training step minimizes, and what it is made of.

    Attributes:
        total: 0-d, primary + factor * snn.
        primary: 0-d, the criterion on the outputs.
        snn: 0-d, the layers' losses, reduced.
        per_layer: {name: 0-d}, the loss of each layer before weights and factor.
        outputs: what the model put out.
    """

    total: Tensor
    primary: Tensor
    snn: Tensor
    per_layer: dict[str, Tensor]
    outputs: Tensor


class LayerwiseSoftNearestNeighborLoss(nn.Module):
    r"""A primary criterion plus the soft nearest neighbor loss of every layer.

    .. math:: \text{total} = \text{primary} + \alpha \sum_{l} w_l\,\ell(h_l, y, T)

    Frosst, Papernot and Hinton (2019, equation 3); h_l are the activations of layer
    l. A positive factor disentangles the classes, a negative one entangles them.

    Tell an `AnnealedTemperature` each epoch: `temperature.set_epoch(epoch)`.
    The model is a part of this module: `parameters()` gives the optimizer its weights
    and a learned temperature, and `.to(device)` moves them all.

    Args:
        model: the network to train; one forward pass a step.
        criterion: (outputs, targets) -> 0-d tensor.
        factor: alpha.
        layers: names as in `model.named_modules()`; see `record_activations`.
        temperature: a number, or a `Temperature`, shared by the layers.
        distance, ignore_index, singletons: as in `soft_nearest_neighbor_loss`.
        layer_reduction: `"sum"`, `"mean"` or `"min"` over the layers.
        layer_weights: {name: w_l}; layers that it does not name have weight 1.
        units: only a layer's first so many columns count: a number for all layers,
            or {name: number} for some.

    Raises:
        ValueError: an unknown layer or reduction, or a layer that did not run.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> objective = LayerwiseSoftNearestNeighborLoss(
        ...     model, nn.functional.cross_entropy, factor=0.1, layers=["1"])
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
        temperature: float | Temperature = 1.0,
        distance: Distance = "cosine",
        layer_reduction: str = "sum",
        layer_weights: Mapping[str, float] | None = None,
        units: int | Mapping[str, int] | None = None,
        ignore_index: int = -100,
        singletons: str = "exclude",
    ) -> None:
        super().__init__()
        check_choice(layer_reduction, ("sum", "mean", "min"), "layer_reduction")
        self.model = model
        self.criterion = criterion
        self.factor = factor
        modules = dict(model.named_modules())
        self.layers = None if layers is None else check_layer_names(layers, modules)
        self.layer_reduction = layer_reduction
        self.layer_weights = layer_weights or {}
        for count in units.values() if isinstance(units, Mapping) else [units]:
            if count is not None:
                check_integer(count, "units", least=1)
        self.units = units
        self.soft_nearest_neighbor = SoftNearestNeighborLoss(
            temperature, distance, ignore_index, singletons
        )

    def forward(
        self, inputs: Tensor, targets: Tensor, labels: Tensor | None = None
    ) -> LayerwiseTerms:
        """One step's loss; `labels` are the targets if not given."""
        if labels is None:
            if targets.is_floating_point():
                raise TypeError(
                    "labels must be given where the targets are not classes; got "
                    f"targets of {targets.dtype} and labels=None"
                )
            labels = targets
        with record_activations(self.model, self.layers) as activations:
            outputs = self.model(inputs)
        self.check_ran(activations)
        per_layer = {
            name: self.loss_of(name, rows, labels) for name, rows in activations.items()
        }
        weighted = torch.stack(
            [
                loss * self.layer_weights.get(name, 1.0)
                for name, loss in per_layer.items()
            ]
        )
        snn = getattr(weighted, self.layer_reduction)()
        primary = self.criterion(outputs, targets)
        total = primary + self.factor * snn
        return LayerwiseTerms(total, primary, snn, per_layer, outputs)

    def loss_of(self, name: str, rows: Tensor, labels: Tensor) -> Tensor:
        """The loss of a layer's columns that count; an error names the layer."""
        units = self.units.get(name) if isinstance(self.units, Mapping) else self.units
        counted = rows if units is None else rows[:, :units]
        try:
            loss: Tensor = self.soft_nearest_neighbor(counted, labels)
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {name!r}: {error}") from error
        return loss

    def check_ran(self, activations: Mapping[str, Tensor]) -> None:
        """Raise unless every layer that the settings name was recorded."""
        named = [*(self.layers or []), *self.layer_weights]
        named += list(self.units) if isinstance(self.units, Mapping) else []
        missing = [name for name in named if name not in activations]
        if missing or not activations:
            ran = ", ".join(repr(name) for name in activations) or "none"
            wanted = ", ".join(repr(name) for name in missing) or "any"
            raise ValueError(f"layers: {wanted} did not run in this step; {ran} did")
