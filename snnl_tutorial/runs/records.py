"""Records of runs: write them, read them, and summarize them in a table."""

import ast
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from snnl_tutorial.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd


KEYS = {"run", "status", "chapter", "parameters", "metrics"}
"""A JSON file with at least these keys is a record."""


def read_glued(path: Path) -> dict[str, Any]:
    """Return the values that a notebook stored with `notebook.glue`; {} if no file."""
    import nbformat

    if not path.exists():
        return {}
    metrics = {}
    for cell in nbformat.read(path, as_version=4).cells:
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
    """Return the record in a file, or None if there is none."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    is_record = isinstance(content, dict) and content.keys() >= KEYS
    return content if is_record else None


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Return all records in a folder and its subfolders.

    Raises:
        FileNotFoundError: the folder does not exist, or holds no record.
    """
    paths = (path for path in sorted(folder.rglob("*.json")) if path.is_file())
    found = [read_record(path) for path in paths]
    records = [record for record in found if record]
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
        ValueError: no run is done.

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
    return {k: float(v) for k, v in metrics if isinstance(v, int | float)}
