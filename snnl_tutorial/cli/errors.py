"""What went wrong, in one line on stderr, with a status that is not 0."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click


class OneLineGroup(click.Group):
    """A group of commands whose usage errors take one line, not four."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False  # or else click prints the errors itself
        try:
            sys.exit(super().main(*args, **kwargs))
        except click.Abort:  # Ctrl-C
            fail("interrupted", 130)
        except click.ClickException as error:
            fail(error.format_message(), error.exit_code)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Around what a command does."""
    try:
        yield
    except BrokenPipeError:  # the reader of our output has left
        sys.exit(1)
    except ModuleNotFoundError as error:
        fail(f'{error.name} is missing; install "snnl-tutorial[run]"')
    except (ImportError, OSError, ValueError) as error:
        fail(str(error))


def fail(message: str, status: int = 1) -> NoReturn:
    """Say it and end."""
    click.echo(f"snnl: {' '.join(message.split())}", err=True)
    sys.exit(status)
