"""Sweeps: checked first, run in parallel, and the same after an interruption."""

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import pytest
from dask.distributed import Client, LocalCluster

from snnl_tutorial.learning.objectives import METHODS, NETWORKS
from snnl_tutorial.runs.locks import lock_run
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
        ("chapter: {a: 5}", "a block must have a chapter or a list of them"),
        ("chapter: 5\nchapter: 1", "'chapter' is given twice .line 2"),
        ("chapter: 5\ngrid: {seed: [0, 1], seed: [2]}", "'seed' is given twice"),
        ("chapter: 5\nparameters: {seed: 1, 'seed': 2}", "'seed' is given twice"),
        (
            "runs:\n- &a {chapter: 5}\n- {<<: *a, parameters: {epochs: 1, epochs: 2}}",
            "'epochs' is given twice .line 3",
        ),
        ("[" * 100_000, "nested too deeply"),
        ("chapter: 5\nparameters: " + "{a: " * 100_000, "nested too deeply"),
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


def bomb(key, first, twin):
    """Aliases of aliases of aliases: a billion values in a few lines."""
    lines = [f"a0: &a0 {first}"]
    for i in range(1, 10):
        lines.append(f"a{i}: &a{i} {twin.format(', '.join([f'*a{i - 1}'] * 9))}")
    return "\n".join([*lines, f"{key}: *a9"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb("chapter", "[5]", "[{}]"), "at most 100,000 values"),
        (bomb("runs", "{x: 1}", "{{<<: [{}]}}"), "at most 100,000 values"),
        (bomb("? *a9", "[5]", "[{}]"), "at most 100,000 values"),
        ("chapter: 5\ngrid: {seed: &a [1, *a]}", "at most 100,000 values"),
        (
            "chapter: tiny.ipynb\ngrid:\n"
            + "".join(
                f"  {name}: {list(range(100))}\n"
                for name in ("seed", "factor", "name", "fast")
            ),
            "at most 10,000 runs; this has 100,000,000",
        ),
        (
            f"chapter: {['tiny.ipynb'] * 101}\ngrid: {{seed: {list(range(100))}}}",
            "at most 10,000 runs; this has 10,100",
        ),
        (
            "runs:\n"
            + f"  - {{chapter: 5, grid: {{seed: {list(range(5001))}}}}}\n" * 2,
            "at most 10,000 runs; this has 10,002",
        ),
    ],
    ids=["alias", "merge", "key", "itself", "grid", "chapters", "blocks"],
)
def test_a_file_that_asks_for_too_much_is_refused_at_once(folder, text, words):
    with pytest.raises(ValueError, match=words) as caught:
        read_sweep(write_sweep(folder, text))
    assert len(str(caught.value)) < 500


def test_a_key_of_a_merged_block_can_be_replaced(folder):
    text = """
runs:
  - chapter: &tiny tiny.ipynb
    parameters: &shared {seed: 1, factor: 2}
  - chapter: *tiny
    parameters: {<<: *shared, seed: 3}
"""
    runs = read_sweep(write_sweep(folder, text))
    assert [(run.values["seed"], run.values["factor"]) for run in runs] == [
        (1, 2.0),
        (3, 2.0),
    ]


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
    (folder / "runs" / "tiny.ipynb").write_text("{}")
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


@pytest.mark.parametrize("ending", ["json", "ipynb"])
@pytest.mark.parametrize("content", ["", "{", '{"cells": [', "\0" * 100])
def test_a_run_with_a_damaged_record_or_notebook_is_not_done(folder, ending, content):
    run = finished(folder)
    (folder / "runs" / f"tiny.{ending}").write_text(content)
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


def test_two_sweeps_of_one_folder_share_the_work(folder):
    """Each begins a run, and goes on only when the other has begun another one."""
    log = (
        "import os, time\n"
        "from pathlib import Path\n"
        f"log = Path({str(folder / 'log')!r})\n"
        "with log.open('a') as file:\n"
        "    file.write(f'{seed} {os.getppid()}\\n')\n"
        "limit = time.monotonic() + 60\n"
        "while len(set(log.read_text().split()[1::2])) < 2:\n"
        "    assert time.monotonic() < limit, 'the other sweep does nothing'\n"
        "    time.sleep(0.05)"
    )
    helpers.notebook(folder / "tiny.ipynb", helpers.PRODUCT, log)
    path, out = write_sweep(folder, f"{SEEDS[:-2]}, 3, 4]}}"), folder / "runs"
    with ThreadPoolExecutor() as pool:
        sweeps = [pool.submit(helpers.snnl, "sweep", path, "-o", out) for _ in "ab"]
    for done in (sweep.result() for sweep in sweeps):
        assert (done.returncode, done.stderr) == (0, "")
        assert "0 failed" in done.stdout
    seeds = sorted((folder / "log").read_text().split()[::2])
    assert seeds == ["1", "2", "3", "4"]
    assert {record["status"] for record in read_records(out)} == {"done"}
    names = {f"tiny-seed={seed}.{end}" for seed in seeds for end in ("ipynb", "json")}
    assert {file.name for file in out.iterdir()} == names


def test_two_sweeps_in_threads_share_the_work_too(folder):
    runs = read_sweep(write_sweep(folder, SEEDS))
    with ThreadPoolExecutor() as pool:
        sweeps = [
            pool.submit(run_sweep, runs, folder / "runs", jobs) for jobs in (1, 2)
        ]
    records = [record for sweep in sweeps for record in sweep.result()]
    assert sorted(record["run"] for record in records) == [run.name for run in runs]
    assert {record["status"] for record in records} == {"done"}


def test_what_another_sweep_could_not_end_is_done_at_last(folder):
    """It holds the lock while ours does all else, and then gives it up."""
    runs = read_sweep(write_sweep(folder, SEEDS))
    out = folder / "runs"
    out.mkdir()
    with ThreadPoolExecutor() as pool:
        with lock_run(out, runs[0].name) as ours:
            assert ours
            sweep = pool.submit(run_sweep, runs, out)
            while not (out / f"{runs[1].name}.json").exists():
                assert not sweep.done()
                time.sleep(0.01)
            assert not (out / f"{runs[0].name}.json").exists()
        names = [record["run"] for record in sweep.result()]
    assert names == [runs[1].name, runs[0].name]


def test_leftovers_of_the_dead_are_removed_and_nothing_else_is(folder):
    out = folder / "runs"
    out.mkdir()
    for name in ("dead", "alive", "failed"):
        for ending in ("running", "kernel", "partial.ipynb"):
            (out / f"{name}.{ending}").touch()
    for name in ("mine.partial.ipynb", "mine.kernel", "poetry.lock", "deadly.txt"):
        (out / name).touch()
    write_record(
        out,
        {
            **dict.fromkeys(("chapter", "cause"), ""),
            "run": "failed",
            "status": "failed",
            "parameters": {},
            "metrics": {},
        },
    )
    before = {path.name for path in out.iterdir()}
    with lock_run(out, "alive") as ours:
        assert ours
        run_sweep([], out)
        gone = before - {path.name for path in out.iterdir()}
    assert gone == {
        "dead.running",
        "dead.kernel",
        "dead.partial.ipynb",
        "failed.running",
        "failed.kernel",
    }


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


def test_dask_carries_the_runs_to_its_workers(folder):
    """Two processes here; a scheduler's address instead makes them other machines."""
    runs = read_sweep(write_sweep(folder, SEEDS))
    options = {"dashboard_address": None, "silence_logs": logging.ERROR}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        records = run_sweep(runs, folder / "runs", jobs=2)
    assert {record["run"]: record["metrics"] for record in records} == {
        "tiny-seed=1": {"product": 0.5},
        "tiny-seed=2": {"product": 1.0},
    }
    assert {record["run"] for record in read_records(folder / "runs")} == {
        run.name for run in runs
    }
    assert run_sweep(runs, folder / "runs") == []


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
    assert (out / "tiny-seed=3.running").exists()
    assert (out / "tiny-seed=3.partial.ipynb").exists()

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
    assert len(runs) > 1
    for run in runs:
        if "methods" not in run.values:
            continue
        assert set(run.values["methods"].split()) <= {"raw", *METHODS}
        assert run.values["network"] in NETWORKS
