"""Sweeps: many runs from one file, checked first, run in parallel, and resumable."""

import json
import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from snnl_tutorial.runs.chapters import (
    Chapter,
    fill_defaults,
    find_chapter,
    read_chapter,
)
from snnl_tutorial.runs.locks import lock_run, remove_leftovers
from snnl_tutorial.runs.messages import brief
from snnl_tutorial.runs.parameters import Value
from snnl_tutorial.runs.records import find_record
from snnl_tutorial.runs.runs import run_locked, run_name

KEYS = ("chapter", "parameters", "grid")
MOST_RUNS = 10_000
"""Runs of one sweep."""
MOST_VALUES = 100_000
"""Values of a sweep's file, with every alias written out."""


class Run(NamedTuple):
    """A chapter and the values of all its parameters."""

    name: str
    chapter: Chapter
    values: dict[str, Value]


def read_sweep(
    path: Path | str, overrides: Mapping[str, Value] | None = None
) -> list[Run]:
    """Read a sweep from a YAML file, and check all of it.

    The file has a `chapter` (one or a list), the `parameters` that all runs share, and
    a `grid` of lists of values, of which every combination is run. Several such blocks
    can be listed under `runs`. Paths are relative to the file.

        chapter: 5
        parameters: {epochs: 4}
        grid:
          factor: [0.0, 0.5]
          seed: [0, 1, 2]

    Args:
        path: the YAML file.
        overrides: values that replace those of the file in every run.

    Returns:
        The runs, without repetitions.

    Raises:
        ValueError, TypeError: the first error in the file.
        OSError: the file cannot be read.
    """
    import yaml

    path = Path(path)
    text = path.read_bytes()
    try:
        blocks = list_blocks(load_yaml(text.decode()))
        count = sum(count_runs(block) for block in blocks)
        if count > MOST_RUNS:
            raise ValueError(
                f"a sweep must have at most {MOST_RUNS:,} runs; this has {count:,}"
            )
        runs = [
            run
            for block in blocks
            for run in read_block(block, path.parent, overrides or {})
        ]
        return unique_runs(runs)
    except TypeError as error:
        raise TypeError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ValueError(f"{path}: it is nested too deeply") from error
    except (FileNotFoundError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from error


def load_yaml(text: str) -> Any:
    """Read YAML in which no key is written twice, and no alias grows without end."""
    import yaml

    root = yaml.compose(text, yaml.SafeLoader)
    nodes, count = [root] if root else [], 0
    while nodes:  # comes to a node as often as its aliases do
        node = nodes.pop()
        count += 1
        if count > MOST_VALUES:
            raise ValueError(f"it must have at most {MOST_VALUES:,} values")
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    line = key.start_mark.line + 1
                    raise ValueError(f"{brief(key.value)} is given twice (line {line})")
                seen.add(str(key.value))
            nodes += [child for pair in node.value for child in pair]
    return yaml.safe_load(text)


def list_blocks(content: Any) -> list[Any]:
    """Return the blocks under `runs`, or the whole content as the only block."""
    if not isinstance(content, dict):
        raise ValueError(f"it must have the keys {', '.join(KEYS)}")
    blocks = content["runs"] if set(content) == {"runs"} else [content]
    if not isinstance(blocks, list) or not blocks:
        raise ValueError("runs must be a list of blocks")
    return blocks


def count_runs(block: Any) -> int:
    """Check one block but for its values; return how many runs it asks for."""
    if not isinstance(block, dict) or not set(block) <= set(KEYS):
        raise ValueError(
            f"a block must have the keys {', '.join(KEYS)}; got {brief(block)}"
        )
    names = list_chapters(block)
    if not names or not all(isinstance(name, int | str) for name in names):
        raise ValueError(
            f"a block must have a chapter or a list of them; got {brief(block)}"
        )
    grid = block.get("grid") or {}
    check_settings(block.get("parameters") or {}, grid)
    return len(names) * math.prod(len(values) for values in grid.values())


def list_chapters(block: Mapping[str, Any]) -> list[Any]:
    """Return the chapters of a block, of which there may be only one."""
    names = block.get("chapter")
    return names if isinstance(names, list) else [names]


def read_block(
    block: Mapping[str, Any], folder: Path, overrides: Mapping[str, Value]
) -> Iterator[Run]:
    """Yield every run of one block."""
    fixed, grid = block.get("parameters") or {}, block.get("grid") or {}
    for name in list_chapters(block):
        is_path = str(name).endswith(".ipynb")
        chapter = read_chapter(find_chapter(folder / name if is_path else name))
        for values in product(*grid.values()):
            given = {**fixed, **dict(zip(grid, values, strict=True)), **overrides}
            run_values = fill_defaults(chapter, given)
            yield Run(run_name(chapter, run_values), chapter, run_values)


def check_settings(fixed: Any, grid: Any) -> None:
    """Raise unless both are dictionaries, and the grid holds lists of values."""
    for name, settings in (("parameters", fixed), ("grid", grid)):
        if not isinstance(settings, Mapping):
            raise ValueError(f"{name} must map names to values; got {brief(settings)}")
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(
                f"grid: {name!r} must have a list of values; got {brief(values)}"
            )
        if name in fixed:
            raise ValueError(f"{name!r} must be in parameters or in grid, not in both")


def unique_runs(runs: Iterable[Run]) -> list[Run]:
    """Return each run once; raise if two notebooks would share a name."""
    by_name: dict[str, Run] = {}
    for run in runs:
        known = by_name.setdefault(run.name, run)
        if known.chapter.path != run.chapter.path:
            raise ValueError(
                f"{known.chapter.path} and {run.chapter.path} must have different names"
            )
    return list(by_name.values())


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
    except (OSError, ValueError):
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
