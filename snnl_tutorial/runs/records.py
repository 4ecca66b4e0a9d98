"""Records of runs: write them, read them, and summarize them in a table."""

import ast
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from snnl_tutorial.files import write_atomically
from snnl_tutorial.runs.messages import brief

if TYPE_CHECKING:
    import pandas as pd
    from nbformat import NotebookNode

KEYS = {"run", "status", "chapter", "parameters", "metrics"}
"""A JSON file with at least these keys is a record."""


def read_glued(notebook: "NotebookNode") -> dict[str, Any]:
    """Return the values that a notebook stored with `notebook.glue`."""
    metrics = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            stored = output.get("metadata", {}).get("scrapbook")
            if stored:
                with suppress(SyntaxError, ValueError):  # a figure, not a value
                    metrics[stored["name"]] = read_value(output.data["text/plain"])
    return metrics


def read_value(text: str) -> Any:
    """Invert `repr` for a number or a text.

    Example:
        >>> read_value("0.5"), read_value("'mnist'"), read_value("nan")
        (0.5, 'mnist', nan)
    """
    return float(text) if text in ("nan", "inf", "-inf") else ast.literal_eval(text)


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write a run's record to `NAME.json`."""
    path = folder / f"{record['run']}.json"
    write_atomically(path, (json.dumps(record, indent=2) + "\n").encode())


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the record in a JSON file, or None if it holds something else.

    Raises:
        ValueError: the file is damaged, so that nobody can tell; or its record is.
        OSError: the file cannot be read.
    """
    try:
        content = json.loads(path.read_bytes())
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path} may be a damaged record: {error}") from error
    if not (isinstance(content, dict) and content.keys() >= KEYS):
        return None
    kinds = {"run": str, "chapter": str, "parameters": dict, "metrics": dict}
    for key, kind in kinds.items():
        if not isinstance(content[key], kind):
            raise ValueError(
                f"{path} is a damaged record: {key} must be a {kind.__name__}; "
                f"got {brief(content[key])}"
            )
    if content["status"] not in ("done", "failed"):
        raise ValueError(
            f"{path} is a damaged record: status must be done or failed; "
            f"got {brief(content['status'])}"
        )
    return content


def find_record(folder: Path, run: str) -> dict[str, Any] | None:
    """Return the record of the run of this name, or None if there is no whole one."""
    try:
        return read_record(folder / f"{run}.json")
    except (OSError, ValueError):
        return None


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Return all records in a folder and its subfolders.

    Raises:
        FileNotFoundError: the folder does not exist, or holds no record.
        ValueError: a JSON file is damaged, as in `read_record`.
        OSError: a JSON file or a subfolder cannot be read.
    """

    def fail(error: OSError) -> None:
        raise error

    found = os.walk(folder, onerror=fail) if folder.is_dir() else ()
    paths = [Path(top, name) for top, _, names in found for name in names]
    jsons = sorted(path for path in paths if path.suffix == ".json")
    records = [record for path in jsons if (record := read_record(path))]
    if not records:
        raise FileNotFoundError(f"{folder}: there is no record of a run in it")
    return records


class Summary(NamedTuple):
    """A table with one row for all runs that differ only in their seed."""

    table: "pd.DataFrame"
    """Columns: the chapter, each varying parameter, n, two columns for each metric."""
    varying: list[str]
    """The parameters that vary, other than the seed."""
    metrics: list[str]
    """The names of the numeric metrics."""


def summarize(records: Iterable[dict[str, Any]]) -> Summary:
    """Compute the mean and standard deviation over the seeds, of runs that are done.

    Args:
        records: from `read_records`.

    Returns:
        A table with a row for each setting, its varying parameters, the number of
        runs `n`, and for each metric its `mean` and `sd` (divided by n - 1; NaN for
        one run). Metrics that are not numbers are left out.

    Raises:
        ValueError: no run is done, or a metric is larger than any float.

    Example:
        >>> runs = [
        ...     {"status": "done", "chapter": "05", "metrics": {"loss": loss},
        ...      "parameters": {"seed": seed, "factor": 0.5}}
        ...     for seed, loss in enumerate([1.0, 3.0])
        ... ]
        >>> print(summarize(runs).table.to_string(index=False))
        chapter  n  loss mean  loss sd
             05  2        2.0 1.414214
    """
    import pandas as pd

    done = [record for record in records if record["status"] == "done"]
    if not done:
        raise ValueError("there is no run that is done")
    settings = pd.DataFrame([record["parameters"] for record in done])
    varying = [
        name
        for name in settings.columns
        if name != "seed" and settings[name].nunique(dropna=False) > 1
    ]
    keys = [settings[name] for name in varying]
    chapters = pd.Series([record["chapter"] for record in done], name="chapter")
    metrics = pd.DataFrame([numeric_metrics(record) for record in done])
    # Columns are numbered, so that no metric is mistaken for a parameter of its name.
    names, metrics.columns = list(metrics.columns), pd.RangeIndex(metrics.shape[1])
    groups = metrics.groupby([chapters, *keys], dropna=False)
    columns = {"n": groups.size()}
    for i, name in enumerate(names):
        # One NaN makes the mean NaN, so that a diverged run is noticed.
        columns[f"{name} mean"] = groups[i].agg(lambda rows: rows.mean(skipna=False))
        columns[f"{name} sd"] = groups[i].agg(lambda rows: rows.std(skipna=False))
    return Summary(pd.DataFrame(columns).reset_index(), varying, names)


def numeric_metrics(record: dict[str, Any]) -> dict[str, float]:
    """Return the metrics of a record that are numbers."""
    metrics = record["metrics"].items()
    try:
        return {k: float(v) for k, v in metrics if isinstance(v, int | float)}
    except OverflowError as error:
        raise ValueError(f"{record['run']}: a metric is too large: {error}") from error
