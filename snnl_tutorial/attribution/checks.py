"""Checks of images and layers; a forward pass that says what does not fit."""

from typing import Any

import torch
from torch import Tensor, nn

from snnl_tutorial.hooks import plain_name
from snnl_tutorial.learning.models import restore_modes
from snnl_tutorial.loss.checks import check_dense, check_types


def gradient_of(value: Tensor, source: Tensor, layer: str) -> Tensor:
    """The gradient, without touching any weight's; raise if there is none."""
    found = None
    if value.requires_grad:
        (found,) = torch.autograd.grad(value, source, allow_unused=True)
    if found is None:
        raise ValueError(f"layer {layer!r}: there is no gradient through it")
    return found


def run(model: nn.Module, images: Tensor, name: str = "images") -> Any:
    """Run the model in evaluation mode; a shape that it refuses is a ValueError."""
    with restore_modes(model):
        model.eval()
        try:
            return model(images)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise ValueError(
                f"{name} of shape {tuple(images.shape)}, {images.dtype}, on "
                f"{images.device} do not fit the model: {reason}"
            ) from error


def find_layer(model: nn.Module, name: str, argument: str) -> nn.Module:
    """The module of that name; raise if there is none."""
    check_types(model=(model, nn.Module), **{argument: (name, str)})
    modules = {
        plain_name(key): module
        for key, module in model.named_modules(remove_duplicate=False)
        if key
    }
    if plain_name(name) not in modules:
        raise ValueError(
            f"{argument}: the model has no {name!r}; it has {list(modules)}"
        )
    return modules[plain_name(name)]


def check_images(images: Tensor, name: str = "images") -> None:
    """Raise unless these are (N, channels, height, width), real, floating, finite."""
    check_map(images, name, "(N, channels, height, width)")


def check_image(image: Tensor, name: str = "image") -> None:
    """Raise unless this is (channels, height, width), real, floating, finite."""
    check_map(image, name, "(channels, height, width)")


def check_map(tensor: Tensor, name: str, shape: str) -> None:
    """Raise unless the tensor has so many dimensions, and real, finite values."""
    check_types(**{name: (tensor, Tensor)})
    check_dense(tensor, name)
    if not tensor.is_floating_point():
        raise TypeError(f"{name} must be real floating; got {tensor.dtype}")
    if tensor.dim() != len(shape.split(",")) or tensor.numel() == 0:
        raise ValueError(
            f"{name} must have shape {shape}, none of them 0; got {tuple(tensor.shape)}"
        )
    if not bool(tensor.isfinite().all()):
        raise ValueError(f"{name} must be finite; got a NaN or an infinity")


def check_spatial(output: Any, layer: str) -> None:
    """Raise unless the output of the layer is a spatial map, (N, K, h, w)."""
    if not isinstance(output, Tensor) or output.dim() != 4:
        shape = tuple(getattr(output, "shape", ()))
        raise ValueError(
            f"layer {layer!r} must put out a spatial map, (N, K, h, w); got {shape}"
        )
