"""A sweep: checked whole, run side by side, and the same after any interruption."""

import json
import os

import joblib
import pytest

from snnl_tutorial.learning.objectives import METHODS, NETWORKS
from snnl_tutorial.runs.records import read_records, write_record
from snnl_tutorial.runs.sweeps import read_sweep, run_sweep
from tests import tiny


def write_notebook(folder):
    """A tiny notebook, which can end the process that runs it."""
    code = (
        "import os, signal, threading\n"
        "def place(name):\n"
        "    if os.environ.get('KILL_AT') == f'{name} {factor} {seed}':\n"
        "        os.kill(os.getppid(), signal.SIGKILL)\n"
        "        threading.Event().wait()\n"
        "place('begin')"
    )
    tiny.notebook(folder / "tiny.ipynb", code, tiny.PRODUCT, "place('end')")


@pytest.fixture
def folder(tmp_path):
    write_notebook(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a sweep that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    write_notebook(folder)
    run_sweep(read_sweep(write_sweep(folder, GRID)), folder / "runs", jobs=2)
    return folder / "runs"


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


def without_times(folder):
    """The records, but for when they were made and how long it took."""
    records = {record["run"]: record for record in read_records(folder)}
    for record in records.values():
        del record["started"], record["seconds"]
    return records


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
        "tiny-factor=0.0-seed=1",
        "tiny-factor=0.0-seed=2",
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
        "01_distance_matrix-dataset=fashion-mnist",
        "01_distance_matrix-dataset=fashion-mnist-seed=1",
        "05_layer_sum-dataset=fashion-mnist",
        "05_layer_sum-dataset=fashion-mnist-seed=1",
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
        ("chapter: 5\nparameters: [1]", "parameters must be names with values"),
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
def test_whatever_is_wrong_is_told_before_anything_runs(folder, text, words):
    (folder / "other").mkdir()
    tiny.notebook(folder / "other" / "tiny.ipynb")
    with pytest.raises(ValueError, match=rf"(?s)sweep\.yaml: .*{words}"):
        read_sweep(write_sweep(folder, text))


def test_a_value_of_a_wrong_type_is_told(folder):
    text = "chapter: tiny.ipynb\ngrid: {seed: [1, two]}"
    with pytest.raises(TypeError, match=r"sweep\.yaml: parameter 'seed' must be"):
        read_sweep(write_sweep(folder, text))


# --- running --------------------------------------------------------------------------


def test_what_is_done_is_not_run_again(folder):
    runs = read_sweep(write_sweep(folder, GRID))
    first = run_sweep(runs, folder / "runs", jobs=2)
    assert {record["run"]: record["metrics"] for record in first} == {
        "tiny-factor=0.0-seed=1": {"product": 0.0},
        "tiny-factor=0.0-seed=2": {"product": 0.0},
        "tiny-factor=0.1-seed=1": {"product": 0.1},
        "tiny-factor=0.1-seed=2": {"product": 0.2},
    }
    assert run_sweep(runs, folder / "runs") == []
    # A notebook without its record, and a record without its notebook, are not done;
    # nor is a record that was damaged, or is of other parameters or other code.
    (folder / "runs" / "tiny-factor=0.0-seed=1.json").unlink()
    (folder / "runs" / "tiny-factor=0.0-seed=2.ipynb").unlink()
    (folder / "runs" / "tiny-factor=0.1-seed=1.json").write_text("{")
    again = run_sweep(runs, folder / "runs")
    assert [record["run"] for record in again] == [run.name for run in runs[:3]]


@pytest.mark.parametrize("key", ["sources", "parameters", "status"])
def test_another_record_of_the_same_name_is_not_done(folder, key):
    (run,) = read_sweep(write_sweep(folder, "chapter: tiny.ipynb"))
    (record,) = run_sweep([run], folder / "runs")
    other = {"sources": "0", "parameters": {"seed": 1}, "status": "failed"}[key]
    (folder / "runs" / "tiny.json").write_text(json.dumps(record | {key: other}))
    assert len(run_sweep([run], folder / "runs")) == 1


def test_a_failed_run_does_not_stop_the_others_and_is_run_again(folder):
    tiny.notebook(folder / "tiny.ipynb", "assert seed != 1", tiny.PRODUCT)
    runs = read_sweep(write_sweep(folder, GRID))
    records = run_sweep(runs, folder / "runs")
    assert [record["status"] for record in records] == ["failed", "done"] * 2
    again = run_sweep(runs, folder / "runs")
    assert [record["run"] for record in again] == [runs[0].name, runs[2].name]


def test_what_fails_outside_the_chapter_does_not_stop_the_others(folder, monkeypatch):
    def full(folder, record):
        if record["parameters"]["seed"] == 1:
            raise OSError(28, "No space left on device")
        return write_record(folder, record)

    monkeypatch.setattr("snnl_tutorial.runs.runs.write_record", full)
    records = run_sweep(read_sweep(write_sweep(folder, GRID)), folder / "runs")
    assert [record["status"] for record in records] == ["failed", "done"] * 2
    assert "No space left" in records[0]["cause"]


def test_one_parameter_can_be_set_everywhere(folder):
    path = write_sweep(folder, GRID)
    for run in read_sweep(path, {"factor": 0.7}):
        assert run.values["factor"] == 0.7
    with pytest.raises(ValueError, match="no parameter 'device'"):
        read_sweep(path, {"device": "cuda"})


def test_each_kernel_has_one_thread_unless_the_user_says_otherwise(folder, monkeypatch):
    code = f"{tiny.GLUE}\nimport os; glue('threads', os.environ['OMP_NUM_THREADS'])"
    tiny.notebook(folder / "tiny.ipynb", code)
    runs = read_sweep(write_sweep(folder, "chapter: tiny.ipynb"))
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for given, expected in ((None, "1"), ("3", "3")):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if given:
            monkeypatch.setenv("OMP_NUM_THREADS", given)
        (record,) = run_sweep(runs, folder / expected)
        assert record["metrics"] == {"threads": expected}


# Ray's backend is made of multiprocessing's.
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_a_backend_of_joblib_carries_the_runs_elsewhere(folder, backend):
    runs = read_sweep(write_sweep(folder, GRID))[:2]
    with joblib.parallel_config(backend=backend):
        records = run_sweep(runs, folder / "runs", jobs=2)
    assert {record["run"] for record in records} == {run.name for run in runs}
    assert {record["status"] for record in records} == {"done"}


@pytest.mark.parametrize(
    ("moment", "jobs"),
    [("begin 0.0 1", 1), ("end 0.0 2", 2), ("begin 0.1 1", 2), ("end 0.1 2", 1)],
)
def test_a_sweep_that_was_killed_ends_like_one_that_was_not(
    folder, whole, moment, jobs
):
    path, killed = write_sweep(folder, GRID), folder / "killed"
    done = tiny.snnl("sweep", path, "-o", killed, "-j", jobs, KILL_AT=moment)
    assert done.returncode == -9
    before = {p.name: p.read_bytes() for p in killed.glob("*.json")}
    assert len(before) < 4
    done = tiny.snnl("sweep", path, "-o", killed)
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} done before, {4 - len(before)} done now" in done.stdout
    assert without_times(killed) == without_times(whole)
    assert {p.name for p in killed.iterdir()} == {p.name for p in whole.iterdir()}
    for name, content in before.items():
        assert (killed / name).read_bytes() == content


@pytest.mark.parametrize(
    "file",
    sorted(tiny.ROOT.glob("benchmarks/sweeps/*.yaml")),
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
