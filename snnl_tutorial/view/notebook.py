"""How a chapter starts, shows its figures, and checks an exercise."""

import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import seaborn as sns
import torch
from matplotlib.figure import Figure
from PIL import Image

from snnl_tutorial.files import data_folder

DOTS_PER_INCH = 144


def setup(seed: int = 0) -> None:
    """Make a notebook reproducible, and its figures readable and small.

    Seeds torch and numpy, prints four decimals, sets a color-blind palette, and lets
    Jupyter store figures as PNGs of 256 colors, a third of the usual size.

    Args:
        seed: decides every random draw that names no generator of its own.

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
        palette="colorblind",
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


def results(name: str) -> list[dict[str, Any]]:
    """Read a table of measured figures, which the project stores in data/results/.

    Args:
        name: of the table, such as `"layers"`.

    Returns:
        A dictionary for each row; numbers are floats, empty cells `None`.

    Raises:
        FileNotFoundError: no such table; the message names those that there are.

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
    """Store a result in the notebook's outputs, where a run's record finds it.

    It is myst-nb's format, so that a page can show the value, too. (myst-nb itself is
    not installed on Colab.) Outside Jupyter it only checks the value.

    Args:
        name: of the result.
        value: a number, a text, or a 0-d tensor or array.

    Raises:
        TypeError: a value that is none of these.

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
    """Let Jupyter draw figures with `small_png`; outside Jupyter do nothing."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return
    shell.run_line_magic("matplotlib", "inline")
    shell.display_formatter.formatters["image/png"].for_type(Figure, small_png)


def small_png(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """A figure as a PNG of 256 colors, and the half size at which to show it.

    Args:
        figure: any matplotlib figure.

    Returns:
        The PNG's bytes and {"width", "height"} in CSS pixels: the picture has two
        dots a pixel, so that it is sharp on a good screen.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    picture = Image.open(buffer).convert("RGB")
    small = io.BytesIO()
    palette = picture.quantize(256, dither=Image.Dither.NONE)
    palette.save(small, format="png", optimize=True)
    width, height = picture.size
    return small.getvalue(), {"width": width // 2, "height": height // 2}


def check(
    exercise: str,
    answer: Any,
    expected: Any | Callable[[Any], bool],
    tolerance: float = 1e-3,
) -> None:
    """Tell the reader whether an exercise is solved. Never raises.

    Args:
        exercise: what to call it.
        answer: what the reader computed; `...` while it is untouched.
        expected: a number, a tensor, or a function that says whether the answer is
            right.
        tolerance: how far a number may be off.

    Example:
        >>> check("1.1", ..., 0.5)
        Exercise 1.1: not tried yet.
        >>> check("1.1", 0.7, 0.5)
        Exercise 1.1: not yet. Got 0.7.
        >>> check("1.1", 0.5, 0.5)
        Exercise 1.1: right.
    """
    if answer is ...:
        print(f"Exercise {exercise}: not tried yet.")
        return
    try:
        if callable(expected):
            right = bool(expected(answer))
        else:
            got = torch.as_tensor(answer, dtype=torch.float64)
            want = torch.as_tensor(expected, dtype=torch.float64)
            right = got.shape == want.shape and torch.allclose(
                got, want, rtol=0, atol=tolerance
            )
    except Exception as error:  # the reader's code may do anything
        print(f"Exercise {exercise}: not yet. It stopped with {error!r}.")
        return
    verdict = "right." if right else f"not yet. Got {answer!r}."
    print(f"Exercise {exercise}: {verdict}")
