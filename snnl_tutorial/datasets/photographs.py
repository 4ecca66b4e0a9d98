"""Photographs by class, as one zip archive of FOLDER/CLASS/NAME.jpg."""

import io
import zipfile
from collections.abc import Iterable

import numpy as np
from PIL import Image  # comes with matplotlib


def read_photographs(
    content: bytes, folders: Iterable[str], classes: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Read the photographs of some folders, all of one size, in the archive's order.

    The content is trusted: verify its hash before.

    Args:
        content: of the archive.
        folders: at its top, such as `["train"]`.
        classes: the classes 0, 1, 2, ...; a folder has "_" where a name has a space.

    Returns:
        Pixels (N, H, W, 3) uint8 and labels (N,).
    """
    numbers = {name.replace(" ", "_"): i for i, name in enumerate(classes)}
    folders = set(folders)
    pixels, labels = [], []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.namelist():
            folder, name, _ = member.split("/")
            if folder in folders:
                with Image.open(io.BytesIO(archive.read(member))) as image:
                    pixels.append(np.asarray(image.convert("RGB")))
                labels.append(numbers[name])
    return np.stack(pixels), np.array(labels)
