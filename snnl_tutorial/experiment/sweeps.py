"""Many runs: a grid of parameters, gone through in parallel and resumable."""

import json
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from tqdm import tqdm

from snnl_tutorial.experiment.chapters import checked, find_chapter
from snnl_tutorial.experiment.runs import run, run_name, sources_hash

Planned = tuple[Path, dict[str, Any]]


def plan(file: Path) -> list[Planned]:
    """All runs that a sweep file asks for, with their parameters checked.

    The file is a mapping, or a list of them under "runs", with the keys

    - "chapter": a number, name or path (from the file's folder);
    - "parameters": {name: value}, the same in all runs;
    - "grid": {name: [values]}, every combination of which is a run.

    Args:
        file: YAML.

    Raises:
        ValueError: the file is no such thing, or a parameter does not fit its chapter.
        FileNotFoundError: the file or a chapter is not there.
    """
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(
            f"{file} is no YAML: {' '.join(str(error).split())}"
        ) from error
    blocks = content.get("runs", [content]) if isinstance(content, dict) else None
    if not isinstance(blocks, list) or not blocks:
        raise ValueError(
            f"{file} must hold a mapping with a chapter, or a list of runs"
        )
    found = [planned for block in blocks for planned in plan_block(file, block)]
    names: dict[str, Planned] = {}
    for path, values in found:
        names.setdefault(run_name(path, values), (path, values))
    return list(names.values())  # one that is asked for twice is run once


def plan_block(file: Path, block: Any) -> Iterator[Planned]:
    """The runs of one mapping."""
    if not isinstance(block, dict) or "chapter" not in block:
        raise ValueError(f"{file}: each run must be a mapping with a chapter")
    unknown = set(block) - {"chapter", "parameters", "grid"}
    if unknown:
        names = ", ".join(sorted(map(str, unknown)))
        raise ValueError(
            f"{file}: unknown {names}; a run has chapter, parameters and grid"
        )
    fixed, grid = block.get("parameters") or {}, block.get("grid") or {}
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"{file}: grid: {name} must be a list; got {values!r}")
    chapter = str(block["chapter"])
    beside = file.parent / chapter
    path = find_chapter(str(beside) if beside.is_file() else chapter)
    for choice in product(*grid.values()):
        values = {**fixed, **dict(zip(grid, choice, strict=True))}
        yield path, checked(path, values)


def is_done(path: Path, values: dict[str, Any], folder: Path) -> bool:
    """Whether the folder holds this run: same parameters, same code, finished."""
    try:
        text = (folder / f"{run_name(path, values)}.json").read_text(encoding="utf-8")
        record = json.loads(text)
    except (OSError, ValueError):
        return False
    same = record.get("parameters") == values
    same = same and record.get("sources") == sources_hash(path)
    return bool(same and record.get("status") == "done")


def sweep(file: Path, folder: Path, jobs: int = 1) -> list[dict[str, Any]]:
    """Go through a sweep file, leaving out what the folder holds already.

    A run that fails does not stop the others. What was interrupted is run anew.

    Args:
        file: see `plan`.
        folder: for the notebooks and records.
        jobs: how many at a time. They are handed to joblib, so that
            `joblib.parallel_config(backend="dask")` or `"ray"` spreads them over
            machines.

    Returns:
        The records of the runs made now.
    """
    from joblib import Parallel, delayed

    waiting = [planned for planned in plan(file) if not is_done(*planned, folder)]
    pool = Parallel(n_jobs=jobs, return_as="generator_unordered")
    runs = pool(delayed(run_quietly)(*planned, folder) for planned in waiting)
    return list(tqdm(runs, desc=file.stem, total=len(waiting), unit="run"))


def run_quietly(path: Path, values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One run, without a progress bar and with one thread, for others run beside it."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    return run(path, values, folder, bar=False)
