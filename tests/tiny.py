"""Tiny notebooks to run instead of chapters, and `snnl` in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
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
