"""Small random changes to images that do not change their class."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from snnl_tutorial.loss.checks import check_integer, check_types


def shift(images: Tensor, generator: torch.Generator, pixels: int = 2) -> Tensor:
    """Shift each image by a random number of pixels; the uncovered border is black.

    Args:
        images: (N, H, W).
        generator: on the CPU.
        pixels: the largest shift, vertically and horizontally.

    Returns:
        The shifted images (N, H, W), on the device of `images`.

    Raises:
        ValueError: images of another shape, or `pixels` below 0.
        TypeError: an argument of another type.

    Example:
        >>> moved = shift(torch.ones(1, 3, 3), torch.Generator().manual_seed(0), 1)
        >>> moved.shape, moved.sum() <= 9
        (torch.Size([1, 3, 3]), tensor(True))
    """
    pixels = check_integer(pixels, "pixels", least=0)
    check_types(images=(images, Tensor), generator=(generator, torch.Generator))
    if images.dim() != 3:
        raise ValueError(f"images must be (N, H, W); got shape {tuple(images.shape)}")
    n, height, width = images.shape
    shape = (2, n, 1)
    start = torch.randint(2 * pixels + 1, shape, generator=generator, device="cpu")
    rows, columns = start.to(images.device)
    rows = rows + torch.arange(height, device=images.device)  # (N, H)
    columns = columns + torch.arange(width, device=images.device)  # (N, W)
    image = torch.arange(n, device=images.device)[:, None, None]
    padded = pad(images, (pixels, pixels, pixels, pixels))
    return padded[image, rows[:, :, None], columns[:, None, :]]


def shift_and_mirror(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image, then mirror it left to right with probability 1/2.

    This suits clothes; a mirrored digit is no longer a digit.

    Args:
        images: (N, H, W).
        generator: on the CPU.

    Returns:
        The changed images (N, H, W), on the device of `images`.

    Raises:
        ValueError, TypeError: as `shift`.

    Example:
        >>> shift_and_mirror(torch.ones(2, 4, 4), torch.Generator()).shape
        torch.Size([2, 4, 4])
    """
    images = shift(images, generator)
    chance = torch.rand(
        len(images), 1, 1, generator=generator, dtype=torch.float32, device="cpu"
    )
    mirrored = (chance < 0.5).to(images.device)
    return torch.where(mirrored, images.flip(2), images)
