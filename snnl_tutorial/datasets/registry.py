"""The registries in data/: which files a data set has, and what their hashes are."""

import json
from typing import Any, NamedTuple

from snnl_tutorial.files import data_folder

SMALL = {
    "mnist": "mnist-5000-1000.npz",
    "fashion-mnist": "fashion-mnist-5000-1000.npz",
    "plant-seedlings": "plant-seedlings-288-120.zip",
}
"""The file in data/ of each small set."""


class FullSet(NamedTuple):
    """One entry of data/full.json: a data set as its authors published it."""

    title: str
    """The name to show."""
    urls: list[str]
    """Mirrors, in order of preference: folders of gzipped files, or one archive.
    None if no public address is known: the set can only be imported."""
    download: str
    """The size of the download."""
    splits: dict[str, dict[str, Any]]
    """For each split, its `images` file and its `labels` file, or the archive of its
    `photographs` and the `folders` in it; and the `count` of rows."""
    sha256: dict[str, str]
    """The hash of each file as the cache stores it (unzipped, but for names in .gz)."""
    sizes: dict[str, int]
    """The bytes of each file, unzipped."""
    archive_sha256: str | None = None
    """The hash of the zip archive, if the files come in one."""
    archive_at_most: int | None = None
    """An upper bound of the archive's bytes."""
    transposed: bool = False
    """Whether the rows and columns of each image are swapped in the files."""
    test_rows: dict[str, Any] | None = None
    """Which file lists the rows of the test split, if both splits share a file."""

    def most_bytes(self, file: str) -> int:
        """Return how many bytes a file can have, as it is or gzipped.

        gzip adds a header, a trailer, and 5 bytes to a block that does not get smaller.
        """
        return self.sizes[file] + self.sizes[file] // 1000 + 1024


def read_registry(name: str) -> dict[str, dict]:
    """Read registry.json (the small sets) or full.json (the full sets)."""
    path = data_folder() / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; it comes with the package")
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error


def full_sets() -> dict[str, FullSet]:
    """Return the full data sets by name.

    Example:
        >>> full_sets()["emnist-47"].title
        '47-class EMNIST (ByMerge test)'
    """
    return {k: FullSet(**entry) for k, entry in read_registry("full.json").items()}


def full_set(name: str) -> FullSet:
    """Return one full data set, or raise a ValueError that lists the known names."""
    sets = full_sets()
    if name not in sets:
        raise ValueError(f"name must be {' or '.join(map(repr, sets))}; got {name!r}")
    return sets[name]
