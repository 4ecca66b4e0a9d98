"""The cache of full data sets. Every file is verified on its way in and out."""

import hashlib
import os
from pathlib import Path

from snnl_tutorial.datasets.idx import unzip
from snnl_tutorial.datasets.registry import FullSet, full_set
from snnl_tutorial.files import write_atomically


def cache_folder() -> Path:
    """Return the folder of the full sets: `SNNL_DATA`, or else the user's cache."""
    if folder := os.environ.get("SNNL_DATA"):
        return Path(folder).expanduser()
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "the full data sets need pooch: pip install pooch, or set SNNL_DATA to "
            "the folder that has them"
        ) from error
    return Path(pooch.os_cache("snnl-tutorial"))


def import_files(name: str, source: Path) -> list[Path]:
    """Copy the files of a full data set from a folder to the cache, all or none.

    Args:
        name: `"mnist"`, `"fashion-mnist"`, `"emnist-balanced"` or `"emnist-47"`.
        source: the folder with the published files, gzipped or not. Those of
            EMNIST-Balanced must be gzipped: only the hashes of the .gz files are known.

    Returns:
        The files in the cache.

    Raises:
        ValueError: an unknown name, or a file that differs from the published one.
        FileNotFoundError: a file is not in the folder.
    """
    full = full_set(name)
    folder = cache_folder() / name
    contents = {folder / file: read_source(source, file, full) for file in full.sha256}
    for path, content in contents.items():
        write_atomically(path, content)
    return list(contents)


def read_source(source: Path, file: str, full: FullSet) -> bytes:
    """Read and verify a published file in the user's folder, gzipped or not.

    Returns:
        The content as the cache stores it.

    Raises:
        ValueError: the file differs from the published one.
        FileNotFoundError: it is not in the folder.
    """
    names = dict.fromkeys((file, f"{file.removesuffix('.gz')}.gz"))
    path = next((source / n for n in names if (source / n).is_file()), None)
    if path is None:
        message = f"no {' or '.join(names)} in {source}"
        if (source / file.removesuffix(".gz")).is_file():
            message += (
                f"; the unzipped file there cannot be verified: for {full.title}, only "
                f"the hashes of the .gz files are known"
            )
        raise FileNotFoundError(message)
    try:
        return verify(path.read_bytes(), file, full)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def verify(content: bytes, file: str, full: FullSet) -> bytes:
    """Return a published file's content as the cache stores it; raise if it differs.

    What is hashed is the unzipped content, since mirrors gzip files anew, unless the
    file's own name ends in .gz.
    """
    if not file.endswith(".gz"):
        content = unzip(content)
    if mismatch := hash_mismatch(content, full.sha256[file]):
        raise ValueError(f"not the published {file}: {mismatch}")
    return content


def hash_mismatch(content: bytes, sha256: str) -> str | None:
    """Return None if the content has this hash, or else what it has instead."""
    found = hashlib.sha256(content).hexdigest()
    if found == sha256:
        return None
    return f"{len(content)} bytes with sha256 {found}, expected {sha256}"


def read_verified(path: Path, sha256: str, remedy: str) -> bytes:
    """Read a file; raise if it is missing or does not have this hash.

    Args:
        path: the file.
        sha256: of its content, as it is on disk.
        remedy: how to get the right file, for the message.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {remedy}")
    content = path.read_bytes()
    if mismatch := hash_mismatch(content, sha256):
        raise ValueError(f"{path} is damaged: {mismatch}; {remedy}")
    return content


def file_state(path: Path, sha256: str) -> str:
    """Return "good", "damaged" or "missing"."""
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return "good" if found == sha256 else "damaged"
