"""Sweeps: many runs, in parallel, resumable, and shared by all who work on them."""

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snnl_tutorial.runs.locks import lock_run, remove_leftovers
from snnl_tutorial.runs.plans import Run, read_sweep
from snnl_tutorial.runs.records import find_record
from snnl_tutorial.runs.runs import run_locked

__all__ = ["Run", "is_done", "read_sweep", "run_sweep"]


def is_done(run: Run, folder: Path) -> bool:
    """Return whether the same code ran to its end with the same values."""
    record = find_record(folder, run.name)
    return (
        record is not None
        and record["status"] == "done"
        and record["parameters"] == run.values
        and record.get("sources") == run.chapter.sources
        and is_whole(folder / f"{run.name}.ipynb")
    )


def is_whole(path: Path) -> bool:
    """Return whether a notebook is there, and not cut off."""
    try:
        json.loads(path.read_bytes())
    except (OSError, RecursionError, ValueError):
        return False
    return True


def run_sweep(
    runs: Iterable[Run],
    folder: Path | str = "runs",
    jobs: int = 1,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Execute all runs that are not done yet. A failed run does not stop the others.

    Several sweeps can share a folder, and so the work: no run is executed by two at
    once, and each sweep ends when all of its runs have ended.

    Each notebook runs in its own kernel process, so the jobs here are only threads.
    Other joblib backends run them on several machines that share a file system:

        from dask.distributed import Client
        with Client("scheduler:8786"), joblib.parallel_config("dask"):
            run_sweep(read_sweep("sweep.yaml"))

    Args:
        runs: from `read_sweep`.
        folder: output folder, in which finished runs are found, too.
        jobs: number of runs at the same time.
        progress: whether to show a progress bar.

    Returns:
        The records of the runs that were executed, in the order in which they ended.
    """
    import joblib
    from joblib.parallel import get_active_backend
    from tqdm import tqdm

    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    backend, _ = get_active_backend(prefer="threads")
    one_by_one = backend.supports_return_generator  # Ray's returns all at the end
    parallel = joblib.Parallel(
        n_jobs=jobs,
        prefer="threads",
        return_as="generator_unordered" if one_by_one else "list",
    )
    records: list[dict[str, Any]] = []
    remaining = [run for run in runs if not is_done(run, folder)]
    for wait in (False, True):  # at last for what another sweep has in its hands
        ended = parallel(
            joblib.delayed(run_one)(run, folder, wait) for run in remaining
        )
        bar = tqdm(ended, total=len(remaining), unit="run", disable=not progress)
        records += [record for record in bar if record]
        names = {record["run"] for record in records}
        remaining = [run for run in remaining if run.name not in names]
        remaining = [run for run in remaining if not is_done(run, folder)]
        if not remaining:
            break
    return records


def run_one(run: Run, folder: Path, wait: bool) -> dict[str, Any] | None:
    """Execute a run on one CPU thread, unless OMP_NUM_THREADS says otherwise.

    Returns:
        The record. None if another sweep has done the run or, unless we `wait`, is
        at it.
    """
    from jupyter_core.utils import ensure_event_loop

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # inherited by the kernel
    try:
        with lock_run(folder, run.name, wait) as ours:
            if not ours or is_done(run, folder):
                return None
            return run_locked(run.chapter, run.values, run.name, folder)
    except Exception as error:  # outside the chapter, such as a full disk
        cause = f"{type(error).__name__}: {error}"
        return {"run": run.name, "status": "failed", "cause": cause}
    finally:
        if threading.current_thread() is not threading.main_thread():
            ensure_event_loop().close()  # opened for the kernel's messages
