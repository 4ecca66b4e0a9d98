"""Sweeps: checked first, run in parallel, and the same after an interruption."""

import os

import joblib
import pytest

from snnl_tutorial.learning.objectives import METHODS, NETWORKS
from snnl_tutorial.runs.records import read_records, write_record
from snnl_tutorial.runs.sweeps import is_done, read_sweep, run_sweep
from tests import helpers


@pytest.fixture
def folder(tmp_path):
    """A folder with a tiny notebook."""
    helpers.notebook(tmp_path / "tiny.ipynb", helpers.PRODUCT)
    return tmp_path


def write_sweep(folder, text):
    path = folder / "sweep.yaml"
    path.write_text(text)
    return path


GRID = """
chapter: tiny.ipynb
grid:
  factor: [0, 1e-1]
  seed: [1, 2]
"""


SEEDS = "chapter: tiny.ipynb\ngrid: {seed: [1, 2]}"


# --- the file -------------------------------------------------------------------------


def test_every_combination_is_planned_once(folder):
    runs = read_sweep(write_sweep(folder, GRID))
    assert [(run.values["factor"], run.values["seed"]) for run in runs] == [
        (0.0, 1),
        (0.0, 2),
        (0.1, 1),
        (0.1, 2),
    ]
    assert [run.name for run in runs][:2] == [
        "tiny-seed=1-factor=0.0",
        "tiny-seed=2-factor=0.0",
    ]


def test_blocks_of_runs_and_several_chapters(folder):
    text = """
runs:
  - chapter: [1, 05_layer_sum]
    parameters: {dataset: fashion-mnist}
    grid: {seed: [0, 1]}
  - chapter: tiny.ipynb
  - chapter: 1
    parameters: {dataset: fashion-mnist, seed: 1}
"""
    assert [run.name for run in read_sweep(write_sweep(folder, text))] == [
        "01-dataset=fashion-mnist",
        "01-seed=1-dataset=fashion-mnist",
        "05-dataset=fashion-mnist",
        "05-seed=1-dataset=fashion-mnist",
        "tiny",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must have the keys chapter, parameters, grid"),
        ("- 1", "must have the keys"),
        ("a: [", "expected the node content"),
        ("runs: 3", "runs must be a list of blocks"),
        ("runs: []", "runs must be a list of blocks"),
        ("chapter: 5\nseeds: 3", "a block must have the keys chapter, parameters"),
        ("grid: {seed: [1]}", "a block must have a chapter"),
        ("chapter: []", "a block must have a chapter"),
        ("chapter: 99", "chapter must be a number or a name .* got '99'"),
        ("chapter: none.ipynb", "there is no notebook"),
        ("chapter: 5\nparameters: [1]", "parameters must map names to values"),
        ("chapter: 5\ngrid: {seed: 1}", "grid: 'seed' must have a list .* got 1"),
        ("chapter: 5\ngrid: {seed: []}", "grid: 'seed' must have a list"),
        ("chapter: 5\ngrid: {sed: [1]}", "05_layer_sum has no parameter 'sed'"),
        (
            "chapter: 5\nparameters: {seed: 1}\ngrid: {seed: [1]}",
            "'seed' must be in parameters or in grid, not in both",
        ),
        (
            "chapter: [5, tiny.ipynb]\nparameters: {epochs: 1}",
            "tiny has no parameter 'epochs'",
        ),
        (
            "chapter: [tiny.ipynb, other/tiny.ipynb]",
            "tiny.ipynb and .*tiny.ipynb must have different names",
        ),
    ],
)
def test_an_error_in_the_file_is_reported_before_anything_runs(folder, text, words):
    (folder / "other").mkdir()
    helpers.notebook(folder / "other" / "tiny.ipynb")
    with pytest.raises(ValueError, match=rf"(?s)sweep\.yaml: .*{words}"):
        read_sweep(write_sweep(folder, text))


def test_a_value_of_a_wrong_type_is_reported(folder):
    text = "chapter: tiny.ipynb\ngrid: {seed: [1, two]}"
    with pytest.raises(TypeError, match=r"sweep\.yaml: parameter 'seed' must be"):
        read_sweep(write_sweep(folder, text))


# --- running --------------------------------------------------------------------------


def test_what_is_done_is_not_run_again(folder):
    runs = read_sweep(write_sweep(folder, SEEDS))
    first = run_sweep(runs, folder / "runs", jobs=2)
    assert {record["run"]: record["metrics"] for record in first} == {
        "tiny-seed=1": {"product": 0.5},
        "tiny-seed=2": {"product": 1.0},
    }
    assert run_sweep(runs, folder / "runs") == []
    (folder / "runs" / "tiny-seed=1.json").unlink()
    again = run_sweep(runs, folder / "runs")
    assert [record["run"] for record in again] == ["tiny-seed=1"]


def finished(folder, **changes):
    """A run, and the files that it has left, with these changes of its record."""
    (run,) = read_sweep(write_sweep(folder, "chapter: tiny.ipynb"))
    record = {
        "run": run.name,
        "status": "done",
        "chapter": "tiny",
        "sources": run.chapter.sources,
        "parameters": run.values,
        "metrics": {},
    }
    write_record(folder / "runs", record | changes)
    (folder / "runs" / "tiny.ipynb").touch()
    return run


def test_a_run_with_its_notebook_and_its_record_is_done(folder):
    assert is_done(finished(folder), folder / "runs")


@pytest.mark.parametrize(
    "changes",
    [{"sources": "0"}, {"parameters": {"seed": 1}}, {"status": "failed"}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_record_of_the_same_name_is_not_done(folder, changes):
    assert not is_done(finished(folder, **changes), folder / "runs")


@pytest.mark.parametrize("ending", ["json", "ipynb"])
def test_a_run_without_its_record_or_its_notebook_is_not_done(folder, ending):
    run = finished(folder)
    (folder / "runs" / f"tiny.{ending}").unlink()
    assert not is_done(run, folder / "runs")


def test_a_run_with_a_damaged_record_is_not_done(folder):
    run = finished(folder)
    (folder / "runs" / "tiny.json").write_text("{")
    assert not is_done(run, folder / "runs")


def test_a_failed_run_does_not_stop_the_others_and_is_run_again(folder):
    helpers.notebook(folder / "tiny.ipynb", "assert seed != 1", helpers.PRODUCT)
    runs = read_sweep(write_sweep(folder, SEEDS))
    records = run_sweep(runs, folder / "runs")
    assert [record["status"] for record in records] == ["failed", "done"]
    again = run_sweep(runs, folder / "runs")
    assert [record["run"] for record in again] == ["tiny-seed=1"]


def test_an_error_outside_the_chapter_does_not_stop_the_others(folder):
    """Here: a folder lies where the notebook of the first run is to be written."""
    (folder / "runs" / "tiny-seed=1.ipynb").mkdir(parents=True)
    records = run_sweep(read_sweep(write_sweep(folder, SEEDS)), folder / "runs")
    assert [record["status"] for record in records] == ["failed", "done"]
    assert "IsADirectoryError" in records[0]["cause"]


def test_a_parameter_can_be_overridden_in_all_runs(folder):
    path = write_sweep(folder, GRID)
    for run in read_sweep(path, {"factor": 0.7}):
        assert run.values["factor"] == 0.7
    with pytest.raises(ValueError, match="no parameter 'device'"):
        read_sweep(path, {"device": "cuda"})


def test_each_kernel_has_one_thread_unless_the_user_says_otherwise(folder, monkeypatch):
    code = f"{helpers.GLUE}\nimport os; glue('threads', os.environ['OMP_NUM_THREADS'])"
    helpers.notebook(folder / "tiny.ipynb", code)
    runs = read_sweep(write_sweep(folder, "chapter: tiny.ipynb"))
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for given, expected in ((None, "1"), ("3", "3")):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if given:
            monkeypatch.setenv("OMP_NUM_THREADS", given)
        (record,) = run_sweep(runs, folder / expected)
        assert record["metrics"] == {"threads": expected}


def test_a_backend_of_joblib_carries_the_runs_elsewhere(folder):
    """Ray's backend is made of this one; loky's would differ in its pickling only."""
    runs = read_sweep(write_sweep(folder, SEEDS))
    with joblib.parallel_config(backend="multiprocessing"):
        records = run_sweep(runs, folder / "runs", jobs=2)
    assert {record["run"] for record in records} == {run.name for run in runs}
    assert {record["status"] for record in records} == {"done"}


def test_a_killed_sweep_ends_like_an_uninterrupted_one(folder):
    """Killed in the middle of its third run, while another may still be at work."""
    kill = (
        "import os, signal, threading\n"
        "if os.environ.get('KILL_AT') == str(seed):\n"
        "    os.kill(os.getppid(), signal.SIGKILL)\n"
        "    threading.Event().wait()"
    )
    helpers.notebook(folder / "tiny.ipynb", helpers.PRODUCT, kill)
    path, out = write_sweep(folder, f"{SEEDS[:-2]}, 3, 4]}}"), folder / "runs"
    done = helpers.snnl("sweep", path, "-o", out, "-j", 2, KILL_AT="3")
    assert done.returncode == -9
    before = {file: file.read_bytes() for file in out.glob("*.json")}
    assert 1 <= len(before) < 4
    assert list(out.glob("*.partial.ipynb"))

    done = helpers.snnl("sweep", path, "-o", out, "-j", 2)
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} done before, {4 - len(before)} done now" in done.stdout
    for file, content in before.items():
        assert file.read_bytes() == content
    records = {record["parameters"]["seed"]: record for record in read_records(out)}
    assert {record["status"] for record in records.values()} == {"done"}
    products = {seed: record["metrics"]["product"] for seed, record in records.items()}
    assert products == {1: 0.5, 2: 1.0, 3: 1.5, 4: 2.0}
    names = {f"tiny-seed={seed}.{end}" for seed in records for end in ("ipynb", "json")}
    assert {file.name for file in out.iterdir()} == names


@pytest.mark.parametrize(
    "file",
    sorted(helpers.ROOT.glob("benchmarks/sweeps/*.yaml")),
    ids=lambda file: file.stem,
)
def test_our_own_sweep_files_fit_their_chapters(file):
    runs = read_sweep(file)
    assert len(runs) > 3
    for run in runs:
        if "methods" not in run.values:
            continue
        assert set(run.values["methods"].split()) <= {"raw", *METHODS}
        assert run.values["network"] in NETWORKS
