"""Rows, labels and tiny notebooks that many tests use; `snnl` in its own process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import torch

ROOT = Path(__file__).parents[1]

# --- batches --------------------------------------------------------------------------

# The rows and the distance matrix that the article prints, to four decimals.
ARTICLE_ROWS = torch.tensor(
    [
        [1.0999, -0.9438, 0.7996, -0.4247],
        [1.2150, -0.2953, 0.0417, -1.2913],
        [1.3218, 0.4214, -0.1541, 0.0961],
        [-0.7253, 1.1685, -0.1070, 1.3683],
    ]
)
ARTICLE_DISTANCES = torch.tensor(
    [
        [0.0, 0.28502, 0.62687, 1.7732],
        [0.28502, 0.0, 0.46293, 1.8581],
        [0.62687, 0.46293, 0.0, 1.1171],
        [1.7732, 1.8581, 1.1171, 0.0],
    ]
)


def rows_of(seed, n, d, dtype=torch.float32):
    """Gaussian rows."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=dtype)


def labels_of(seed, n, classes=3, ignored=False):
    """Random labels; if `ignored`, three in ten are -100."""
    generator = torch.Generator().manual_seed(seed + 1000)
    labels = torch.randint(classes, (n,), generator=generator)
    if ignored:
        labels[torch.rand(n, generator=generator) < 0.3] = -100
    return labels


# --- notebooks to run instead of chapters ---------------------------------------------

PARAMETERS = """\
seed: int = 0  # decides every random draw
factor: float = 0.5  # weight
name: str = "a"  # of whatever
fast: bool = False  # or not"""
# What notebook.glue does, without the seconds that importing torch takes.
GLUE = """\
from IPython.display import display
def glue(name, value):
    stored = {"name": name, "mime_prefix": ""}
    display({"text/plain": repr(value)}, raw=True, metadata={"scrapbook": stored})"""
PRODUCT = f"{GLUE}\nglue('product', seed * factor)"


def notebook(path, *code, parameters=PARAMETERS):
    """Write a notebook of a parameters cell and these cells."""
    v4 = nbformat.v4
    cells = [
        v4.new_markdown_cell("# Tiny: does it run?\n\nText."),
        v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *(v4.new_code_cell(source) for source in code),
    ]
    for i, cell in enumerate(cells):
        cell.id = f"cell-{i}"  # not drawn by chance
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    v4_notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(v4_notebook, path)
    return path


def snnl(*arguments, **variables):
    """Run `snnl` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "snnl_tutorial.cli", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        # A test run in a shell's background ignores Ctrl-C, and would hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
