"""Full data sets: downloaded or taken from a folder, checked, and put in the cache."""

import hashlib
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from snnl_tutorial.datasets.files import (
    FullSet,
    cache_folder,
    file_state,
    full_sets,
    unzipped,
    write,
)
from snnl_tutorial.loss.checks import check_choice

STALL_SECONDS = 30
"""How long a server may send nothing."""
FILE_SECONDS = 2 * 60 * 60
"""How long the download of one file may take."""


def fetch(name: str) -> list[Path]:
    """Download the files of a full data set that the cache lacks or has damaged.

    Each file's content is checked before it gets its name in the cache: whatever
    breaks off, no bad file is left there. Where the cache is good, no server is asked.

    Args:
        name: `"mnist"`, `"fashion-mnist"`, `"emnist-balanced"` or `"emnist-47"`.

    Returns:
        The files that were downloaded: none if all were there.

    Raises:
        ValueError: an unknown name.
        ConnectionError: no address gave the right file; the message says why for each.
        ImportError: pooch is not installed.
    """
    full = chosen_set(name)
    folder = cache_folder() / name
    wanted = [
        file
        for file, sha256 in full.sha256.items()
        if file_state(folder / file, sha256) != "good"
    ]
    if not wanted:
        return []
    cache_folder().mkdir(parents=True, exist_ok=True)
    remove_leftovers(cache_folder())
    if full.archive_sha256:
        use = partial(place_members, full=full, folder=folder, files=wanted)
        from_first(full.urls, use)
    else:
        for file in wanted:
            urls = [f"{url}{file}.gz" for url in full.urls]
            from_first(urls, partial(place, full=full, path=folder / file))
    return [folder / file for file in wanted]


def take(name: str, source: Path) -> list[Path]:
    """Copy the files of a full data set from a folder to the cache, all or none.

    Args:
        name: as for `fetch`.
        source: the folder with the published files, gzipped or not. Those of
            EMNIST-Balanced must be gzipped: only the hash of the .gz is known.

    Returns:
        The files in the cache.

    Raises:
        ValueError: an unknown name, or a file that is not the published one.
        FileNotFoundError: a file that is not in the folder.
    """
    full = chosen_set(name)
    contents = {file: published(source, file, full) for file in full.sha256}
    folder = cache_folder() / name
    for file, content in contents.items():
        write(folder / file, content)
    return [folder / file for file in contents]


def remove_leftovers(cache: Path) -> None:
    """Remove the half downloads of processes that were killed, once surely dead."""
    for folder in cache.glob("download-*"):
        with suppress(FileNotFoundError):  # another process has just ended
            if time.time() - folder.stat().st_mtime > 2 * FILE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def chosen_set(name: str) -> FullSet:
    """Return the full set of this name, or raise a ValueError that lists the names."""
    sets = full_sets()
    check_choice(name, sets, "name")
    return sets[name]


def published(source: Path, file: str, full: FullSet) -> bytes:
    """Read a file of a full set from the user's folder, and check it."""
    names = dict.fromkeys((file, f"{file.removesuffix('.gz')}.gz"))
    path = next((source / n for n in names if (source / n).is_file()), None)
    if path is None:
        message = f"no {' or '.join(names)} in {source}"
        if (source / file.removesuffix(".gz")).is_file():
            message += (
                f"; the unzipped file that is there cannot be checked, since for "
                f"{full.title} only the hashes of the .gz files are known"
            )
        raise FileNotFoundError(message)
    try:
        return checked(path.read_bytes(), full, file)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def checked(content: bytes, full: FullSet, file: str) -> bytes:
    """Return the content as it lies in the cache, or raise if it is not `file`'s."""
    if not file.endswith(".gz"):
        content = unzipped(content)
    found = hashlib.sha256(content).hexdigest()
    if found != full.sha256[file]:
        raise ValueError(
            f"not the published {file}: {len(content)} bytes with sha256 {found}, "
            f"expected {full.sha256[file]}"
        )
    return content


def from_first(urls: list[str], use: Callable[[Path], None]) -> None:
    """Download from the first address whose file `use` takes without a ValueError."""
    # Needed here only: files in a folder are taken without.
    import requests

    failures = []
    for url in urls:
        with tempfile.TemporaryDirectory(
            prefix="download-", dir=cache_folder()
        ) as folder:
            part = Path(folder, "part")
            try:
                download(url, part)
                return use(part)
            except (requests.RequestException, TimeoutError, ValueError) as error:
                failures.append(f"{url}: {root_cause(error)}")
    raise ConnectionError(
        f"no address gave the right file: {'; '.join(failures)}; "
        f"`snnl data import NAME --from DIR` takes files that you have"
    )


def download(url: str, part: Path) -> None:
    """Write what is at the address to a file, with a progress bar."""
    import pooch

    with DownloadBar(url) as bar:
        # Pooch's chunks of 1024 bytes are small: a slow server is found out early.
        get = pooch.HTTPDownloader(progressbar=bar, timeout=STALL_SECONDS)
        get(url, str(part), None)


class DownloadBar(tqdm):
    """A progress bar, at a terminal only, that ends a download that takes too long."""

    def __init__(self, url: str) -> None:
        name = url.rsplit("/", 1)[-1]
        super().__init__(desc=name, unit="B", unit_scale=True, disable=None)
        self.deadline = time.monotonic() + FILE_SECONDS

    def __bool__(self) -> bool:
        return True  # pooch asks; a plain tqdm of unknown length cannot tell

    def update(self, n: float | None = 1) -> bool | None:
        if time.monotonic() > self.deadline:
            raise TimeoutError(f"not complete after {FILE_SECONDS} s")
        return super().update(n)

    def reset(self, total: float | None = None) -> None:
        self.n = 0  # pooch then fills the bar: the clock goes on, for a true speed


def root_cause(error: BaseException) -> str:
    """Say in a line what began it, without the layers of wrapping of requests."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(f"{type(error).__name__}: {error}".split())


def place(part: Path, full: FullSet, path: Path) -> None:
    """Put a downloaded file in the cache, if it is the published one."""
    write(path, checked(part.read_bytes(), full, path.name))


def place_members(part: Path, full: FullSet, folder: Path, files: list[str]) -> None:
    """Put the wanted members of a downloaded archive in the cache, and no others.

    A member is read into memory and written under our own name for it: no path that
    the archive names is followed.
    """
    if file_state(part, full.archive_sha256 or "") != "good":
        raise ValueError(
            f"not the published archive: {part.stat().st_size} bytes, whose sha256 is "
            f"not {full.archive_sha256}"
        )
    with zipfile.ZipFile(part) as archive:
        members = {PurePosixPath(m.filename).name: m for m in archive.infolist()}
        for file in files:
            member = members.get(f"{file.removesuffix('.gz')}.gz")
            if member is None:
                raise ValueError(f"no {file} in the archive")
            write(folder / file, checked(archive.read(member), full, file))
