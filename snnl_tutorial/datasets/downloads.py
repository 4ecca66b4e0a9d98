"""Download full data sets: several mirrors, and only verified files kept.

No registry of a download library is used: it would compare the hash of a file as it was
sent, while mirrors gzip the files anew and only the hash of the raw bytes is known.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from io import BufferedRandom
from pathlib import Path, PurePosixPath

from snnl_tutorial.datasets.cache import cache_folder, file_state, verify
from snnl_tutorial.datasets.registry import FullSet, full_set
from snnl_tutorial.datasets.transfer import TransferError, receive
from snnl_tutorial.files import named_errors, write_atomically


def fetch(name: str) -> list[Path]:
    """Download the files of a full data set that are missing or damaged in the cache.

    A file gets its name in the cache only after its content is verified, so an
    interrupted download leaves nothing behind. If the cache is complete, no server is
    contacted. Several processes can fetch the same set at once.

    Args:
        name: `"mnist"`, `"fashion-mnist"`, `"emnist-balanced"` or `"emnist-47"`.

    Returns:
        The downloaded files.

    Raises:
        ValueError: an unknown name, or a set without a public address.
        ConnectionError: no mirror sent the right file; the message says why for each.
        OSError: the cache cannot be read or written. No other mirror is tried.
    """
    full = full_set(name)
    if not full.urls:
        raise ValueError(
            f"name must be a set with a public address; got {name!r}: "
            f"`snnl data import {name} --from DIR` takes {' and '.join(full.sha256)} "
            f"from a folder"
        )
    folder = cache_folder() / name
    files = [file for file in full.sha256 if file_state(name, file, full) != "good"]
    if files and full.archive_at_most:
        store = partial(store_members, full=full, folder=folder, files=files)
        download_from_any(full.urls, full.archive_at_most, store)
    else:
        for file in files:
            urls = [f"{url}{file}.gz" for url in full.urls]
            store = partial(store_file, full=full, path=folder / file)
            download_from_any(urls, full.most_bytes(file), store)
    return [folder / file for file in files]


def download_from_any(
    urls: list[str], limit: int, store: Callable[[BufferedRandom], None]
) -> None:
    """Try the mirrors in order, until `store` accepts a download (no ValueError)."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        # This file has no name: the system removes it even if the process is killed.
        with (
            named_errors(cache_folder()),
            tempfile.TemporaryFile(dir=cache_folder()) as part,
        ):
            try:
                receive(url, part, limit)
                part.seek(0)
                store(part)
                return
            except (TransferError, ValueError) as error:
                failures.append(f"{url}: {error}")
    raise ConnectionError(
        f"no server sent the right file: {'; '.join(failures)}; "
        f"`snnl data import NAME --from DIR` uses files that you have"
    )


def store_file(part: BufferedRandom, full: FullSet, path: Path) -> None:
    """Verify a downloaded file and put it in the cache."""
    write_atomically(path, verify(part.read(), path.name, full))


def store_members(
    part: BufferedRandom, full: FullSet, folder: Path, files: list[str]
) -> None:
    """Verify a downloaded archive and put some of its members in the cache.

    A member is read into memory and written under our own name for it: no path in the
    archive is followed.
    """
    found = hashlib.file_digest(part, "sha256").hexdigest()
    if found != full.archive_sha256:
        raise ValueError(
            f"not the published archive: {part.tell()} bytes with sha256 {found}, "
            f"expected {full.archive_sha256}"
        )
    with zipfile.ZipFile(part) as archive:
        members = {PurePosixPath(m.filename).name: m for m in archive.infolist()}
        for file in files:
            member = members.get(f"{file.removesuffix('.gz')}.gz")
            if member is None:
                raise ValueError(f"no {file} in the archive")
            write_atomically(folder / file, verify(archive.read(member), file, full))
