"""A chapter that takes a second: it adds two numbers, or fails when told to."""

import nbformat

PARAMETERS = """seed: int = 0  # decides nothing
first: int = 1  # a number
second: float = 0.5  # another
word: str = "sum"  # what to call it
fail: bool = False  # whether to
device: str = "cpu"  # where
"""
CODE = """from snnl_tutorial.view import notebook

notebook.glue("total", first + second + seed)
notebook.glue("named", word)
"""
FAIL = """if fail:
    raise ValueError("told to\\n  fail")
notebook.glue("late", 1)
"""


def tiny_chapter(folder, code=CODE):
    cells = [nbformat.v4.new_code_cell(text) for text in (PARAMETERS, code, FAIL)]
    cells[0].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        **{"name": "python3", "language": "python", "display_name": "Python 3"}
    }
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    path = folder / "tiny.ipynb"
    nbformat.write(notebook, path)
    return path
