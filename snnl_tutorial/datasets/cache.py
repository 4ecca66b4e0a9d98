"""The cache of full data sets. Every file is verified on its way in and out.

No more is ever read or unzipped than the published file has: a wrong one costs neither
memory nor time.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from snnl_tutorial.datasets.idx import unzip
from snnl_tutorial.datasets.registry import FullSet, full_set
from snnl_tutorial.files import read_at_most, write_atomically


def cache_folder() -> Path:
    """Return the folder of the full sets: `SNNL_DATA`, or else the user's cache."""
    if given := os.environ.get("SNNL_DATA"):
        try:
            folder = Path(given).expanduser()
        except RuntimeError as error:
            raise ValueError(f"SNNL_DATA: {given} is no one's home folder") from error
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"SNNL_DATA: {folder} is not a folder")
        return folder
    try:
        import platformdirs
    except ImportError as error:
        raise ImportError(
            "the full data sets need platformdirs: pip install platformdirs, or set "
            "SNNL_DATA to the folder that has them"
        ) from error
    try:
        return Path(platformdirs.user_cache_dir("snnl-tutorial"))
    except RuntimeError as error:
        raise ValueError(f"SNNL_DATA must name a folder here: {error}") from error


def import_files(name: str, source: str | os.PathLike[str]) -> list[Path]:
    """Copy the files of a full data set from a folder to the cache, all or none.

    Args:
        name: `"mnist"`, `"fashion-mnist"`, `"emnist-balanced"`, `"emnist-47"` or
            `"plant-seedlings"`.
        source: the folder with the published files, gzipped or not. Those of
            EMNIST-Balanced must be gzipped: only the hashes of the .gz files are known.

    Returns:
        The files in the cache.

    Raises:
        ValueError: an unknown name, or a file that differs from the published one.
        NotADirectoryError: there is no such folder.
        FileNotFoundError: a file is not in the folder.
        OSError: a file is not a regular file, or cannot be read; or the cache cannot be
            written.
    """
    full = full_set(name)
    folder = cache_folder() / name
    contents = {folder / file: read_source(source, file, full) for file in full.sha256}
    for path, content in contents.items():
        write_atomically(path, content)
    return list(contents)


def read_source(source: str | os.PathLike[str], file: str, full: FullSet) -> bytes:
    """Read and verify a published file in the user's folder, gzipped or not.

    Returns:
        The content as the cache stores it.

    Raises:
        ValueError: the file differs from the published one.
        NotADirectoryError: there is no such folder.
        FileNotFoundError: the file is not in the folder.
        OSError: it is not a regular file, or cannot be read.
    """
    source = Path(source)
    if not source.is_dir():
        raise NotADirectoryError(f"no folder {source}")
    names = dict.fromkeys((file, f"{file.removesuffix('.gz')}.gz"))
    for path in (source / name for name in names):
        with suppress(FileNotFoundError):
            try:
                return verify(read_at_most(path, full.most_bytes(file)), file, full)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
    message = f"no {' or '.join(names)} in {source}"
    if (source / file.removesuffix(".gz")).is_file():
        message += (
            f"; the unzipped file there cannot be verified: for {full.title}, only "
            f"the hashes of the .gz files are known"
        )
    raise FileNotFoundError(message)


def verify(content: bytes, file: str, full: FullSet) -> bytes:
    """Return a published file's content as the cache stores it; raise if it differs.

    What is hashed is the unzipped content, since mirrors gzip files anew, unless the
    file's own name ends in .gz.
    """
    if not file.endswith(".gz"):
        content = unzip(content, full.sizes[file])
    if mismatch := hash_mismatch(content, full.sha256[file]):
        raise ValueError(f"not the published {file}: {mismatch}")
    return content


def hash_mismatch(content: bytes, sha256: str) -> str | None:
    """Return None if the content has this hash, or else what it has instead."""
    found = hashlib.sha256(content).hexdigest()
    if found == sha256:
        return None
    return f"{len(content)} bytes with sha256 {found}, expected {sha256}"


def read_verified(path: Path, sha256: str, most_bytes: int, remedy: str) -> bytes:
    """Read a file; raise if it is missing or does not have this hash.

    Args:
        path: the file.
        sha256: of its content, as it is on disk.
        most_bytes: that it can have.
        remedy: how to get the right file, for the message.
    """
    try:
        content = read_at_most(path, most_bytes)
        mismatch = hash_mismatch(content, sha256)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} is missing; {remedy}") from error
    except ValueError as error:
        mismatch = str(error)
    if mismatch:
        raise ValueError(f"{path} is damaged: {mismatch}; {remedy}")
    return content


def file_state(name: str, file: str, full: FullSet) -> str:
    """Return whether a file in the cache is "good", "damaged" or "missing"."""
    path = cache_folder() / name / file
    try:
        read_verified(path, full.sha256[file], full.most_bytes(file), remedy="")
    except FileNotFoundError:
        return "missing"
    except ValueError:
        return "damaged"
    return "good"
