"""`snnl data`: list the data sets, and download or import the full ones."""

from collections.abc import Iterator
from pathlib import Path

import click


@click.group()
def data() -> None:
    """List the data sets; download or import the full ones."""


@data.command("list")
def list_sets() -> None:
    """List each data set: its size, where it is, and how to get what is missing."""
    from snnl_tutorial.datasets.cache import cache_folder

    rows = [("data set", "size", "train", "test", "where"), *table()]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for name, size, train, test, where in rows:
        click.echo(
            f"{name:{widths[0]}}  {size:{widths[1]}}  {train:>{widths[2]}}  "
            f"{test:>{widths[3]}}  {where}"
        )
    click.echo(
        f"\nThe cache of full sets is {cache_folder()}; SNNL_DATA can name another "
        f"folder.\nsnnl data import NAME --from DIR uses files that you have."
    )


def table() -> Iterator[tuple[str, str, str, str, str]]:
    """Yield a row for each data set and size: name, size, counts, and where it is."""
    from snnl_tutorial.datasets.cache import cache_folder, file_state
    from snnl_tutorial.datasets.registry import SMALL, full_sets, read_registry

    for name, full in full_sets().items():
        if name in SMALL:
            entry = read_registry("registry.json")[SMALL[name]]
            train, test = (f"{entry[split]:,}" for split in ("train", "test"))
            yield name, "small", train, test, "comes with the package"
        folder = cache_folder() / name
        states = {file_state(name, file, full) for file in full.sha256}
        if states == {"good"}:
            where = str(folder)
        else:
            state = "damaged" if "damaged" in states else "missing"
            where = f"{state}: snnl data import {name} --from DIR"
            if full.urls:
                where = f"{state}: snnl data fetch {name} ({full.download})"
        train, test = (f"{full.splits[s]['count']:,}" for s in ("train", "test"))
        yield "" if name in SMALL else name, "full", train, test, where


@data.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Download the full data set NAME; `snnl data list` shows the names."""
    from snnl_tutorial.datasets import downloads

    paths = downloads.fetch(name)
    for path in paths:
        click.echo(path)
    if not paths:
        click.echo(f"{name} is complete already")


@data.command("import")
@click.argument("name")
@click.option(
    "--from",
    "source",
    metavar="DIR",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder with the published files, gzipped or not.",
)
def import_set(name: str, source: Path) -> None:
    """Copy the full data set NAME from files that you have."""
    from snnl_tutorial.datasets.cache import import_files

    for path in import_files(name, source):
        click.echo(path)
