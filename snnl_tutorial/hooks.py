"""Record the outputs of a model's layers while it runs. (chapter 5)"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

# These pass their input on, reshaped or with dropout: they are not layers of their own.
# (An empty Sequential does so too: the usual shortcut of a residual block.)
PASS_THROUGH = (
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
def record_outputs(
    model: nn.Module,
    layers: Sequence[str] | None = None,
    transform: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[dict[str, Tensor]]:
    """Record the output of each layer, in one forward pass.

    A record is a copy, made right after the layer has run, so a later in-place
    operation cannot change it. Gradients flow through the copy. A module that runs a
    second time is recorded as `"name#2"`. The hooks are removed at the end of the
    block, even if the model raises; the records stay.

    Args:
        model: any module.
        layers: names as in `model.named_modules()`. Default: every module without
            children, except those that only reshape or drop out.
        transform: applied to each copy, such as `torch.Tensor.detach`. Default: none.

    Yields:
        A dictionary {name: output} in the order in which the layers run. The forward
        pass fills it. Outputs keep their shape: (N, C, H, W) for a convolution.

    Raises:
        ValueError: the model has no layer of that name; the message lists its layers.
        TypeError: the output of a layer in `layers` is not a single floating tensor.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True))
        >>> with record_outputs(model) as outputs:
        ...     _ = model(torch.ones(2, 1, 8, 8))
        >>> {name: tuple(output.shape) for name, output in outputs.items()}
        {'0': (2, 3, 6, 6), '1': (2, 3, 6, 6)}

    Derived in chapter 5.
    """
    modules = dict(model.named_modules())
    if layers is None:
        names = [name for name, module in modules.items() if is_layer(name, module)]
    else:
        names = check_layer_names(layers, modules)
    outputs: dict[str, Tensor] = {}
    runs: Counter[str] = Counter()

    def record(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if not has_floating_rows(output):
            if layers is None:
                return
            kind = getattr(output, "dtype", type(output).__name__)
            raise TypeError(
                f"layers: {name!r} puts out a {kind}, not a floating tensor with one "
                "row for each example"
            )
        runs[name] += 1
        key = name if runs[name] == 1 else f"{name}#{runs[name]}"
        copy = output.clone()
        outputs[key] = copy if transform is None else transform(copy)

    handles = [
        modules[name].register_forward_hook(partial(record, name)) for name in names
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def is_layer(name: str, module: nn.Module) -> bool:
    """Whether a module is a layer of its own, not a container, part or pass-through.

    The submodules of `nn.utils.parametrizations` (weight norm, spectral norm) compute
    weights, not activations.
    """
    children = {child for child, _ in module.named_children()} - {"parametrizations"}
    in_parametrization = "parametrizations" in name.split(".")
    return (
        not children and not in_parametrization and not isinstance(module, PASS_THROUGH)
    )


def has_floating_rows(output: Any) -> bool:
    """Whether this is a real or complex floating tensor of at least one dimension."""
    return (
        isinstance(output, Tensor)
        and output.dim() >= 1
        and (output.is_floating_point() or output.is_complex())
    )


def check_layer_names(
    layers: Sequence[str], modules: Mapping[str, nn.Module]
) -> list[str]:
    """Return the names without repetition; raise for one that the model lacks."""
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
