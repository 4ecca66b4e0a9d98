"""`snnl chapters`, `run`, `sweep` and `results`."""

import io
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnl_tutorial.runs.messages import one_line, printable

if TYPE_CHECKING:
    from snnl_tutorial.runs.records import Summary

folder_option = click.option(
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Output folder of notebooks and records.",
)


@click.command()
def chapters() -> None:
    """List the chapters and their parameters."""
    from snnl_tutorial.runs.chapters import chapter_paths, read_chapter

    for path in chapter_paths():
        chapter = read_chapter(path)
        click.echo(f"{path.stem}  {chapter.title}: {chapter.question}")
        for name, kind, default, comment in chapter.parameters.values():
            click.echo(f"    {name:16} {kind.__name__:6} {default!s:14} {comment}")


@click.command()
@click.argument("chapter")
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter (`snnl chapters` lists them). Can be repeated.",
)
@click.option("--device", help="Device, such as cuda: short for -p device cuda.")
@folder_option
def run(
    chapter: str, parameters: list[tuple[str, str]], device: str | None, folder: Path
) -> None:
    """Run CHAPTER: its number, its name, or the path of a notebook.

    The notebook is executed with these parameters, and written to DIR with a record of
    its results. An earlier run with the same parameters is replaced.
    """
    from snnl_tutorial.runs.chapters import read_chapter
    from snnl_tutorial.runs.runs import run_chapter

    given: dict[str, str] = {}
    for name, value in [*parameters, *([("device", device)] if device else [])]:
        if name in given:
            raise ValueError(f"parameter {name!r} is given twice")
        given[name] = value
    silence_libraries()
    record = run_chapter(read_chapter(chapter), given, folder, sys.stderr.isatty())
    if record["status"] == "failed":
        raise click.ClickException(failure_line(record))
    click.echo(printable(str(folder / f"{record['run']}.ipynb")))
    for name, value in record["metrics"].items():
        click.echo(f"    {printable(name):16} {one_line(str(value))}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@folder_option
@click.option(
    "-j",
    "jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of runs at the same time.",
)
@click.option("--device", help="Device of all runs, such as cuda.")
def sweep(file: Path, folder: Path, jobs: int, device: str | None) -> None:
    """Execute all runs of FILE (YAML) that are not done yet.

    FILE has a chapter, the parameters that all runs share, and a grid of lists of
    values, of which every combination is run:

    \b
    chapter: 5
    parameters: {epochs: 4}
    grid:
      factor: [0.0, 0.5]
      seed: [0, 1, 2]

    After an interruption, the same command continues the sweep. Given twice at once, it
    shares the work.
    """  # noqa: D301 (a raw string would hide \b from click)
    from snnl_tutorial.runs.sweeps import read_sweep, run_sweep

    runs = read_sweep(file, {"device": device} if device else {})
    silence_libraries()
    records = run_sweep(runs, folder, jobs, sys.stderr.isatty())
    failed = [record for record in records if record["status"] == "failed"]
    for record in failed:
        click.echo(f"snnl: {failure_line(record)}", err=True)
    click.echo(
        f"{len(runs)} runs in {printable(str(folder))}: "
        f"{len(runs) - len(records)} done before, "
        f"{len(records) - len(failed)} done now, {len(failed)} failed"
    )
    if failed:
        sys.exit(1)


def failure_line(record: dict[str, Any]) -> str:
    """Return one line that says which run failed, and why."""
    return one_line(f"{record['run']} failed: {record.get('cause')}")


def silence_libraries() -> None:
    """Turn off the libraries' own log: a failure is reported once, by us."""
    for name in ("papermill", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def file_option(name: str, text: str) -> Any:
    """Return an option whose value is the path of an output file."""
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option(name, metavar="FILE", type=kind, help=text)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@file_option("--csv", "Write the table to FILE, with all digits.")
@file_option("--markdown", "Write the table to FILE, as Markdown.")
@file_option("--figure", "Draw the metrics to FILE (.png).")
@click.option("--x", metavar="NAME", help="In the figure: the parameter on the x axis.")
@click.option(
    "--y", metavar="METRIC", multiple=True, help="In the figure: this metric."
)
def results(
    folder: Path,
    csv: Path | None,
    markdown: Path | None,
    figure: Path | None,
    x: str | None,
    y: tuple[str, ...],
) -> None:
    """Summarize the runs in DIR: mean and standard deviation (sd) over the seeds."""
    from snnl_tutorial.files import write_atomically
    from snnl_tutorial.runs.records import read_records, summarize

    records = read_records(folder)
    for record in records:
        if record["status"] == "failed":
            click.echo(f"snnl: left out: {failure_line(record)}", err=True)
    summary = summarize(records)
    text = summary.table.map(format_number)
    click.echo(printable(text.to_string(index=False)))
    if csv:
        write_atomically(csv, summary.table.to_csv(index=False, na_rep="nan").encode())
    if markdown:
        lines = text.to_markdown(index=False, disable_numparse=True)
        write_atomically(markdown, f"{lines}\n".encode())
    if figure:
        write_atomically(figure, draw(summary, x, y or tuple(summary.metrics)))
    elif x or y:
        raise click.UsageError("--x and --y need --figure")


def format_number(value: Any) -> str:
    """Format a float with four digits, and anything else as it is.

    Example:
        >>> format_number(0.123456), format_number(3), format_number("mnist")
        ('0.1235', '3', 'mnist')
    """
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value))


def draw(summary: "Summary", x: str | None, metrics: tuple[str, ...]) -> bytes:
    """Draw one panel for each metric; return the PNG."""
    from matplotlib.figure import Figure

    from snnl_tutorial.view.sweeps import LABEL_COLUMNS, plot_metric

    if not metrics:
        raise ValueError("there is no metric to draw: the notebooks stored no number")
    label_width = 16 * len(summary.varying)  # characters, roughly
    lines = len(summary.table) * (1 + label_width // LABEL_COLUMNS) if x is None else 0
    height = max(3.5, 1 + 0.2 * lines)  # inches
    figure = Figure(figsize=(9, height * len(metrics)), layout="constrained")
    axes = figure.subplots(len(metrics), squeeze=False)[:, 0]
    for ax, metric in zip(axes, metrics, strict=True):
        plot_metric(summary, metric, ax, x)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144)
    return buffer.getvalue()
