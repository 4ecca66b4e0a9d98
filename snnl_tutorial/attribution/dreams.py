"""Images that stir a layer: deep dreams. (chapter 17)"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from snnl_tutorial.attribution.checks import (
    check_image,
    find_layer,
    gradient_of,
    run,
)
from snnl_tutorial.datasets.load import check_seed
from snnl_tutorial.hooks import plain_name, record_outputs
from snnl_tutorial.loss.checks import check_integer, check_real

OCTAVE = 1.4
"""How much larger each octave of a dream is than the one before."""
SMALLEST = 8
"""Pixels of the shorter side in a dream's first octave, at least."""


def dream_objective(
    model: nn.Module, image: Tensor, layer: str, channel: int | None = None
) -> Tensor:
    """How strongly an image stirs a layer: its mean square, or one channel's mean.

    Args:
        model: any network.
        image: (channels, height, width), real floating.
        layer: the name of a layer that puts out (1, K, ...).
        channel: from 0 to K - 1; of a classifier's last layer, a class. Default: all,
            by their mean square.

    Returns:
        A 0-d tensor, with a gradient if the image requires one.

    Raises:
        ValueError, TypeError: as `dream`.

    Example:
        >>> model = nn.Conv2d(1, 2, 1, bias=False)
        >>> _ = nn.init.constant_(model.weight, 3)
        >>> dream_objective(nn.Sequential(model), torch.ones(1, 4, 4), "0").item()
        9.0

    Derived in chapter 17.
    """
    check_image(image)
    find_layer(model, layer, "layer")
    with record_outputs(model, [layer]) as outputs:
        run(model, image[None], "image")
    features = outputs[plain_name(layer)]
    if channel is None:
        return features.square().mean()
    channel = check_integer(channel, "channel", least=0)
    if features.dim() < 2 or channel >= features.shape[1]:
        shape = tuple(features.shape)
        raise ValueError(
            f"channel must be one of layer {layer!r}, which puts out shape {shape}; "
            f"got {channel}"
        )
    return features[:, channel].mean()


def dream(
    model: nn.Module,
    image: Tensor,
    layer: str,
    channel: int | None = None,
    *,
    steps: int = 20,
    octaves: int = 3,
    jitter: int = 8,
    rate: float = 0.02,
    seed: int = 0,
) -> Tensor:
    r"""Change an image until it stirs a layer more, by gradient ascent.

    .. math:: x \leftarrow x + r\, g / \overline{|g|}, \qquad
              g = \partial\, \text{objective} / \partial x

    after Mordvintsev et al. (2015): in several sizes, the smallest first, whose changes
    are enlarged and go on from there; and each step on an image that is moved by a few
    pixels, so that no grid of the network's own gets in. The objective is that of
    `dream_objective`. Nothing is clipped: values may leave the range of the image's.

    Args:
        model: any network.
        image: (channels, height, width), real floating.
        layer: the name of a layer.
        channel: of the layer; see `dream_objective`.
        steps: in each octave.
        octaves: sizes, each larger by 1.4, the last that of the image.
        jitter: pixels by which a step moves the image at most, along each side.
        rate: r, by how much a step changes a pixel on average.
        seed: of the moves.

    Returns:
        (channels, height, width), the changed image.

    Raises:
        ValueError: the model has no layer of that name, or does not take such an image;
            a channel that the layer does not have; more octaves than leave 8 pixels;
            a number out of range.
        TypeError: an image that is no real floating tensor, or a number that is none.

    Example:
        >>> image = torch.rand(3, 16, 16)
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> dreamed = dream(model, image, "1", steps=5, octaves=2)
        >>> before, after = (dream_objective(model, x, "1") for x in (image, dreamed))
        >>> bool(after > before)
        True

    Derived in chapter 17.
    """
    steps = check_integer(steps, "steps", least=1)
    octaves = check_integer(octaves, "octaves", least=1)
    jitter = check_integer(jitter, "jitter", least=0)
    rate = check_real(rate, "rate", least=0)
    draw = torch.Generator().manual_seed(check_seed(seed))
    check_image(image)
    sides = image.shape[1:]
    if octaves > 1 and min(sides) / OCTAVE ** (octaves - 1) < SMALLEST:
        raise ValueError(
            f"octaves must leave {SMALLEST} pixels of an image of {tuple(sides)}; "
            f"got {octaves}, each {OCTAVE} times as large as the one before"
        )
    change = torch.zeros_like(image)
    for octave in reversed(range(octaves)):
        size = [round(side / OCTAVE**octave) for side in sides]
        start, change = resize(image.detach(), size), resize(change, size)
        for _ in range(steps):
            dy, dx = torch.randint(-jitter, jitter + 1, (2,), generator=draw).tolist()
            moved = (start + change).roll((dy, dx), (1, 2)).requires_grad_()
            with torch.enable_grad():
                objective = dream_objective(model, moved, layer, channel)
            gradient = gradient_of(objective, moved, layer).roll((-dy, -dx), (1, 2))
            change = change + rate * gradient / gradient.abs().mean().clamp(min=1e-30)
    return start + change


def resize(image: Tensor, size: list[int]) -> Tensor:
    """(channels, height, width) in another size, by bilinear interpolation."""
    return interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
