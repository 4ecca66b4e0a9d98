"""`snnl chapters`, `run`, `sweep`, `results` and `info`.

Heavy libraries are imported where they are needed: `snnl --help` answers at once.
"""

import sys
from pathlib import Path

import click

from snnl_tutorial.cli.errors import one_line_errors

folder = click.Path(path_type=Path, file_okay=False)
file = click.Path(path_type=Path, dir_okay=False)
output = click.option(
    "-o",
    "--output",
    type=folder,
    default=Path("runs"),
    show_default=True,
    help="The folder for the notebooks and records.",
)


@click.command()
def chapters() -> None:
    """List the chapters and their parameters."""
    with one_line_errors():
        from snnl_tutorial.experiment import chapters as book

        for path in book.chapters():
            click.echo(click.style(path.stem, bold=True))
            known = book.parameters(path).values()
            width = max(len(f"{p.name}={p.default}") for p in known)
            for parameter in known:
                setting = f"{parameter.name}={parameter.default}"
                click.echo(f"  {setting:{width}}  {parameter.comment}")


@click.command()
@click.argument("chapter")
@click.option(
    "-p",
    "--parameter",
    "given",
    type=(str, str),
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter of the chapter; may be repeated.",
)
@click.option("--device", help='The same as -p device, such as "cuda".')
@output
def run(
    chapter: str,
    given: tuple[tuple[str, str], ...],
    device: str | None,
    output: Path,
) -> None:
    """Execute CHAPTER, a number, a name or a notebook's path, with your parameters."""
    with one_line_errors():
        from snnl_tutorial.experiment.chapters import checked, find_chapter

        values = dict(given) | ({"device": device} if device else {})
        path = find_chapter(chapter)
        checked(path, values)  # before papermill is loaded
        from snnl_tutorial.experiment import runs

        record = runs.run(path, values, output)
        finish([record], output)


@click.command()
@click.argument("plan", type=file)
@click.option("-j", "--jobs", default=1, show_default=True, help="Runs at a time.")
@output
def sweep(plan: Path, jobs: int, output: Path) -> None:
    """Run all that the YAML file PLAN asks for, but what is done already."""
    with one_line_errors():
        from snnl_tutorial.experiment import sweeps

        finish(sweeps.sweep(plan, output, jobs), output)


def finish(records: list[dict], output: Path) -> None:
    """Tell what came out; end with status 1 if a run failed."""
    failed = [record for record in records if record["status"] == "failed"]
    for record in records:
        if record["status"] == "done":
            click.echo(output / f"{record['name']}.json")
    for record in failed:
        click.echo(f"snnl: {record['name']} failed: {record['cause']}", err=True)
    if failed:
        sys.exit(1)
    if not records:
        click.echo(f"nothing to do: {output} holds all these runs")


@click.command()
@click.argument("source", metavar="DIR", type=folder)
@click.option("--csv", type=file, help="Write the table here.")
@click.option("--markdown", type=file, help="Write the table here, as Markdown.")
@click.option("--figure", type=file, help="Draw --y against --x here, as PNG or SVG.")
@click.option("--x", help="The parameter to draw.")
@click.option("--y", help="The metric to draw.")
def results(
    source: Path,
    csv: Path | None,
    markdown: Path | None,
    figure: Path | None,
    x: str | None,
    y: str | None,
) -> None:
    """Show what the runs in DIR found: mean and deviation over the seeds."""
    with one_line_errors():
        if figure and not (x and y):
            raise ValueError("--figure needs --x, a parameter, and --y, a metric")
        from snnl_tutorial.experiment import records

        found = records.read_records(source)
        for record in found:
            if record["status"] != "done":
                click.echo(f"failed: {record['name']}: {record['cause']}", err=True)
        table = records.summary(found)
        click.echo(table.to_string(index=False, float_format="{:.4g}".format))
        if csv:
            table.to_csv(csv, index=False)
        if markdown:
            markdown.write_text(records.as_markdown(table), encoding="utf-8")
        if figure and x and y:
            records.save_figure(found, y, x, figure)


@click.command()
def info() -> None:
    """Tell versions, devices and folders: what a bug report needs."""
    with one_line_errors():
        import torch

        from snnl_tutorial.experiment import chapters, datasets, runs

        devices = [
            torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())
        ]
        devices += ["mps"] if torch.backends.mps.is_available() else []
        rows = {
            **runs.versions(),
            "threads": torch.get_num_threads(),
            "devices": ", ".join(["cpu", *devices]),
            "chapters": chapters.book_folder(),
            "small data": datasets.data_folder(),
            "commit": runs.commit() or "none: installed",
        }
        for name, value in rows.items():
            click.echo(f"{name:14}  {value}")
