"""One run of a chapter: the executed notebook, and a record of how it came about.

While it runs, and if it fails or is interrupted, the notebook is `NAME.partial.ipynb`.
A run that is done has `NAME.ipynb` and `NAME.json`.
"""

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from snnl_tutorial.runs import environment
from snnl_tutorial.runs.chapters import Chapter, Value, complete
from snnl_tutorial.runs.records import glued, write_record

LONGEST_NAME = 120


def run_chapter(
    chapter: Chapter,
    parameters: Mapping[str, Any],
    folder: Path | str = "runs",
    progress: bool = False,
) -> dict[str, Any]:
    """Execute a chapter with other parameters, and record what came out.

    It replaces an earlier run of the same name, at the end. It runs where the chapter
    lies, as in Jupyter.

    Args:
        chapter: from `read_chapter`.
        parameters: those that differ from the chapter's own, by name.
        folder: where to write; made if it is not there.
        progress: whether to show a bar.

    Returns:
        The record, as it is written to `NAME.json`. Its status is `"done"`, or
        `"failed"` with a cause: what a chapter does wrong is not raised.

    Raises:
        ValueError, TypeError: a parameter, as in `complete`.

    Example:
        >>> record = run_chapter(read_chapter(5), {"factor": 0.1})  # doctest: +SKIP
        >>> record["run"], record["status"]  # doctest: +SKIP
        ('05_layer_sum-factor=0.1', 'done')
    """
    values = complete(chapter, parameters)
    name = run_name(chapter, values)
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    finished, partial = folder / f"{name}.ipynb", folder / f"{name}.partial.ipynb"
    partial.unlink(missing_ok=True)
    started, clock = datetime.now(UTC), time.perf_counter()
    cause = execute(chapter, changed(chapter, values), partial, progress)
    record = {
        "run": name,
        "status": "failed" if cause else "done",
        "cause": cause,
        "chapter": chapter.path.stem,
        "sources": chapter.sources,
        "parameters": values,
        "metrics": glued(partial),
        "versions": surroundings.versions("torch", "numpy", "scikit-learn"),
        "device": surroundings.device_name(str(values.get("device", "cpu"))),
        "commit": surroundings.commit(chapter.path),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 1),
    }
    if cause:
        finished.unlink(missing_ok=True)
    else:
        os.replace(partial, finished)
    write_record(folder, record)
    return record


def execute(
    chapter: Chapter, changes: Mapping[str, Value], output: Path, progress: bool
) -> str | None:
    """Execute the notebook; return None, or in one line why it did not end well."""
    import papermill
    from jupyter_client.manager import AsyncKernelManager
    from papermill.exceptions import PapermillExecutionError

    class QuietKernelManager(AsyncKernelManager):
        """Drops the kernel's own chatter; what a cell writes comes as its output."""

        async def start_kernel(self, **kw: Any) -> None:  # type: ignore[override]
            await super().start_kernel(**kw, stderr=subprocess.DEVNULL)

    try:
        papermill.execute_notebook(
            chapter.path,
            output,
            changes,
            progress_bar=progress,
            # Unlike papermill's cwd, this also holds when several run in threads.
            resources={"metadata": {"path": str(chapter.path.parent)}},
            kernel_manager_class=QuietKernelManager,
        )
    except PapermillExecutionError as error:
        cause = f"{error.ename}: {error.evalue}"
    except Exception as error:  # the kernel is gone, or was never there
        cause = f"{type(error).__name__}: {error}"
    else:
        return None
    return " ".join(f"{cause} (in cell [{last_cell(output)}])".split())


def last_cell(path: Path) -> int:
    """Return the number of the last cell of code that was begun; 0 if there is none."""
    import nbformat

    if not path.exists():
        return 0
    return sum(
        cell.cell_type == "code" and bool(cell.metadata.papermill.start_time)
        for cell in nbformat.read(path, as_version=4).cells
    )


def changed(chapter: Chapter, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values that differ from the chapter's own, in alphabetical order."""
    return {
        name: values[name]
        for name in sorted(values)
        if values[name] != chapter.parameters[name].default
    }


def run_name(chapter: Chapter, values: Mapping[str, Value]) -> str:
    """Name a run after the chapter and the parameters that differ from its own.

    The name is safe as the name of a file. Where that costs a character, or the name
    is too long, the beginning of a hash tells it from others.

    Example:
        >>> from snnl_tutorial.runs.chapters import read_chapter
        >>> chapter = read_chapter(5)
        >>> run_name(chapter, complete(chapter, {"seed": 3, "factor": 0.1}))
        '05_layer_sum-factor=0.1-seed=3'
    """
    parts = [f"{key}={value}" for key, value in changed(chapter, values).items()]
    full = "-".join([chapter.path.stem, *parts])
    safe = re.sub(r"[^\w.+=-]", "_", full, flags=re.ASCII)
    if safe == full and len(full) <= LONGEST_NAME and full.count("=") == len(parts):
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:8]
    return f"{safe[:LONGEST_NAME]}-{digest}"
