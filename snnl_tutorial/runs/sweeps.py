"""Many runs from one file: checked whole, run side by side, gone on with later."""

import os
import threading
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from snnl_tutorial.runs.chapters import (
    Chapter,
    Value,
    complete,
    find_chapter,
    read_chapter,
)
from snnl_tutorial.runs.records import read_record
from snnl_tutorial.runs.runs import run_chapter, run_name

KEYS = ("chapter", "parameters", "grid")


class Run(NamedTuple):
    """A chapter and the values of all its parameters."""

    name: str
    chapter: Chapter
    values: dict[str, Value]


def read_sweep(
    path: Path | str, everywhere: Mapping[str, Value] | None = None
) -> list[Run]:
    """Read a sweep from a YAML file, and check all of it.

    The file has a `chapter` (one or a list), the `parameters` that are the same in all
    runs, and a `grid`: lists of values, of which every combination is run. Under
    `runs`, it can have a list of such blocks instead. A path is meant from the file's
    folder.

        chapter: 5
        parameters: {epochs: 4}
        grid:
          factor: [0.0, 0.5]
          seed: [0, 1, 2]

    Args:
        path: of the file.
        everywhere: parameters of all its runs, over what the file says.

    Returns:
        The runs, each once.

    Raises:
        ValueError, TypeError: whatever is wrong in it, before anything is run.
        OSError: the file cannot be read.
    """
    import yaml

    path = Path(path)
    written = path.read_bytes()
    try:
        content = yaml.safe_load(written.decode())
        if not isinstance(content, dict):
            raise ValueError("it must have the keys chapter, parameters, grid")
        blocks = content["runs"] if set(content) == {"runs"} else [content]
        if not isinstance(blocks, list) or not blocks:
            raise ValueError("runs must be a list of blocks")
        planned = [
            run
            for block in blocks
            for run in read_block(block, path.parent, everywhere or {})
        ]
        return without_repeats(planned)
    except TypeError as error:
        raise TypeError(f"{path}: {error}") from error
    except (FileNotFoundError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from error


def read_block(
    block: Any, folder: Path, everywhere: Mapping[str, Value]
) -> Iterable[Run]:
    """Give every run of one block of the file."""
    if not isinstance(block, dict) or not set(block) <= set(KEYS):
        raise ValueError(f"a block must have the keys {', '.join(KEYS)}; got {block}")
    if block.get("chapter") in (None, []):
        raise ValueError(f"a block must have a chapter; got {block}")
    fixed, grid = block.get("parameters") or {}, block.get("grid") or {}
    check_settings(fixed, grid)
    names = block["chapter"]
    for name in names if isinstance(names, list) else [names]:
        is_path = str(name).endswith(".ipynb")
        chapter = read_chapter(find_chapter(folder / name if is_path else name))
        for values in product(*grid.values()):
            given = fixed | dict(zip(grid, values, strict=True))
            settled = complete(chapter, given | dict(everywhere))
            yield Run(run_name(chapter, settled), chapter, settled)


def check_settings(fixed: Any, grid: Any) -> None:
    """Raise unless these are dictionaries, and the grid holds lists of values."""
    for name, settings in (("parameters", fixed), ("grid", grid)):
        if not isinstance(settings, Mapping):
            raise ValueError(f"{name} must be names with values; got {settings!r}")
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(
                f"grid: {name!r} must have a list of values; got {values!r}"
            )
        if name in fixed:
            raise ValueError(f"{name!r} must be in parameters or in grid, not in both")


def without_repeats(planned: Iterable[Run]) -> list[Run]:
    """Return each run once; raise if two different runs have the same name."""
    runs: dict[str, Run] = {}
    for run in planned:
        known = runs.setdefault(run.name, run)
        if known.chapter.path != run.chapter.path:
            raise ValueError(
                f"{known.chapter.path} and {run.chapter.path} must have different names"
            )
    return list(runs.values())


def is_done(run: Run, folder: Path) -> bool:
    """Whether the same code has run with the same parameters, to its end."""
    record = read_record(folder / f"{run.name}.json")
    return (
        record is not None
        and record["status"] == "done"
        and record["parameters"] == run.values
        and record.get("sources") == run.chapter.sources
        and (folder / f"{run.name}.ipynb").is_file()
    )


def run_sweep(
    runs: Iterable[Run],
    folder: Path | str = "runs",
    jobs: int = 1,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Run what is not done yet. A run that fails does not stop the others.

    Each notebook has a process of its own, so the jobs here are only threads. A
    backend of joblib carries them elsewhere, to machines that see the same files:

        from dask.distributed import Client
        with Client("scheduler:8786"), joblib.parallel_config("dask"):
            run_sweep(read_sweep("sweep.yaml"))

    Args:
        runs: from `read_sweep`.
        folder: where to write, and where to look for what is done.
        jobs: how many run at the same time.
        progress: whether to show a bar.

    Returns:
        The records of the runs that were run now, in the order in which they ended.
    """
    import joblib
    from joblib.parallel import get_active_backend
    from tqdm import tqdm

    folder = Path(folder).resolve()
    remaining = [run for run in runs if not is_done(run, folder)]
    backend, _ = get_active_backend(prefer="threads")
    one_by_one = backend.supports_return_generator  # Ray's gives all at the end
    parallel = joblib.Parallel(
        n_jobs=jobs,
        prefer="threads",
        return_as="generator_unordered" if one_by_one else "list",
    )
    records = parallel(joblib.delayed(run_one)(run, folder) for run in remaining)
    return list(tqdm(records, total=len(remaining), unit="run", disable=not progress))


def run_one(run: Run, folder: Path) -> dict[str, Any]:
    """Run a chapter on one thread of the CPU, unless the user has said how many."""
    from jupyter_core.utils import ensure_event_loop

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # its kernel inherits this
    try:
        return run_chapter(run.chapter, run.values, folder)
    except Exception as error:  # not of the chapter's: a full disk, say
        cause = f"{type(error).__name__}: {error}"
        return {"run": run.name, "status": "failed", "cause": cause}
    finally:
        if threading.current_thread() is not threading.main_thread():
            ensure_event_loop().close()  # the one that talked to the kernel
