"""Where the shipped data is, and how every file of the project is written."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

ABANDONED_SECONDS = 24 * 60 * 60
"""A temporary file that nobody has written to for so long is a dead process's."""


def data_folder() -> Path:
    """Return the folder of the shipped data, in an installed package or in a clone."""
    package = Path(__file__).parent
    installed, clone = package / "data", package.parent / "data"
    return installed if (installed / "registry.json").is_file() else clone


@contextmanager
def open_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends without an error.

    Whoever reads `path` finds the old content or the new, never a part of it, also
    after a power failure. The temporary file is in the same folder, which is created
    if needed. It is removed after an error; what a killed process left is removed a
    day later. The permissions of an existing file are kept. A symbolic link is kept
    as well: the file that it points to is replaced.

    Raises:
        FileExistsError: `path` is a folder, a device or a pipe.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "new", "digits.txt")
        ...     with open_atomically(path) as file:
        ...         written = file.write(b"0123456789")
        ...     path.read_bytes()
        b'0123456789'
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise FileExistsError(f"{path} is there already, and is not a regular file")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Nobody can guess the name, and "x" opens only what it creates: neither another
    # process (numbers of processes repeat in containers) nor a planted link interferes.
    temporary = target.with_name(f".snnl-{secrets.token_hex(8)}.tmp")
    with named_errors(path, hidden=str(temporary)):
        file = temporary.open("xb")
        try:
            with suppress(FileNotFoundError):  # a new file has the default permissions
                shutil.copymode(target, temporary)
            remove_abandoned(temporary)
            yield file
            file.flush()
            os.fsync(file.fileno())
            file.close()
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):  # a second error would hide the first
                file.close()
            with suppress(OSError):
                temporary.unlink()
            raise


@contextmanager
def named_errors(
    path: str | os.PathLike[str], hidden: str | None = None
) -> Iterator[None]:
    """Put `path` in system errors that name no file, as on a full disk, or `hidden`."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename in (None, hidden):
            error.filename = os.fspath(path)
        raise


def remove_abandoned(temporary: Path) -> None:
    """Remove the temporary files beside this one that nobody has written to for a day.

    The times compared are both from the file system, whose clock may differ from ours.
    """
    now = temporary.stat().st_mtime
    for other in temporary.parent.glob(".snnl-*.tmp"):
        with suppress(OSError):  # another process may have been faster
            if now - other.lstat().st_mtime > ABANDONED_SECONDS:
                other.unlink()


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write or replace a file in one step, as `open_atomically` does."""
    with open_atomically(path) as file:
        file.write(content)


def read_at_most(path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Nothing is read of a longer file, and a pipe or a device is not even opened: to read
    it could take forever.

    Raises:
        ValueError: the file is longer.
        OSError: it is missing, not a regular file, or cannot be read.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise OSError(f"{path} is not a regular file")
    if state.st_size > limit:
        raise ValueError(f"{state.st_size} bytes, expected at most {limit}")
    with path.open("rb") as file:
        return file.read(limit + 1)
