"""The files of the data sets: where they lie, and none is used unchecked."""

import gzip
import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class FullSet(NamedTuple):
    """One entry of data/full.json: a data set as its authors published it."""

    title: str
    """What to call it."""
    urls: list[str]
    """Folders with the files gzipped, or the archive; tried in this order."""
    download: str
    """How much is downloaded."""
    splits: dict[str, dict[str, Any]]
    """For each split, the names of its images and labels file, and how many rows."""
    sha256: dict[str, str]
    """For each file, the hash of its content as it lies in the cache."""
    archive_sha256: str | None = None
    """The hash of the zip archive that holds the files, if one does."""
    transposed: bool = False
    """Whether rows and columns of each image are swapped in the files."""
    test_rows: dict[str, str] | None = None
    """The file that lists the rows of the test split, if both share their files."""


def data_folder() -> Path:
    """Find the data: inside an installed package, or beside it in a clone."""
    package = Path(__file__).parents[1]
    inside, beside = package / "data", package.parent / "data"
    return inside if (inside / "registry.json").is_file() else beside


def cache_folder() -> Path:
    """Return the folder of the full sets: `SNNL_DATA`, or else the user's cache."""
    if folder := os.environ.get("SNNL_DATA"):
        return Path(folder).expanduser()
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "the full data sets need pooch: pip install pooch, or set SNNL_DATA to "
            "the folder that they lie in"
        ) from error
    return Path(pooch.os_cache("snnl-tutorial"))


def read_registry(name: str) -> dict[str, dict]:
    """Read registry.json (the small sets) or full.json (the full ones)."""
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


def file_state(path: Path, sha256: str) -> str:
    """Return "good", "damaged" or "missing"."""
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return "good" if found == sha256 else "damaged"


def read_checked(path: Path, sha256: str, remedy: str) -> bytes:
    """Read a file whole, and raise unless its content has this sha256."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {remedy}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} is damaged: {len(content)} bytes with sha256 {found}; expected "
            f"sha256 {sha256}; {remedy}"
        )
    return content


def unzipped(content: bytes) -> bytes:
    """Undo gzip, if it was done.

    Raises:
        ValueError: the content begins like a gzip file, but is damaged.

    Example:
        >>> unzipped(gzip.compress(b"seven")), unzipped(b"seven")
        (b'seven', b'seven')
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot be unzipped: {error}") from error


def read_idx(content: bytes) -> np.ndarray:
    """Read the content of an idx file of bytes, checked before.

    It has two zero bytes, the type (8: uint8), the number of dimensions, one big-endian
    32-bit size for each dimension, and then the values.

    Example:
        >>> read_idx(bytes([0, 0, 8, 2,  0, 0, 0, 1,  0, 0, 0, 3,  7, 8, 9]))
        array([[7, 8, 9]], dtype=uint8)
    """
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def write(path: Path, content: bytes) -> None:
    """Write to a temporary name and rename, so that no half a file is ever seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
