"""Where the shipped data is, and how every file of the project is written."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def data_folder() -> Path:
    """Return the folder of the shipped data, in an installed package or in a clone."""
    package = Path(__file__).parent
    installed, clone = package / "data", package.parent / "data"
    return installed if (installed / "registry.json").is_file() else clone


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends without an error.

    Whoever reads `path` finds the old content or the new, never a part of it. The
    temporary file is in the same folder, which is created if needed, and is removed
    after an error. The permissions of an existing file are kept.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "new", "digits.txt")
        ...     with open_atomically(path) as file:
        ...         written = file.write(b"0123456789")
        ...     path.read_bytes()
        b'0123456789'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        with suppress(FileNotFoundError):  # a new file gets the default permissions
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write or replace a file in one step, as `open_atomically` does."""
    with open_atomically(path) as file:
        file.write(content)
