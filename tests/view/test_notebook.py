"""Stored tables come back as numbers; a wrong name is told."""

import pytest

from snnl_tutorial.view import notebook


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
