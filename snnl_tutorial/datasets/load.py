"""Real images to try the loss on, checked before use."""

import io
from numbers import Integral
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from snnl_tutorial.datasets.files import (
    cache_folder,
    data_folder,
    full_sets,
    read_checked,
    read_idx,
    read_registry,
    unzipped,
)
from snnl_tutorial.loss.checks import check_choice

UNLABELED = -100
"""The label of a row whose class is not told: the loss's default `ignore_index`."""

EMNIST_CLASSES = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
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
    "emnist-balanced": EMNIST_CLASSES,
    "emnist-47": EMNIST_CLASSES,
}
SMALL = {
    "mnist": "mnist-5000-1000.npz",
    "fashion-mnist": "fashion-mnist-5000-1000.npz",
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
    n_labeled: int | None = None,
    seed: int = 0,
) -> LabeledImages:
    """Load the images and labels of one split.

    The small version of MNIST and Fashion-MNIST has 5,000 training and 1,000 test
    images, equally many of each class, drawn from the published splits and put in
    random order. It comes with the package. The full version is looked for on disk,
    where `snnl data fetch NAME` puts it: this function never downloads anything. Its
    rows are in the published order, which mixes the classes, but not at random.

    Full sets, training and test images:

    - `"mnist"`, `"fashion-mnist"`: 60,000 and 10,000, 10 classes.
    - `"emnist-balanced"`: 112,800 and 18,800 digits and letters, 47 classes.
    - `"emnist-47"`: 102,223 and 14,100 of the same 47 classes. Both come from the
      *test* split of EMNIST ByMerge: 300 of each class are our test split, all others
      our training split. Call results "47-class EMNIST (ByMerge test)". Do not train
      on `"emnist-balanced"` and test here: the two have images in common.

    Args:
        name: the data set, as above.
        split: `"train"` or `"test"`.
        size: `"small"` or `"full"`. The EMNIST sets have no small version.
        n_labeled: keep this many labels and set the others to -100, which the loss
            leaves out. Every class keeps n_labeled / classes of them; where that
            leaves a remainder, the first classes keep one more. Default: keep all.
        seed: which labels are kept. With the same seed, the labels kept by a small
            `n_labeled` are among those kept by a larger one.

    Returns:
        A named tuple: images (N, H, W) float32 in [0, 1], labels (N,) int64.

    Raises:
        ValueError: an unknown name, split or size; `n_labeled` below 0 or more than a
            class has; a data file that is damaged.
        TypeError: `n_labeled` or `seed` that is no integer.
        FileNotFoundError: a data file that is not there; the message says which
            command gets it.

    Example:
        >>> images, labels = load_dataset("mnist", "train", n_labeled=100)
        >>> images.shape, images.dtype
        (torch.Size([5000, 28, 28]), torch.float32)
        >>> labels[labels >= 0].bincount()
        tensor([10, 10, 10, 10, 10, 10, 10, 10, 10, 10])
    """
    check_choice(name, CLASS_NAMES, "name")
    check_choice(split, ("train", "test"), "split")
    check_choice(size, ("small", "full"), "size")
    if size == "small" and name not in SMALL:
        raise ValueError(f"size must be 'full' for {name!r}; got 'small'")
    read = read_small if size == "small" else read_full
    pixels, classes = read(name, split)
    images = torch.from_numpy(pixels).float().div_(255)  # (N, H, W)
    labels = torch.from_numpy(classes).long()  # (N,)
    if n_labeled is not None:
        labels = keep_labels(labels, n_labeled, seed, len(CLASS_NAMES[name]))
    return LabeledImages(images, labels)


def read_small(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read pixels and classes of a set that comes with the package."""
    file = SMALL[name]
    registry = read_registry("registry.json")
    if file not in registry:
        raise ValueError(f"{data_folder() / 'registry.json'} is damaged: no {file}")
    keys = [f"x_{split}", f"y_{split}"]
    pixels, classes = read_arrays(file, registry[file]["sha256"], keys)
    return pixels, classes


def read_full(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read pixels and classes, as published, of a set in the cache."""
    full = full_sets()[name]
    remedy = (
        f"`snnl data fetch {name}` downloads it, `snnl data import {name} --from DIR` "
        f"takes it from a folder"
    )
    files = full.splits[split]
    images, labels = (
        read_idx(unzipped(read_checked(path, full.sha256[path.name], remedy)))
        for path in (cache_folder() / name / files[k] for k in ("images", "labels"))
    )
    if full.test_rows:
        chosen = np.zeros(len(labels), bool)
        chosen[read_arrays(**full.test_rows, keys=["rows"])[0]] = True
        if split == "train":
            chosen = ~chosen
        images, labels = images[chosen], labels[chosen]
    if full.transposed:
        images = images.swapaxes(1, 2)
    # Copies: in memory row by row, and of their own, which PyTorch may write to.
    return np.array(images, order="C"), np.array(labels)


def read_arrays(file: str, sha256: str, keys: list[str]) -> list[np.ndarray]:
    """Read arrays from an .npz file that comes with the package."""
    remedy = "it comes with the package, and with a git clone"
    content = read_checked(data_folder() / file, sha256, remedy)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[key] for key in keys]


def class_names(name: str) -> tuple[str, ...]:
    """Return what the labels 0, 1, 2, ... of a data set stand for.

    Example:
        >>> class_names("fashion-mnist")[:3]
        ('T-shirt/top', 'Trouser', 'Pullover')
    """
    check_choice(name, CLASS_NAMES, "name")
    return CLASS_NAMES[name]


def keep_labels(labels: Tensor, n_labeled: int, seed: int, classes: int) -> Tensor:
    """Keep `n_labeled` class-balanced labels, drawn by `seed`; the rest become -100."""
    for argument, value in (("n_labeled", n_labeled), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, Integral):
            kind = type(value).__name__
            raise TypeError(f"{argument} must be an integer; got {kind} {value!r}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be from 0 to 2**32 - 1; got {seed}")
    if not 0 <= n_labeled <= len(labels):
        raise ValueError(f"n_labeled must be from 0 to {len(labels)}; got {n_labeled}")
    kept = torch.full_like(labels, UNLABELED)
    # RandomState, not default_rng: NumPy promises never to change what it draws.
    order = torch.from_numpy(np.random.RandomState(seed).permutation(len(labels)))
    for c in range(classes):
        quota = n_labeled // classes + (c < n_labeled % classes)
        rows = order[labels[order] == c]
        if quota > len(rows):
            raise ValueError(
                f"n_labeled={n_labeled} asks for {quota} labels of class {c}, "
                f"which has {len(rows)}"
            )
        kept[rows[:quota]] = c
    return kept
