"""A sweep makes every run once, goes on after failures, and after SIGKILL."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snnl_tutorial.experiment.objectives import METHODS, NETWORKS
from snnl_tutorial.experiment.sweeps import plan, sweep
from tests.experiment.tiny import CODE, tiny_chapter

ROOT = Path(__file__).parents[2]
pytestmark = [
    # jupyter's own housekeeping, nothing that a run does
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Kernel is running over TCP:UserWarning"),
]
GRID = """chapter: tiny.ipynb
parameters: {word: grid}
grid:
  first: [1, 2]
  seed: [0, 1]
"""


def sweep_file(folder, text=GRID):
    file = folder / "plan.yaml"
    file.write_text(text)
    return file


def records(folder):
    """By name, without what differs from run to run."""
    found = {}
    for path in folder.glob("*.json"):
        record = json.loads(path.read_text())
        del record["started"], record["seconds"]
        found[path.stem] = record
    return found


def test_a_grid_is_every_combination(tmp_path):
    path = tiny_chapter(tmp_path)
    runs = plan(sweep_file(tmp_path))
    assert [(p, v["first"], v["seed"], v["word"]) for p, v in runs] == [
        (path, first, seed, "grid") for first in (1, 2) for seed in (0, 1)
    ]


def test_several_grids_and_no_run_twice(tmp_path):
    tiny_chapter(tmp_path)
    file = sweep_file(
        tmp_path,
        """runs:
- {chapter: tiny.ipynb, grid: {first: [1, 2]}}
- {chapter: tiny.ipynb, grid: {first: [2, 3]}}
- {chapter: 5, parameters: {epochs: 1}}
""",
    )
    assert [path.stem for path, _ in plan(file)] == [*["tiny"] * 3, "05_layer_sum"]


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob("benchmarks/sweeps/*.yaml")), ids=lambda file: file.stem
)
def test_our_own_sweep_files_fit_their_chapters(file):
    runs = plan(file)
    assert len(runs) >= 30
    for _, values in runs:
        assert set(values["methods"].split()) <= {"raw", *METHODS}
        assert values["network"] in NETWORKS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "must hold a mapping with a chapter"),
        ("a: [", "is no YAML"),
        ("grid: {first: [1]}", "each run must be a mapping with a chapter"),
        ("{chapter: tiny.ipynb, gird: {first: [1]}}", "unknown gird"),
        ("{chapter: tiny.ipynb, grid: {first: 1}}", "first must be a list; got 1"),
        ("{chapter: tiny.ipynb, grid: {third: [1]}}", "no parameter 'third'"),
        ("{chapter: tiny.ipynb, grid: {first: [1, x]}}", "first must be int; got 'x'"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_before_anything_runs(
    tmp_path, text, message
):
    tiny_chapter(tmp_path)
    with pytest.raises(ValueError, match=message):
        sweep(sweep_file(tmp_path, text), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_failure_stops_nobody_and_is_tried_again(tmp_path):
    tiny_chapter(tmp_path)
    file = sweep_file(tmp_path, "{chapter: tiny.ipynb, grid: {fail: [true, false]}}")
    folder = tmp_path / "runs"
    first = sweep(file, folder)
    assert sorted(record["status"] for record in first) == ["done", "failed"]
    again = sweep(file, folder)
    assert [record["name"] for record in again] == ["tiny-fail=True"]


def test_a_chapter_that_has_changed_is_run_again(tmp_path):
    tiny_chapter(tmp_path)
    file = sweep_file(tmp_path, "{chapter: tiny.ipynb}")
    assert len(sweep(file, tmp_path / "runs")) == 1
    assert sweep(file, tmp_path / "runs") == []
    tiny_chapter(tmp_path, CODE + "notebook.glue('more', 1)\n")
    (record,) = sweep(file, tmp_path / "runs")
    assert record["metrics"]["more"] == 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_and_completed_equals_uninterrupted(tmp_path):
    tiny_chapter(tmp_path)
    file, folder = sweep_file(tmp_path), tmp_path / "killed"
    whole = tmp_path / "whole"
    sweep(file, whole, jobs=2)
    words = ["sweep", str(file), "-o", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "snnl_tutorial.cli", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(records(folder) if folder.exists() else {}) < 1:
        assert process.poll() is None or records(folder), "the sweep ended early"
        assert time.monotonic() < deadline, "the sweep recorded nothing"
        time.sleep(0.05)  # the moment after the first record, whenever that is
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert 1 <= len(records(folder)) < 4
    sweep(file, folder)
    assert records(folder) == records(whole)
    assert not list(folder.glob("*.part"))
