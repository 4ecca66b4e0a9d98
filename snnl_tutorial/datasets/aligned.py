"""Frames of performers who follow one script: the moment is a weak label. (chapter 16)

Aligned videos of people who react to the same film are such frames: nobody has labeled
a face, but at the same moment the faces should mean the same.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError  # comes with matplotlib
from torch import Tensor, nn

from snnl_tutorial.loss.checks import check_types

SUFFIXES = (".png", ".jpg", ".jpeg")


class AlignedFrames(NamedTuple):
    """Frames, and for each its moment and its performer."""

    images: Tensor
    """(N, H, W), or (N, H, W, 3) in color, float32 in [0, 1]."""
    moments: Tensor
    """(N,) int64, from 0: the weak labels."""
    performers: Tensor
    """(N,) int64, from 0."""


def perform(
    images: Tensor, angles: Tensor, scales: Tensor, shifts: Tensor
) -> AlignedFrames:
    """Let every image follow one script: turned, scaled and moved at each moment.

    What is outside of an image is 0. Colors between pixels are interpolated linearly.

    Args:
        images: (P, H, W) floating, one for each performer.
        angles: (M,) in radians, counterclockwise, one for each moment.
        scales: (M,), positive; 2 makes the image twice as large.
        shifts: (M, 2), to the right and down, in half widths and heights of the image.

    Returns:
        P * M frames, one performer after the other.

    Raises:
        ValueError: another shape, a value that is not finite, a scale that is not
            positive.
        TypeError: an argument that is no floating tensor.

    Example:
        >>> half_turn = torch.tensor([0.0, torch.pi])
        >>> image = torch.eye(2)[None] * torch.tensor([1.0, 0.5])
        >>> frames = perform(image, half_turn, torch.ones(2), torch.zeros(2, 2))
        >>> frames.images[1].diagonal(), frames.moments
        (tensor([0.5000, 1.0000]), tensor([0, 1]))
    """
    check_script(images, angles, scales, shifts)
    performers, moments = len(images), len(angles)
    # The grid says where a pixel's color comes from: the script, backwards.
    cosine, sine = angles.cos() / scales, angles.sin() / scales
    height, width = images.shape[1:]
    turn = torch.stack(  # (M, 2, 2); the grid's units differ along width and height
        [cosine, -sine * height / width, sine * width / height, cosine], dim=1
    ).view(moments, 2, 2)
    back = torch.cat([turn, -(turn @ shifts[:, :, None])], dim=2)  # (M, 2, 3)
    shape = performers * moments, 1, height, width
    grid = nn.functional.affine_grid(
        back.to(images).repeat(performers, 1, 1), list(shape), align_corners=False
    )
    pictures = images[:, None].repeat_interleave(moments, dim=0)
    frames = nn.functional.grid_sample(pictures, grid, align_corners=False)[:, 0]
    return AlignedFrames(
        frames,
        torch.arange(moments).repeat(performers),
        torch.arange(performers).repeat_interleave(moments),
    )


def check_script(
    images: Tensor, angles: Tensor, scales: Tensor, shifts: Tensor
) -> None:
    """Raise unless there are images, and one finite number a moment and move."""
    moments = len(angles) if isinstance(angles, Tensor) and angles.dim() else 0
    wanted = {"angles": (moments,), "scales": (moments,), "shifts": (moments, 2)}
    given = {"angles": angles, "scales": scales, "shifts": shifts}
    for name, tensor in {"images": images, **given}.items():
        check_types(**{name: (tensor, Tensor)})
        if not tensor.is_floating_point():
            raise TypeError(f"{name} must be floating; got {tensor.dtype}")
        shape = tuple(tensor.shape)
        if name == "images" and (tensor.dim() != 3 or 0 in shape):
            raise ValueError(f"images must be (P, H, W); got shape {shape}")
        if name in wanted and (shape != wanted[name] or not moments):
            expected = tuple("M" if k != 2 else k for k in wanted[name])
            raise ValueError(
                f"{name} must have one entry for each of the M >= 1 moments, "
                f"({', '.join(map(str, expected))}); got shape {shape}"
            )
        if not tensor.isfinite().all():
            raise ValueError(f"{name} must be finite; got a NaN or an infinity")
    if not (scales > 0).all():
        raise ValueError(f"scales must be positive; got {scales.min().item():g}")


def load_aligned(folder: str | Path) -> AlignedFrames:
    """Read your own aligned frames: FOLDER/PERFORMER/MOMENT.png, or .jpg.

    Files of one name, whatever the performer, are one moment. Performers and moments
    are numbered in the order of their names; a performer may lack some moments.

    Args:
        folder: with one folder for each performer.

    Returns:
        The frames; in color if any of them is.

    Raises:
        NotADirectoryError: there is no such folder.
        ValueError: fewer than two performers; a performer without frames; a file that
            is no image, or an image of another size than the first.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"no folder {folder}")
    performers = sorted(path for path in folder.iterdir() if path.is_dir())
    if len(performers) < 2:
        raise ValueError(
            f"{folder} must have a folder for each of two performers or more; "
            f"got {len(performers)}"
        )
    files = []
    for number, performer in enumerate(performers):
        frames = [p for p in performer.iterdir() if p.suffix.lower() in SUFFIXES]
        if not frames:
            raise ValueError(f"{performer} must have .png or .jpg files; got none")
        files += [(path, number) for path in sorted(frames)]
    names = sorted({path.stem for path, _ in files})
    pictures = [read_picture(path) for path, _ in files]
    color = any(picture.mode not in ("L", "1", "I;16") for picture in pictures)
    for (path, _), picture in zip(files, pictures, strict=True):
        if picture.size != pictures[0].size:
            raise ValueError(
                f"{path} must have the size of {files[0][0]}, "
                f"{pictures[0].size}; got {picture.size}"
            )
    pixels = [np.asarray(p.convert("RGB" if color else "L")) for p in pictures]
    return AlignedFrames(
        torch.from_numpy(np.stack(pixels)).float() / 255,
        torch.tensor([names.index(path.stem) for path, _ in files]),
        torch.tensor([number for _, number in files]),
    )


def read_picture(path: Path) -> Image.Image:
    """Read a picture whole; an error names the file."""
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture.copy()
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error
