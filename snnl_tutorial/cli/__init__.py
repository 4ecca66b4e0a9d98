"""The command `snnl`: data, chapters, runs, results."""

import click

from snnl_tutorial.cli.data import data
from snnl_tutorial.cli.errors import OneLineGroup
from snnl_tutorial.cli.runs import chapters, info, results, run, sweep


@click.group(cls=OneLineGroup)
@click.version_option(package_name="snnl-tutorial")
def main() -> None:
    """Run the chapters of the book, with your parameters, data and device."""


for command in (chapters, run, sweep, results, data, info):
    main.add_command(command)
