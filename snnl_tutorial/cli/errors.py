"""What went wrong, in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Say what went wrong in one line on stderr, and end with status 1."""
    try:
        yield
    except ModuleNotFoundError as error:
        click.echo(
            f'snnl: {error.name} is missing; install "snnl-tutorial[run]"', err=True
        )
        sys.exit(1)
    except (ImportError, OSError, ValueError) as error:
        click.echo(f"snnl: {error}", err=True)
        sys.exit(1)
