"""One run of a chapter: the executed notebook, and a record of how it came about.

The notebook is `NAME.partial.ipynb` while it runs, and stays so if the run fails or is
interrupted. A run that is done has `NAME.ipynb` and `NAME.json`. While it is at work
there are also `NAME.running`, its lock, and `NAME.kernel`, how to reach its kernel.
"""

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnl_tutorial.runs import environment
from snnl_tutorial.runs.chapters import (
    Chapter,
    chapter_paths,
    fill_defaults,
    non_defaults,
)
from snnl_tutorial.runs.locks import lock_run, remove_leftovers
from snnl_tutorial.runs.messages import one_line
from snnl_tutorial.runs.parameters import Value
from snnl_tutorial.runs.records import read_glued, write_record

if TYPE_CHECKING:
    from nbformat import NotebookNode

LONGEST_NAME = 40
"""Characters of a run's name before the hash."""


def run_chapter(
    chapter: Chapter,
    parameters: Mapping[str, Any],
    folder: Path | str = "runs",
    progress: bool = False,
) -> dict[str, Any]:
    """Execute a chapter with the given parameters, and record the results.

    The working directory is the chapter's folder, as in Jupyter. An earlier run of the
    same name is replaced when this one ends.

    Args:
        chapter: from `read_chapter`.
        parameters: values by name; the others keep their defaults.
        folder: output folder; created if needed.
        progress: whether to show a progress bar.

    Returns:
        The record, as written to `NAME.json`. Its status is `"done"`, or `"failed"`
        with a cause: an error in the chapter is recorded, not raised.

    Raises:
        ValueError, TypeError: a wrong parameter, as in `fill_defaults`.
        BlockingIOError: another process or thread is at this very run.

    Example:
        >>> record = run_chapter(read_chapter(5), {"factor": 0.1})  # doctest: +SKIP
        >>> record["run"], record["status"]  # doctest: +SKIP
        ('05-factor=0.1', 'done')
    """
    values = fill_defaults(chapter, parameters)
    name = run_name(chapter, values)
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    with lock_run(folder, name) as ours:
        if not ours:
            raise BlockingIOError(f"{folder / name} is being run by somebody else")
        return run_locked(chapter, values, name, folder, progress)


def run_locked(
    chapter: Chapter,
    values: Mapping[str, Value],
    name: str,
    folder: Path,
    progress: bool = False,
) -> dict[str, Any]:
    """Do what `run_chapter` does, for a caller who holds the lock of the run."""
    finished, partial = folder / f"{name}.ipynb", folder / f"{name}.partial.ipynb"
    partial.unlink(missing_ok=True)
    started, clock = datetime.now(UTC), time.perf_counter()
    error = execute(
        chapter,
        non_defaults(chapter, values),
        partial,
        folder / f"{name}.kernel",
        progress,
    )
    notebook, damage = read_notebook(partial)
    error = error or damage  # the first one: a full disk also damages the notebook
    cell = last_started_cell(notebook) if notebook else 0
    record = {
        "run": name,
        "status": "failed" if error else "done",
        "cause": one_line(f"{error} (in cell [{cell}])") if error else None,
        "chapter": chapter.path.stem,
        "sources": chapter.sources,
        "parameters": dict(values),
        "metrics": read_glued(notebook) if notebook else {},
        "versions": environment.versions("torch", "numpy", "scikit-learn"),
        "device": environment.device_name(str(values.get("device", "cpu"))),
        "commit": environment.commit(chapter.path),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 1),
    }
    if error:
        finished.unlink(missing_ok=True)
    else:
        os.replace(partial, finished)
    write_record(folder, record)
    return record


def execute(
    chapter: Chapter,
    parameters: Mapping[str, Value],
    output: Path,
    connection: Path,
    progress: bool,
) -> str | None:
    """Execute the notebook; return None, or the cause of the failure.

    Args:
        chapter: from `read_chapter`.
        parameters: those to inject.
        output: where to write the executed notebook.
        connection: where the kernel writes how it can be reached.
        progress: whether to show a progress bar.
    """
    import papermill
    from jupyter_client.manager import AsyncKernelManager
    from papermill.exceptions import PapermillExecutionError
    from traitlets import Unicode

    class QuietKernelManager(AsyncKernelManager):
        """Discards the kernel's own messages; the output of cells is not affected."""

        connection_file = Unicode(str(connection))

        async def start_kernel(self, **kw: Any) -> None:  # type: ignore[override]
            await super().start_kernel(**kw, stderr=subprocess.DEVNULL)

    def literal(path: Path) -> str:
        """Double the braces: papermill formats paths with the parameters."""
        return str(path).replace("{", "{{").replace("}", "}}")

    try:
        papermill.execute_notebook(
            literal(chapter.path),
            literal(output),
            parameters,
            progress_bar=progress,
            # The kernel's folder. Papermill's cwd would move this whole process.
            resources={"metadata": {"path": str(chapter.path.parent)}},
            kernel_manager_class=QuietKernelManager,
        )
    except PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}"
    except Exception as error:  # the kernel died, or could not start; the disk is full
        return f"{type(error).__name__}: {error}"
    return None


def read_notebook(path: Path) -> tuple["NotebookNode | None", str | None]:
    """Return the notebook in a file, or else why there is none."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4), None
    except Exception as error:  # nbformat's are many, for a notebook that is cut off
        return None, f"{type(error).__name__}: {error}"


def last_started_cell(notebook: "NotebookNode") -> int:
    """Return the number of the last code cell that started; 0 if none did."""
    return sum(
        cell.cell_type == "code" and bool(cell.metadata.papermill.start_time)
        for cell in notebook.cells
    )


def run_name(chapter: Chapter, values: Mapping[str, Value]) -> str:
    """Name a run by its chapter and as many non-default values as fit.

    A chapter of the book is named by its number, another notebook by its file. Names
    are safe as file names. If a value is left out or a character is replaced, the name
    ends in the first eight digits of a hash of all values.

    Example:
        >>> from snnl_tutorial.runs.chapters import read_chapter
        >>> chapter = read_chapter(8)
        >>> run_name(chapter, {"seed": 3, "factor": 0.1})
        '08-seed=3-factor=0.1'
        >>> run_name(chapter, {"seed": 3, "dataset": "emnist-47", "learning_rate": 0.1})
        '08-seed=3-dataset=emnist-47-c8854f4f'
    """
    stem = chapter.path.stem
    first = stem[:2] if chapter.path in chapter_paths() else stem
    settings = [
        f"{key}={value}" for key, value in non_defaults(chapter, values).items()
    ]
    parts = [first, *settings]
    full = "-".join(parts)
    while len("-".join(parts)) > LONGEST_NAME and len(parts) > 1:
        parts.pop()
    name = re.sub(r"[^\w.+=-]", "_", "-".join(parts)[:LONGEST_NAME], flags=re.ASCII)
    if name == full and full.count("=") == len(settings):
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:8]
    return f"{name}-{digest}"
