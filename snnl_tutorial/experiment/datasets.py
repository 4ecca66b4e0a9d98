"""Real images to try the loss on, checked before use."""

import hashlib
import io
import json
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from snnl_tutorial.loss.checks import check_choice

UNLABELED = -100
"""The label of a row whose class is not told: the loss's default `ignore_index`."""

CLASS_NAMES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}
FILES = {
    ("mnist", "small"): "mnist-5000-1000.npz",
    ("fashion-mnist", "small"): "fashion-mnist-5000-1000.npz",
}


class LabeledImages(NamedTuple):
    """Images and their classes, row by row."""

    images: Tensor
    """(N, H, W) float32 in [0, 1]."""
    labels: Tensor
    """(N,) int64; -100 where the class is not told."""


def load_dataset(
    name: str,
    split: str,
    size: str = "small",
    labelled: int | None = None,
    seed: int = 0,
) -> LabeledImages:
    """Load the images and labels of one split, in an order that mixes the classes.

    The small version has 5,000 training and 1,000 test images, equally many of each
    class, drawn from the published splits. It comes with the package: no download.

    Args:
        name: `"mnist"` or `"fashion-mnist"`.
        split: `"train"` or `"test"`.
        size: `"small"`.
        labelled: keep this many labels and set the others to -100, which the loss
            leaves out. Every class keeps labelled / classes of them; where that
            leaves a remainder, the first classes keep one more. Default: keep all.
        seed: which labels are kept. With the same seed, the labels kept by a small
            `labelled` are among those kept by a larger one.

    Returns:
        A named tuple: images (N, H, W) float32 in [0, 1], labels (N,) int64.

    Raises:
        ValueError: an unknown name, split or size; `labelled` below 0 or more than a
            class has; a data file that is damaged.
        TypeError: `labelled` or `seed` that is no integer.
        FileNotFoundError: a data file that is not there.

    Example:
        >>> images, labels = load_dataset("mnist", "train", labelled=100)
        >>> images.shape, images.dtype
        (torch.Size([5000, 28, 28]), torch.float32)
        >>> labels[labels >= 0].bincount()
        tensor([10, 10, 10, 10, 10, 10, 10, 10, 10, 10])
    """
    check_choice(name, CLASS_NAMES, "name")
    check_choice(split, ("train", "test"), "split")
    check_choice(size, dict.fromkeys(size for _, size in FILES), "size")
    content = read_checked(data_folder() / FILES[name, size])
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        images = torch.from_numpy(arrays[f"x_{split}"]).float() / 255  # (N, H, W)
        labels = torch.from_numpy(arrays[f"y_{split}"]).long()  # (N,)
    if labelled is not None:
        labels = keep_labels(labels, labelled, seed, len(CLASS_NAMES[name]))
    return LabeledImages(images, labels)


def class_names(name: str) -> tuple[str, ...]:
    """Return what the labels 0, 1, 2, ... of a data set stand for.

    Example:
        >>> class_names("fashion-mnist")[:3]
        ('T-shirt/top', 'Trouser', 'Pullover')
    """
    check_choice(name, CLASS_NAMES, "name")
    return CLASS_NAMES[name]


def keep_labels(labels: Tensor, labelled: int, seed: int, classes: int) -> Tensor:
    """Keep `labelled` class-balanced labels, drawn by `seed`; the rest become -100."""
    for argument, value in (("labelled", labelled), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, Integral):
            kind = type(value).__name__
            raise TypeError(f"{argument} must be an integer; got {kind} {value!r}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be from 0 to 2**32 - 1; got {seed}")
    if not 0 <= labelled <= len(labels):
        raise ValueError(f"labelled must be from 0 to {len(labels)}; got {labelled}")
    kept = torch.full_like(labels, UNLABELED)
    # RandomState, not default_rng: NumPy promises never to change what it draws.
    order = torch.from_numpy(np.random.RandomState(seed).permutation(len(labels)))
    for c in range(classes):
        quota = labelled // classes + (c < labelled % classes)
        rows = order[labels[order] == c]
        if quota > len(rows):
            raise ValueError(
                f"labelled={labelled} asks for {quota} labels of class {c}, "
                f"which has {len(rows)}"
            )
        kept[rows[:quota]] = c
    return kept


def data_folder() -> Path:
    """Find the data: inside an installed package, or beside it in a clone."""
    package = Path(__file__).parents[1]
    inside, beside = package / "data", package.parent / "data"
    return inside if (inside / "registry.json").is_file() else beside


def read_checked(path: Path) -> bytes:
    """Read a data file whole, and raise unless its sha256 is the registry's."""
    registry_path = path.with_name("registry.json")
    for needed in (registry_path, path):
        if not needed.is_file():
            raise FileNotFoundError(
                f"{needed} is missing; it comes with the package, and with a git clone"
            )
    try:
        expected = json.loads(registry_path.read_bytes())[path.name]
    except (ValueError, KeyError) as error:
        raise ValueError(f"{registry_path} is damaged: {error!r}") from error
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected["sha256"]:
        raise ValueError(
            f"{path} is damaged: {len(content)} bytes with sha256 {found}; expected "
            f"{expected['bytes']} bytes with sha256 {expected['sha256']}. Install the "
            f"package again, or restore the file from git"
        )
    return content
