"""One lock for each run, so that sweeps of one folder share the work.

`NAME.running` is locked while a run is executed, and removed when it has ended. The
system frees the lock of a process that was killed; its file then tells what it left.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snnl_tutorial.runs.records import find_record

ENDING = ".running"


@contextmanager
def lock_run(folder: Path, name: str, wait: bool = False) -> Iterator[bool]:
    """Hold the lock of a run.

    Args:
        folder: output folder; it must exist.
        name: the run's name.
        wait: whether to wait for another holder.

    Yields:
        Whether the lock is ours. Without `wait` another process or thread may hold it.
    """
    from filelock import FileLock, Timeout

    path = folder / f"{name}{ENDING}"
    lock = FileLock(path)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        # While it is ours, so that nobody removes another's lock. Who has opened the
        # file already finds it gone and starts anew: filelock sees to that.
        path.unlink(missing_ok=True)
        lock.release()


def remove_leftovers(folder: Path) -> None:
    """Remove what is left of runs whose process was killed, not of those at work."""
    for path in folder.glob(f"*{ENDING}"):
        name = path.name.removesuffix(ENDING)
        with lock_run(folder, name) as ours:
            if not ours:
                continue
            left = [folder / f"{name}.kernel"]
            record = find_record(folder, name)
            if not record or record["status"] != "failed":  # else it is to be looked at
                left.append(folder / f"{name}.partial.ipynb")
            for file in left:
                file.unlink(missing_ok=True)
