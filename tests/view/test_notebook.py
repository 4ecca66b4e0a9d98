"""Stored tables come back as numbers; what is glued is found."""

import logging

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from snnl_tutorial.view import notebook
from tests import helpers


def test_numbers_come_back_as_numbers(monkeypatch, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.csv").write_text("N,who,ratio\n10,us,\n2e3,them,0.5\n")
    monkeypatch.setattr(notebook, "data_folder", lambda: tmp_path)
    assert notebook.results("a") == [
        {"N": 10.0, "who": "us", "ratio": None},
        {"N": 2000.0, "who": "them", "ratio": 0.5},
    ]
    with pytest.raises(FileNotFoundError, match=r"no table 'b'.*there are \['a'\]"):
        notebook.results("b")


def test_myst_nb_finds_what_was_glued(tmp_path):
    """A page that says {glue}`accuracy` shows the value: myst-nb is the judge."""
    glue = pytest.importorskip("myst_nb.ext.glue")
    code = f"import sys; sys.path.insert(0, {str(helpers.ROOT)!r})\n"
    code += "from snnl_tutorial.view.notebook import glue\nglue('accuracy', 0.25)"
    path = helpers.notebook(tmp_path / "tiny.ipynb", code)
    executed = nbformat.read(path, as_version=4)
    NotebookClient(executed, kernel_name="python3").execute()
    found = glue.extract_glue_data(executed, [0] * 9, logging.getLogger())
    assert found["accuracy"]["data"] == {"text/plain": "0.25"}


@pytest.mark.parametrize("value", [None, [1], torch.ones(2), np.ones(2), 1j])
def test_only_one_number_or_text_is_glued(value):
    with pytest.raises(TypeError, match="value must be a number.*got"):
        notebook.glue("name", value)
