"""`snnl data`: the data sets, what is there of them, and how to get the rest."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Say what went wrong in one line on stderr, and end with status 1."""
    try:
        yield
    except (ImportError, OSError, ValueError) as error:
        click.echo(f"snnl: {error}", err=True)
        sys.exit(1)


@click.group()
def data() -> None:
    """List the data sets; download or import the full ones."""


@data.command("list")
def list_sets() -> None:
    """Say of each data set what is there, where, and how to get the rest."""
    with one_line_errors():
        from snnl_tutorial.datasets.files import cache_folder

        rows = [("data set", "size", "train", "test", "where"), *table()]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        for name, size, train, test, where in rows:
            click.echo(
                f"{name:{widths[0]}}  {size:{widths[1]}}  {train:>{widths[2]}}  "
                f"{test:>{widths[3]}}  {where}"
            )
        click.echo(
            f"\nFull sets are looked for in {cache_folder()}, or where SNNL_DATA says."
            f"\nsnnl data import NAME --from DIR takes files that you have."
        )


def table() -> Iterator[tuple[str, str, str, str, str]]:
    """Give a row for each data set and size: its name, its size, counts, where."""
    from snnl_tutorial.datasets.load import SMALL
    from snnl_tutorial.datasets.files import cache_folder, file_state, full_sets

    for name, full in full_sets().items():
        if name in SMALL:
            yield name, "small", "5,000", "1,000", "comes with the package"
        folder = cache_folder() / name
        states = {file_state(folder / f, sha) for f, sha in full.sha256.items()}
        if states == {"good"}:
            where = str(folder)
        else:
            state = "damaged" if "damaged" in states else "missing"
            where = f"{state}: snnl data fetch {name} ({full.download})"
        train, test = (f"{full.splits[s]['count']:,}" for s in ("train", "test"))
        yield "" if name in SMALL else name, "full", train, test, where


@data.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Download the full data set NAME; `snnl data list` shows the names."""
    with one_line_errors():
        from snnl_tutorial.datasets import downloads

        paths = downloads.fetch(name)
        for path in paths:
            click.echo(path)
        if not paths:
            click.echo(f"{name} is there already, and good")


@data.command("import")
@click.argument("name")
@click.option(
    "--from",
    "source",
    metavar="DIR",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder with the published idx files, gzipped or not.",
)
def import_set(name: str, source: Path) -> None:
    """Take the full data set NAME from files that you have."""
    with one_line_errors():
        from snnl_tutorial.datasets import downloads

        for path in downloads.take(name, source):
            click.echo(path)
