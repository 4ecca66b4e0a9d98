"""What a folder of records says, as a table and as a figure."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def read_records(folder: Path) -> list[dict[str, Any]]:
    """All records below a folder, by name.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a file that is no record.
    """
    records = []
    for path in sorted(folder.rglob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            record["parameters"], record["metrics"], record["status"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no record of a run: {error!r}") from error
        records.append(record)
    if not records:
        raise FileNotFoundError(f"no records of runs in {folder}")
    return records


def summary(records: list[dict[str, Any]]) -> "pd.DataFrame":
    """Mean and standard deviation over the seeds, of every metric of finished runs.

    Args:
        records: from `read_records`.

    Returns:
        A row for each chapter and each choice of the parameters other than the seed:
        those that differ somewhere, "runs", and for each metric its mean and, as
        "METRIC sd", its standard deviation (empty for a single run).
    """
    import pandas as pd

    done = [record for record in records if record["status"] == "done"]
    if not done:
        raise ValueError(f"none of the {len(records)} runs is done")
    settings = pd.DataFrame(
        [{"chapter": r["chapter"], **r["parameters"]} for r in done]
    ).drop(columns="seed", errors="ignore")
    metrics = pd.DataFrame([r["metrics"] for r in done]).select_dtypes("number")
    varying = [
        name
        for name in settings
        if name == "chapter" or settings[name].nunique(dropna=False) > 1
    ]
    keys = [
        settings[name].astype(object).where(settings[name].notna(), "-")
        for name in varying
    ]
    groups = metrics.groupby(keys, sort=True)
    columns = {"runs": groups.size()}
    for name in metrics:
        columns[name] = groups[name].mean()
        columns[f"{name} sd"] = groups[name].std()
    return pd.DataFrame(columns).reset_index()


def plot_metric(
    records: list[dict[str, Any]], metric: str, x: str, ax: "Axes"
) -> "Axes":
    """A metric against a parameter: the mean over the runs, and its deviation.

    Args:
        records: from `read_records`.
        metric: what was glued.
        x: name of the parameter.
        ax: where to draw.

    Raises:
        ValueError: no finished run has such a metric or parameter.
    """
    import pandas as pd
    import seaborn as sns

    rows = [
        {x: r["parameters"].get(x), metric: r["metrics"].get(metric)}
        for r in records
        if r["status"] == "done"
    ]
    table = pd.DataFrame(rows, columns=[x, metric]).dropna()
    if table.empty:
        raise ValueError(
            f"no finished run has the parameter {x} and the metric {metric}"
        )
    sns.pointplot(
        table.sort_values(x), x=x, y=metric, errorbar="sd", capsize=0.1, ax=ax
    )
    ax.set_title(f"{metric} against {x}: mean and standard deviation")
    return ax


def save_figure(records: list[dict[str, Any]], metric: str, x: str, path: Path) -> None:
    """`plot_metric` in a file, PNG or SVG by its name."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    plot_metric(records, metric, x, figure.subplots())
    figure.savefig(path, dpi=144)


def as_markdown(table: "pd.DataFrame") -> str:
    """A table for a README, with four digits."""
    cells = [list(map(str, table.columns)), ["---"] * table.shape[1]]
    for row in table.itertuples(index=False):
        cells.append([f"{v:.4g}" if isinstance(v, float) else str(v) for v in row])
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)
