"""Figures of a sweep: what `snnl results --figure` draws."""

import textwrap

from matplotlib.axes import Axes

from snnl_tutorial.runs.records import Summary

LABEL_COLUMNS = 50
"""The longest line of a setting's name; longer names are wrapped."""


def plot_metric(summary: Summary, metric: str, ax: Axes, x: str | None = None) -> Axes:
    """Draw the mean of a metric over the seeds, with its standard deviation.

    Args:
        summary: from `summarize`.
        metric: one of the summary's metrics.
        ax: the axes to draw into.
        x: the parameter on the horizontal axis, with a line for each combination of
            the other ones. By default each setting is a dot, with its name beside it.

    Returns:
        The axes.

    Raises:
        ValueError: the summary has no such metric, or no such parameter that varies.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from snnl_tutorial.runs.records import summarize
        >>> runs = [
        ...     {"status": "done", "chapter": "05", "metrics": {"loss": 1 / factor},
        ...      "parameters": {"factor": factor}}
        ...     for factor in (1, 2, 4)
        ... ]
        >>> ax = plot_metric(summarize(runs), "loss", plt.figure().gca(), x="factor")
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('factor', 'loss (mean, sd)')
    """
    if metric not in summary.metrics:
        known = ", ".join(summary.metrics) or "none"
        raise ValueError(f"metric must be one of: {known}; got {metric!r}")
    if x is not None and x not in summary.varying:
        known = ", ".join(summary.varying) or "none"
        raise ValueError(f"x must be a parameter that varies ({known}); got {x!r}")
    table = summary.table
    several = table["chapter"].nunique() > 1
    named = ["chapter"] * several + [name for name in summary.varying if name != x]
    labels = [
        textwrap.fill(", ".join(f"{k}={row[k]}" for k in named), LABEL_COLUMNS)
        for _, row in table.iterrows()
    ]
    mean, sd = table[f"{metric} mean"], table[f"{metric} sd"].fillna(0)
    if x is None:
        places = range(len(labels))
        ax.errorbar(mean, places, xerr=sd, fmt="o", capsize=3)
        ax.set(xlabel=f"{metric} (mean, sd)")
        ax.set_yticks(places, labels, fontsize="small")
        ax.set_ylim(-0.6, len(labels) - 0.4)
        return ax
    for label in dict.fromkeys(labels):
        rows = [label == other for other in labels]
        ax.errorbar(
            table[x][rows], mean[rows], sd[rows], fmt="o-", capsize=3, label=label
        )
    ax.set(xlabel=x, ylabel=f"{metric} (mean, sd)")
    if named:
        ax.legend(fontsize="small")
    return ax
