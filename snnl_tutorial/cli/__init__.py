"""The command line, `snnl`. Each command imports what it needs when it is called."""

import sys
from typing import Any, NoReturn

try:
    import click
except ModuleNotFoundError as error:
    raise SystemExit(
        'snnl: click is not installed: pip install "snnl-tutorial[run]"'
    ) from error

from snnl_tutorial.cli.data import data
from snnl_tutorial.cli.runs import chapters, results, run, sweep
from snnl_tutorial.runs.messages import one_line


class Interrupted(click.ClickException):
    """Ctrl-C, with the exit status that shells expect."""

    exit_code = 130


class Commands(click.Group):
    """Turns every error into a `ClickException`, shown without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted") from error
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f'{error.name} is not installed: pip install "snnl-tutorial[run]"'
            ) from error
        except BrokenPipeError:  # `| head` closed the pipe: click ends quietly
            raise
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(describe(error)) from error


def describe(error: Exception) -> str:
    """Say what went wrong; if it is no error of the input, also of which kind it is."""
    if isinstance(error, ImportError | OSError | TypeError | ValueError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error} (snnl --debug shows where)"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show where an error was raised.")
@click.version_option(package_name="snnl-tutorial", message="%(version)s")
def snnl(debug: bool) -> None:
    """Run the chapters of "The soft nearest neighbor loss, taken apart"."""


@snnl.command()
def info() -> None:
    """Print versions, devices and folders, for a bug report."""
    import platform

    import torch

    from snnl_tutorial.files import data_folder
    from snnl_tutorial.runs.chapters import book_folder, chapter_paths
    from snnl_tutorial.runs.environment import commit, device_name, versions

    names = ("torch", "numpy", "scikit-learn", "matplotlib", "seaborn", "papermill")
    cuda = [device_name(f"cuda:{i}") for i in range(torch.cuda.device_count())]
    facts = {
        **versions(*names, "ipykernel", "joblib"),
        "commit": commit(book_folder() / "_toc.yml") or "none",
        "system": platform.platform(),
        "cpu": f"{device_name()}, {torch.get_num_threads()} threads",
        "cuda": ", ".join(cuda) or "none",
        "mps": "yes" if torch.backends.mps.is_available() else "no",
        "chapters": f"{len(chapter_paths())} in {book_folder()}",
        "data": str(data_folder()),
    }
    for name, fact in facts.items():
        click.echo(f"{name:14}{fact}")


for command in (chapters, run, sweep, results, data):
    snnl.add_command(command)


def main() -> NoReturn:
    """Run `snnl`; an error is one line on stderr, with a non-zero exit status."""
    try:
        status = snnl.main(prog_name="snnl", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        status = error.exit_code
    except click.ClickException as error:
        click.echo(f"snnl: {one_line(error.format_message())}", err=True)
        status = error.exit_code
    sys.exit(status)
