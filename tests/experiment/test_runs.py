"""A run leaves a notebook and a record; a failure leaves what there was of it."""

import json

import pytest
import torch

from snnl_tutorial.experiment.runs import glued, run, run_name
from tests.experiment.tiny import tiny_chapter

pytestmark = [
    # jupyter's own housekeeping, nothing that a run does
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Kernel is running over TCP:UserWarning"),
]


def test_a_run_leaves_a_notebook_and_a_record(tmp_path):
    path, folder = tiny_chapter(tmp_path), tmp_path / "runs"
    record = run(path, {"first": "3", "seed": 2}, folder, bar=False)
    name = "tiny-first=3-seed=2"
    assert sorted(p.name for p in folder.iterdir()) == [f"{name}.ipynb", f"{name}.json"]
    assert record == json.loads((folder / f"{name}.json").read_text())
    assert record["status"] == "done"
    assert record["cause"] is None
    assert record["metrics"] == {"total": 5.5, "named": "sum", "late": 1}
    assert record["parameters"] == {
        **{"seed": 2, "first": 3, "second": 0.5, "word": "sum", "fail": False},
        **{"device": "cpu"},
    }
    assert record["versions"]["torch"] == torch.__version__
    assert record["device"] == "cpu"
    assert record["seconds"] > 0
    assert glued(folder / f"{name}.ipynb") == record["metrics"]


def test_a_failure_leaves_what_there_was_and_says_why(tmp_path):
    path, folder = tiny_chapter(tmp_path), tmp_path / "runs"
    run(path, {}, folder, bar=False)
    record = run(path, {"fail": True}, folder, bar=False)
    assert record["status"] == "failed"
    assert record["cause"].endswith("ValueError: told to fail")
    assert record["metrics"] == {"total": 1.5, "named": "sum"}
    assert sorted(p.name for p in folder.iterdir()) == [
        *("tiny-fail=True.failed.ipynb", "tiny-fail=True.json"),
        *("tiny.ipynb", "tiny.json"),
    ]


def test_bad_parameters_start_nothing(tmp_path):
    with pytest.raises(ValueError, match="must be int"):
        run(tiny_chapter(tmp_path), {"first": "x"}, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_names_are_safe_and_differ(tmp_path):
    path = tiny_chapter(tmp_path)
    usual = {"seed": 0, "first": 1, "second": 0.5, "word": "sum", "fail": False}
    usual["device"] = "cpu"
    assert run_name(path, usual) == "tiny"
    words = ["a/b", "a b", "../..", "x" * 300, "x" * 301]
    names = [run_name(path, {**usual, "word": word}) for word in words]
    assert len(set(names)) == len(names)
    for name in names:
        assert "/" not in name
        assert len(name) < 150
