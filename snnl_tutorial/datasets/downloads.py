"""Download full data sets: several mirrors, time limits, and only verified files kept.

Pooch downloads, but its registry is not used: it compares the hash of a file as it was
sent, while mirrors gzip the files anew and only the hash of the raw bytes is known.
"""

import hashlib
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from io import BufferedRandom
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from snnl_tutorial.datasets.cache import cache_folder, file_state, verify
from snnl_tutorial.datasets.registry import FullSet, full_set
from snnl_tutorial.files import write_atomically

STALL_SECONDS = 30
"""How long a server may send nothing."""
FILE_SECONDS = 2 * 60 * 60
"""How long the download of one file may take."""


def fetch(name: str) -> list[Path]:
    """Download the files of a full data set that are missing or damaged in the cache.

    A file gets its name in the cache only after its content is verified, so an
    interrupted download leaves nothing behind. If the cache is complete, no server is
    contacted.

    Args:
        name: `"mnist"`, `"fashion-mnist"`, `"emnist-balanced"` or `"emnist-47"`.

    Returns:
        The downloaded files.

    Raises:
        ValueError: an unknown name.
        ConnectionError: no mirror sent the right file; the message says why for each.
        ImportError: pooch is not installed.
    """
    full = full_set(name)
    folder = cache_folder() / name
    files = [
        file
        for file, sha256 in full.sha256.items()
        if file_state(folder / file, sha256) != "good"
    ]
    if files and full.archive_sha256:
        store = partial(store_members, full=full, folder=folder, files=files)
        download_from_any(full.urls, store)
    else:
        for file in files:
            urls = [f"{url}{file}.gz" for url in full.urls]
            download_from_any(urls, partial(store_file, full=full, path=folder / file))
    return [folder / file for file in files]


def download_from_any(urls: list[str], store: Callable[[BufferedRandom], None]) -> None:
    """Try the mirrors in order, until `store` accepts a download (no ValueError)."""
    import requests  # comes with pooch; importing files does not need it

    cache_folder().mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        # This file has no name: the system removes it even if the process is killed.
        with tempfile.TemporaryFile(dir=cache_folder()) as part:
            try:
                download(url, part)
                store(part)
                return
            except (requests.RequestException, TimeoutError, ValueError) as error:
                failures.append(f"{url}: {root_cause(error)}")
    raise ConnectionError(
        f"no server sent the right file: {'; '.join(failures)}; "
        f"`snnl data import NAME --from DIR` uses files that you have"
    )


def download(url: str, part: BufferedRandom) -> None:
    """Download to an open file, with a progress bar, and rewind the file."""
    import pooch

    with DownloadBar(url) as bar:
        get = pooch.HTTPDownloader(progressbar=bar, timeout=STALL_SECONDS)
        get(url, part, None)
    part.seek(0)


class DownloadBar(tqdm):
    """A progress bar (at a terminal only) that ends a download that takes too long."""

    def __init__(self, url: str) -> None:
        name = url.rsplit("/", 1)[-1]
        super().__init__(desc=name, unit="B", unit_scale=True, disable=None)
        self.deadline = time.monotonic() + FILE_SECONDS

    def __bool__(self) -> bool:
        return True  # pooch asks; a plain tqdm is false while its length is unknown

    def update(self, n: float | None = 1) -> bool | None:
        if time.monotonic() > self.deadline:
            raise TimeoutError(f"not complete after {FILE_SECONDS} s")
        return super().update(n)

    def reset(self, total: float | None = None) -> None:
        self.n = 0  # pooch then sets the final count: keep the clock for the true speed


def root_cause(error: BaseException) -> str:
    """Return the first error of the chain in one line, without requests' wrappers."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(f"{type(error).__name__}: {error}".split())


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
