"""One run: a chapter, executed with parameters, and the record of it."""

import ast
import hashlib
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from snnl_tutorial.experiment.chapters import Value, checked, parameters, read_notebook
from snnl_tutorial.experiment.datasets import data_folder


def run_name(path: Path, values: Mapping[str, Value]) -> str:
    """A name of the run for its files: the chapter, and what is not as usual.

    Example:
        >>> from snnl_tutorial.experiment.chapters import find_chapter
        >>> path = find_chapter("5")
        >>> run_name(path, checked(path, {"seed": 3, "factor": 0.1}))
        '05_layer_sum-factor=0.1-seed=3'
    """
    usual = parameters(path)
    changed = sorted(k for k, value in values.items() if value != usual[k].default)
    name = "-".join([path.stem, *(f"{k}={values[k]}" for k in changed)])
    safe = re.sub(r"[^\w=.,+-]+", "_", name)
    if safe != name or len(safe) > 120:
        safe = f"{safe[:100]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return safe


def run(path: Path, given: Mapping[str, Any], folder: Path, bar: bool = True) -> dict:
    """Execute a chapter, and store the notebook and the record of it.

    Writes NAME.ipynb and NAME.json to the folder; after a failure NAME.failed.ipynb in
    place of the former, as far as it got.

    Args:
        path: of the chapter.
        given: parameters that are not to be as usual.
        folder: where to write.
        bar: whether to show the progress over the cells.

    Returns:
        The record: "status" is `"done"` or `"failed"`, then "cause" tells why in a
        line; "parameters", "metrics" (what the chapter glued), and so on.

    Raises:
        ValueError: see `checked`.
    """
    import papermill

    values = checked(path, given)
    name = run_name(path, values)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{name}.failed.ipynb"
    (folder / f"{name}.json").unlink(missing_ok=True)  # of an earlier run
    started, clock = datetime.now(UTC), time.perf_counter()
    cause = None
    try:
        papermill.execute_notebook(
            *(path, unfinished, values),
            **{"progress_bar": bar, "kernel_name": "python3", "cwd": str(folder)},
        )
    except papermill.PapermillExecutionError as error:
        cause = f"cell {error.cell_index}: {error.ename}: {error.evalue}"
    except (OSError, RuntimeError) as error:  # the kernel died, or the disk is full
        cause = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - clock
    if cause is None:
        unfinished.replace(folder / f"{name}.ipynb")
        unfinished = folder / f"{name}.ipynb"
    record = {
        "name": name,
        "status": "done" if cause is None else "failed",
        "cause": None if cause is None else " ".join(cause.split()),
        "chapter": path.stem,
        "sources": sources_hash(path),
        "parameters": values,
        "metrics": glued(unfinished) if unfinished.exists() else {},
        "device": device_name(str(values.get("device", "cpu"))),
        "versions": versions(),
        "commit": commit(),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
    }
    write_record(folder / f"{name}.json", record)
    return record


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write it whole or not at all."""
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    unfinished.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


def glued(path: Path) -> dict[str, Value]:
    """What `notebook.glue` stored in an executed notebook, by name."""
    found = {}
    for cell in read_notebook(path):
        for output in cell.get("outputs", []):
            stored = output.get("metadata", {}).get("scrapbook", {})
            if "name" in stored:
                text = "".join(output["data"]["text/plain"])
                found[stored["name"]] = ast.literal_eval(text)
    return found


def sources_hash(path: Path) -> str:
    """Tells whether a chapter's code has changed since."""
    code = [c["source"] for c in read_notebook(path) if c["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    from importlib.metadata import version

    names = ("torch", "numpy", "scikit-learn", "snnl-tutorial")
    return {"python": platform.python_version()} | {n: version(n) for n in names}


def device_name(device: str) -> str:
    """What the device is called, such as the model of a GPU."""
    import torch

    if torch.device(device).type == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_name(device)
    return device


def commit() -> str | None:
    """Of the clone that the package lies in, if it does."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=data_folder(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
