"""Load a data set as tensors, from files that are verified each time."""

import io
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from snnl_tutorial.datasets.cache import cache_folder, read_verified
from snnl_tutorial.datasets.idx import read_idx, unzip
from snnl_tutorial.datasets.photographs import read_photographs
from snnl_tutorial.datasets.registry import SMALL, full_set, read_registry
from snnl_tutorial.files import data_folder
from snnl_tutorial.loss.checks import check_choice, check_integer

UNLABELED = -100
"""The label of an unlabeled row: the loss's default `ignore_index`."""

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
    "plant-seedlings": (
        "Black-grass",
        "Charlock",
        "Cleavers",
        "Common Chickweed",
        "Common wheat",
        "Fat Hen",
        "Loose Silky-bent",
        "Maize",
        "Scentless Mayweed",
        "Shepherds Purse",
        "Small-flowered Cranesbill",
        "Sugar beet",
    ),
}


class LabeledImages(NamedTuple):
    """Images and one label for each."""

    images: Tensor
    """(N, H, W), or (N, H, W, 3) in color, float32 in [0, 1]."""
    labels: Tensor
    """(N,) int64; -100 for an unlabeled image."""


def load_dataset(
    name: str,
    split: str,
    size: str = "small",
    n_labeled: int | None = None,
    seed: int = 0,
) -> LabeledImages:
    """Load the images and labels of one split.

    The small version of MNIST and Fashion-MNIST has 5,000 training and 1,000 test
    images, equally many of each class, drawn from the published splits and shuffled;
    that of the plant seedlings 288 and 120 photographs. It comes with the package. The
    full version is read from disk, where `snnl data fetch NAME` puts it; this function
    never downloads anything. Its rows are in the published order, which is not random.

    Full sets, training and test images:

    - `"mnist"`, `"fashion-mnist"`: 60,000 and 10,000, 10 classes.
    - `"emnist-balanced"`: 112,800 and 18,800 digits and letters, 47 classes.
    - `"emnist-47"`: 102,223 and 14,100 of the same 47 classes. Both come from the
      *test* split of EMNIST ByMerge: 300 of each class are our test split, all others
      our training split. Call results "47-class EMNIST (ByMerge test)". Do not train
      on `"emnist-balanced"` and test here: the two have images in common.
    - `"plant-seedlings"`: 4,027 and 723 color photographs of 12 species, 128 x 128.

    Args:
        name: the data set, as above.
        split: `"train"` or `"test"`.
        size: `"small"` or `"full"`. The EMNIST sets have no small version.
        n_labeled: the number of labels to keep; all others become -100, which the
            loss ignores. Each class keeps n_labeled / classes labels; if that leaves
            a remainder, the first classes keep one more. Default: keep all labels.
        seed: for the random choice of the labels to keep. With the same seed, a larger
            `n_labeled` keeps all the labels that a smaller one keeps.

    Returns:
        A named tuple: images (N, H, W) or (N, H, W, 3) float32 in [0, 1], labels (N,)
        int64.

    Raises:
        ValueError: an unknown name, split or size; `n_labeled` is negative or needs
            more labels than a class has; `seed` is not between 0 and 2**32 - 1; a
            damaged data file.
        TypeError: `n_labeled` or `seed` is not an integer.
        FileNotFoundError: a data file is missing; the message names the command that
            gets it.
        OSError: a data file is not a regular file, or cannot be read.

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
    seed = check_seed(seed)
    if n_labeled is not None:
        n_labeled = check_integer(n_labeled, "n_labeled", least=0)
    read = read_small if size == "small" else read_full
    pixels, classes = read(name, split)
    images = torch.from_numpy(pixels).float().div_(255)  # (N, H, W)
    labels = torch.from_numpy(classes).long()  # (N,)
    if n_labeled is not None:
        labels = keep_labels(labels, n_labeled, seed, len(CLASS_NAMES[name]))
    return LabeledImages(images, labels)


def read_small(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read pixels (N, H, W[, 3]) and labels (N,) of a small set."""
    file = SMALL[name]
    registry = read_registry("registry.json")
    if file not in registry:
        raise ValueError(f"{data_folder() / 'registry.json'} is damaged: no {file}")
    content = read_shipped(file, registry[file])
    if file.endswith(".zip"):
        return read_photographs(content, [split], CLASS_NAMES[name])
    arrays = read_arrays(content)
    return arrays[f"x_{split}"], arrays[f"y_{split}"]


def read_full(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read pixels (N, H, W[, 3]) and labels (N,) of a full set, from the cache."""
    full = full_set(name)
    remedy = f"`snnl data import {name} --from DIR` copies it from a folder"
    if full.urls:
        remedy = f"`snnl data fetch {name}` downloads it, {remedy}"

    def read(kind: str) -> bytes:
        file = full.splits[split][kind]
        path = cache_folder() / name / file
        content = read_verified(path, full.sha256[file], full.most_bytes(file), remedy)
        return unzip(content, full.sizes[file])

    if "photographs" in full.splits[split]:
        folders = full.splits[split]["folders"]
        return read_photographs(read("photographs"), folders, CLASS_NAMES[name])
    pixels, labels = read_idx(read("images")), read_idx(read("labels"))
    if full.test_rows:
        rows = read_shipped(full.test_rows["file"], full.test_rows)
        chosen = np.zeros(len(labels), bool)
        chosen[read_arrays(rows)["rows"]] = True
        if split == "train":
            chosen = ~chosen
        pixels, labels = pixels[chosen], labels[chosen]
    if full.transposed:
        pixels = pixels.swapaxes(1, 2)
    # Copies are contiguous and, unlike arrays on a file's bytes, writable.
    return np.array(pixels, order="C"), np.array(labels)


def read_shipped(file: str, entry: dict[str, Any]) -> bytes:
    """Read a file that is part of the package; `entry` has its `sha256` and `bytes`."""
    remedy = "it comes with the package and with a git clone"
    path = data_folder() / file
    return read_verified(path, entry["sha256"], entry["bytes"], remedy)


def read_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Read the content of an .npz file."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def class_names(name: str) -> tuple[str, ...]:
    """Return the names of the classes 0, 1, 2, ... of a data set.

    Example:
        >>> class_names("fashion-mnist")[:3]
        ('T-shirt/top', 'Trouser', 'Pullover')
    """
    check_choice(name, CLASS_NAMES, "name")
    return CLASS_NAMES[name]


def check_seed(seed: int) -> int:
    """Return the seed as an `int`; raise unless NumPy's RandomState takes it."""
    number = check_integer(seed, "seed", least=0)
    if number >= 2**32:
        raise ValueError(f"seed must be below 2**32; got {seed}")
    return number


def keep_labels(labels: Tensor, n_labeled: int, seed: int, classes: int) -> Tensor:
    """Keep `n_labeled` labels, balanced over the classes; the others become -100."""
    if n_labeled > len(labels):
        raise ValueError(f"n_labeled must be at most {len(labels)}; got {n_labeled}")
    kept = torch.full_like(labels, UNLABELED)
    # NumPy guarantees RandomState's stream forever, unlike default_rng's.
    order = torch.from_numpy(np.random.RandomState(seed).permutation(len(labels)))
    for c in range(classes):
        quota = n_labeled // classes + (c < n_labeled % classes)
        rows = order[labels[order] == c]
        if quota > len(rows):
            raise ValueError(
                f"n_labeled={n_labeled} needs {quota} labels of class {c}, "
                f"which has {len(rows)}"
            )
        kept[rows[:quota]] = c
    return kept
