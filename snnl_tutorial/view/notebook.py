"""What a chapter needs to run as a notebook: setup, stored tables, glued results."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import seaborn as sns
import torch
from matplotlib.figure import Figure
from PIL import Image

from snnl_tutorial.files import data_folder
from snnl_tutorial.runs.chapters import non_defaults, read_chapter
from snnl_tutorial.view.plotting import PALETTE

DOTS_PER_INCH = 144
"""Twice the usual resolution; figures are shown at half size and look sharp."""


def setup(seed: int = 0) -> None:
    """Seed torch and numpy, and set how a notebook prints numbers and draws figures.

    Numbers have four decimals. Figures use a color-blind palette, and Jupyter stores
    them as PNGs of 256 colors, a third of the usual size.

    Args:
        seed: the seed of both global random generators.

    Example:
        >>> setup(seed=0)
        >>> torch.rand(1)
        tensor([0.4963])
    """
    torch.manual_seed(seed)
    np.random.seed(seed)
    torch.set_printoptions(precision=4, sci_mode=False)
    np.set_printoptions(precision=4, suppress=True)
    sns.set_theme(
        context="notebook",
        style="ticks",
        palette=PALETTE,
        rc={
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            "figure.dpi": DOTS_PER_INCH,
            "savefig.facecolor": "white",
        },
    )
    show_small_pngs()


def as_printed(chapter: int, values: Mapping[str, Any]) -> bool:
    """Whether a chapter's parameters are those with which the book was printed.

    What the text says of a training is asserted then, and only then.

    Args:
        chapter: its number.
        values: the notebook's variables, `globals()`.

    Example:
        >>> as_printed(1, {"seed": 0}), as_printed(1, {"seed": 1})
        (True, False)
    """
    return not non_defaults(read_chapter(chapter), values)


def results(name: str) -> list[dict[str, Any]]:
    """Read a table of measured results from data/results/.

    Args:
        name: the table's file name without `.csv`, such as `"layers"`.

    Returns:
        One dictionary per row. Numbers are floats; empty cells are `None`.

    Raises:
        FileNotFoundError: there is no such table; the message lists the tables.

    Example:
        >>> [row["step"] for row in results("layers")]
        ['without', 'ours', 'published']
    """
    folder = data_folder() / "results"
    path = folder / f"{name}.csv"
    if not path.exists():
        names = sorted(path.stem for path in folder.glob("*.csv"))
        raise FileNotFoundError(f"no table {name!r} in {folder}; there are {names}")

    def value(text: str) -> float | str | None:
        try:
            return float(text)
        except ValueError:
            return text or None

    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        return [{key: value(text) for key, text in row.items()} for row in rows]


def glue(name: str, value: float | str | torch.Tensor | np.ndarray) -> None:
    """Store a named result in the notebook's outputs, for the record of a run.

    The format is myst-nb's, so a page of the book can show the value as well.
    (myst-nb itself is not installed on Colab.) Outside Jupyter nothing is stored.

    Args:
        name: the result's name in the record.
        value: a number, a text, or a 0-d tensor or array.

    Raises:
        TypeError: the value is none of these.

    Example:
        >>> glue("accuracy", torch.tensor(0.5))
        >>> glue("accuracy", [0.5])
        Traceback (most recent call last):
            ...
        TypeError: value must be a number, a text or a 0-d tensor; got list
    """
    if isinstance(value, torch.Tensor | np.ndarray | np.generic) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, int | float | str):
        raise TypeError(
            f"value must be a number, a text or a 0-d tensor; "
            f"got {type(value).__name__}"
        )
    from IPython import get_ipython
    from IPython.display import display

    if hasattr(get_ipython(), "kernel"):
        stored = {"name": name, "mime_prefix": ""}
        display({"text/plain": repr(value)}, raw=True, metadata={"scrapbook": stored})


def show_small_pngs() -> None:
    """Make Jupyter store figures with `small_png`; outside Jupyter do nothing."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return
    shell.run_line_magic("matplotlib", "inline")
    shell.display_formatter.formatters["image/png"].for_type(Figure, small_png)


def small_png(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """Render a figure as a PNG of 256 colors.

    Args:
        figure: any matplotlib figure.

    Returns:
        The PNG's bytes, and the width and height at which to show it, in CSS pixels:
        half its own, so that it looks sharp on a high-resolution screen.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    picture = Image.open(buffer).convert("RGB")
    small = io.BytesIO()
    reduced = picture.quantize(256, dither=Image.Dither.NONE)
    reduced.save(small, format="png", optimize=True)
    width, height = picture.size
    return small.getvalue(), {"width": width // 2, "height": height // 2}
