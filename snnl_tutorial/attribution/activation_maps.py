"""Where a network sees a class: class activation maps and Grad-CAM. (chapter 17)"""

from typing import Any

import torch
from torch import Tensor, nn

from snnl_tutorial.attribution.checks import (
    check_images,
    check_spatial,
    find_layer,
    gradient_of,
    run,
)
from snnl_tutorial.hooks import plain_name, record_outputs
from snnl_tutorial.loss.batch import check_labels


def class_activation_map(
    model: nn.Module, images: Tensor, layer: str, head: str
) -> Tensor:
    r"""Where a network sees each class, if its head takes a mean over space.

    .. math:: M_c(x, y) = \sum_k w_{ck} f_k(x, y), \qquad
              \frac{1}{hw} \sum_{xy} M_c(x, y) + b_c = \text{logit of } c

    after Zhou et al. (2016), equations 1 and 2, whose sum over space is our mean. The
    map takes the logit apart: this much of it comes from here.

    Args:
        model: a classifier.
        images: (N, channels, height, width), real floating.
        layer: the name of the last layer with a spatial map, (N, K, h, w).
        head: the name of the linear layer that follows, from K to the classes.

    Returns:
        (N, classes, h, w), without gradient.

    Raises:
        ValueError: the model has no layer of that name, or does not take such images;
            the layer has no spatial map, or other channels than the head takes; the
            mean of the map is not the logit, so there is more between layer and head
            than a mean over space (`grad_cam` takes any network).
        TypeError: the head is no `nn.Linear`; images that are no real floating tensor.

    Example:
        >>> pool = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), *pool, nn.Linear(4, 2))
        >>> images = torch.rand(5, 3, 8, 8)
        >>> maps = class_activation_map(model, images, layer="0", head="3")
        >>> logits = maps.mean(dim=(2, 3)) + model[3].bias
        >>> maps.shape, torch.allclose(logits, model(images), atol=1e-5)
        (torch.Size([5, 2, 6, 6]), True)

    Derived in chapter 17.
    """
    check_images(images)
    find_layer(model, layer, "layer")
    linear = find_layer(model, head, "head")
    if not isinstance(linear, nn.Linear):
        raise TypeError(
            f"head must name a Linear layer; {head!r} is a {type(linear).__name__}"
        )
    with torch.no_grad(), record_outputs(model, [layer, head]) as outputs:
        run(model, images)
    features = outputs[plain_name(layer)]
    check_spatial(features, layer)
    if features.shape[1] != linear.in_features:
        raise ValueError(
            f"head {head!r} must take the {features.shape[1]} channels of layer "
            f"{layer!r}; got one that takes {linear.in_features}"
        )
    maps = torch.einsum("nkhw,ck->nchw", features, linear.weight.detach())
    means = maps.mean(dim=(2, 3))
    if linear.bias is not None:
        means = means + linear.bias.detach()
    logits = outputs[plain_name(head)]
    size = float(means.abs().max())
    if logits.shape != means.shape or not torch.allclose(
        means, logits, rtol=0, atol=0.01 * size
    ):
        raise ValueError(
            f"layer {layer!r} and head {head!r} must have nothing but a mean over "
            "space between them: the mean of the map is not the logit; grad_cam "
            "takes any network"
        )
    return maps


def grad_cam(
    model: nn.Module, images: Tensor, layer: str, classes: Tensor | None = None
) -> Tensor:
    r"""Where a layer of any network speaks for a class, by the logit's gradient.

    .. math:: \max\Big(0, \sum_k \alpha_k f_k(x, y)\Big), \qquad
              \alpha_k = \frac{1}{hw} \sum_{xy} \frac{\partial\, \text{logit}}
              {\partial f_k(x, y)}

    after Selvaraju et al. (2017), equations 1 and 2. If only a mean over space and a
    linear head follow the layer, it is the positive part of the class activation map,
    divided by the number of its places.

    Args:
        model: a classifier, (N, ...) images to (N, classes) logits.
        images: (N, channels, height, width), real floating.
        layer: the name of a layer with a spatial map, (N, K, h, w).
        classes: (N,) integer, for which class each image is asked. Default: the class
            that the model predicts.

    Returns:
        (N, h, w), at least 0, without gradient.

    Raises:
        ValueError: the model has no layer of that name, or does not take such images;
            the layer has no spatial map, does not run exactly once, or has no say in
            the logits; classes that the model does not have.
        TypeError: images or classes of another type.

    Example:
        >>> model = nn.Sequential(
        ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
        ... )
        >>> grad_cam(model, torch.rand(5, 3, 8, 8), layer="1").shape
        torch.Size([5, 6, 6])

    Derived in chapter 17.
    """
    check_images(images)
    module = find_layer(model, layer, "layer")
    kept: list[Tensor] = []

    def cut(module: nn.Module, inputs: Any, output: Any) -> Tensor:
        check_spatial(output, layer)
        kept.append(output.detach().requires_grad_())
        return kept[-1].clone()  # which an in-place operation may overwrite

    handle = module.register_forward_hook(cut)
    try:
        with torch.enable_grad():
            logits = run(model, images)
    finally:
        handle.remove()
    if len(kept) != 1:
        raise ValueError(f"layer {layer!r} must run once; it ran {len(kept)} times")
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        shape = tuple(getattr(logits, "shape", ()))
        raise ValueError(f"model must put out (N, classes) logits; got shape {shape}")
    gradient = gradient_of(pick(logits, images, classes).sum(), kept[0], layer)
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # (N, K, 1, 1)
    return (weights * kept[0].detach()).sum(dim=1).relu()


def pick(logits: Tensor, images: Tensor, classes: Tensor | None) -> Tensor:
    """(N,): of each image the logit of its class, or the largest if none is named."""
    if classes is None:
        return logits.amax(dim=1)
    check_labels(classes, images, "classes")
    if not 0 <= int(classes.min()) <= int(classes.max()) < logits.shape[1]:
        raise ValueError(
            f"classes must be from 0 to {logits.shape[1] - 1}; "
            f"got {int(classes.min())} to {int(classes.max())}"
        )
    return logits.gather(1, classes.long()[:, None])[:, 0]
