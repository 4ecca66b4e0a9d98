"""Record the outputs of a model's layers while it runs. (chapter 5)"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
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
    second time is recorded as `"name#2"`. What other threads run is not recorded, nor
    what activation checkpointing runs again during backward; but a compiled model does
    not tell threads apart. The hooks are removed at the end of the block, even if the
    model raises; the records stay.

    Args:
        model: any module.
        layers: names as in `model.named_modules()`, with or without the `_orig_mod.`
            of a compiled model. Default: every module without children, except those
            that only reshape or drop out.
        transform: applied to each copy, such as `torch.Tensor.detach`. Default: none.

    Yields:
        A dictionary {name: output} in the order in which the layers run. The forward
        pass fills it. Outputs keep their shape: (N, C, H, W) for a convolution.

    Raises:
        ValueError: the model has no layer of that name (the message lists its layers);
            by the end of the block a layer in `layers` has not run, or none at all
            has; a layer has run without the gradient that its record should have.
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
    recorded = find_layers(model, layers)
    gradients = GradientWatch(getattr(model, "_orig_mod", model))
    outputs: dict[str, Tensor] = {}
    runs: Counter[str] = Counter()
    opened_in = thread_and_backward()

    def elsewhere() -> bool:
        now = thread_and_backward()
        return bool(now and opened_in and now != opened_in)

    def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
        if not elsewhere():
            gradients.enter(module, args, kwargs)

    def record(
        name: str, module: nn.Module, args: Any, kwargs: Any, output: Any
    ) -> None:
        if elsewhere():
            return
        if not has_floating_rows(output):
            if layers is None:
                return
            kind = getattr(output, "dtype", type(output).__name__)
            raise TypeError(
                f"layers: {name!r} puts out a {kind}, not a floating tensor with one "
                "row for each example"
            )
        # A model may detach what one of its layers puts out; who names it hears of it.
        sources = [*args, *kwargs.values(), *module.parameters()] if layers else []
        gradients.check(name, output, sources)
        runs[name] += 1
        key = name if runs[name] == 1 else f"{name}#{runs[name]}"
        copy = output.clone()
        outputs[key] = copy if transform is None else transform(copy)

    handles = []
    try:
        for module in model.modules():
            if not isinstance(module, torch.jit.ScriptModule):  # has no such hooks
                handles.append(
                    module.register_forward_pre_hook(enter, with_kwargs=True)
                )
        for name, module in recorded.items():
            try:
                handle = module.register_forward_hook(
                    partial(record, name), with_kwargs=True
                )
            except RuntimeError as error:  # a module of TorchScript
                raise ValueError(f"layers: {name!r}: {error}") from error
            handles.append(handle)
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
    check_ran([] if layers is None else recorded, outputs)


def thread_and_backward() -> tuple[int, int] | None:
    """Identify the thread, and the backward pass that it is in (-1: in none).

    A model may run in several threads at once, and activation checkpointing runs its
    layers again during backward: neither is the pass that a block records. None where
    `torch.compile` traces, which cannot know.
    """
    if torch.compiler.is_compiling():
        return None
    # torch's own checkpointing and module tracker ask this, too; it has no public name.
    return threading.get_ident(), torch._C._current_graph_task_id()


class GradientWatch:
    """Notices that a layer runs without gradient although its record should have one.

    A gradient is expected if the block was opened with gradients on, and the model was
    then called with gradients on. If they are off in one of its modules, the model has
    turned them off: by `torch.no_grad()`, or by reentrant checkpointing, which makes
    the graph later, in backward. If part of the model is called with gradients off but
    on inputs that require one, that is reentrant checkpointing, too.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.opened = torch.is_grad_enabled()
        self.called = False  # the model, with gradients on
        self.lost = False  # a gradient, since gradients were last on

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """Look at a module that is about to run."""
        enabled = torch.is_grad_enabled()
        if module is self.model:
            self.called = enabled
        if enabled or torch.is_inference_mode_enabled() or not self.opened:
            self.lost = False
        elif require_gradient([*args, *kwargs.values()]) or (
            self.called and require_gradient(module.parameters())
        ):
            self.lost = True

    def check(self, name: str, output: Tensor, sources: Iterable[Any]) -> None:
        """Raise if the output of a layer lacks the gradient that it should have.

        Gradients are lost, or they are on and one of the sources requires one.
        """
        detached = torch.is_grad_enabled() and require_gradient(sources)
        if not output.requires_grad and (self.lost or detached):
            raise ValueError(
                f"layers: {name!r} ran without gradient, though its inputs or weights "
                "require one. With torch.utils.checkpoint, pass use_reentrant=False. "
                "Freeze weights that should not learn with requires_grad_(False). Or "
                "name other layers; or, to record values only, open the block under "
                "torch.no_grad()"
            )


def require_gradient(values: Iterable[Any]) -> bool:
    """Whether one of these is a tensor that requires a gradient."""
    return any(isinstance(value, Tensor) and value.requires_grad for value in values)


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


def find_layers(model: nn.Module, layers: Sequence[str] | None) -> dict[str, nn.Module]:
    """Return {name: module} of the layers to record; raise for one that is unknown."""
    unique = {plain_name(name): module for name, module in model.named_modules()}
    if layers is None:
        return {
            name: module for name, module in unique.items() if is_layer(name, module)
        }
    if isinstance(layers, str):
        raise TypeError(f"layers must be a list of names; got the text {layers!r}")
    # A module that the model holds twice has two names.
    modules = {
        plain_name(name): module
        for name, module in model.named_modules(remove_duplicate=False)
    }
    found: dict[str, nn.Module] = {}
    names: dict[nn.Module, str] = {}
    for name in layers:
        module = modules.get(plain_name(name))
        if module is None:
            known = ", ".join(repr(known) for known in unique if known)
            raise ValueError(f"layers: the model has no {name!r}; it has {known}")
        if names.setdefault(module, name) != name:
            raise ValueError(
                f"layers: {names[module]!r} and {name!r} are the same module; name "
                "one of them"
            )
        found[name] = module
    if not found:
        raise ValueError("layers must name at least one layer, or be None; got none")
    return found


def plain_name(name: str) -> str:
    """Leave out what `torch.compile` puts into the names of a model's modules."""
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def check_ran(names: Iterable[str], outputs: Mapping[str, Tensor]) -> None:
    """Raise unless all these layers have been recorded, and at least one layer has."""
    missing = [name for name in names if name not in outputs]
    if missing or not outputs:
        wanted = ", ".join(repr(name) for name in missing) or "the model's layers"
        ran = ", ".join(repr(name) for name in outputs) or "none"
        raise ValueError(
            f"layers: {wanted} did not run; {ran} did. Only layers that this thread "
            "runs as Python are recorded. A compiled model may skip that: run its "
            "`_orig_mod`, or run it under torch.compiler.set_stance('force_eager')"
        )
