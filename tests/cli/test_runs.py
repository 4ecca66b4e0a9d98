"""`snnl` on the command line: what it prints, and its exit status."""

import csv
import io
import json
import subprocess
import sys
import textwrap

import click
import pytest
import yaml
from click.testing import CliRunner
from matplotlib import image

from snnl_tutorial.cli import main, snnl
from snnl_tutorial.runs.chapters import chapter_paths
from tests import helpers

HEAVY = ("torch", "numpy", "pandas", "papermill", "matplotlib", "joblib", "yaml")


def invoke(*arguments):
    return CliRunner().invoke(snnl, [str(argument) for argument in arguments])


@pytest.fixture
def in_process(monkeypatch, capsys):
    """Run `snnl` as a user does, within this process: faster than `helpers.snnl`."""

    def run(*arguments):
        words = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["snnl", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return subprocess.CompletedProcess(
            words, ended.value.code, captured.out, captured.err
        )

    return run


def one_line(done, status, words):
    """It ended with this status, and said so in one line, and nothing else."""
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("snnl: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


@pytest.fixture
def runs(tmp_path):
    """Records of two settings with two seeds each, and a failed one."""
    for factor in (0.5, 1.0):
        for seed in (0, 1):
            metrics = {"loss": factor + seed, "acc": 0.123456}
            write(tmp_path, metrics, f"f={factor}-s={seed}", factor=factor, seed=seed)
    write(tmp_path, {}, "bad", "failed", factor=9.0, seed=0)
    return tmp_path


def write(folder, metrics, run, status="done", **parameters):
    record = {
        "run": run,
        "status": status,
        "cause": "ValueError: no (in cell [3])" if status == "failed" else None,
        "chapter": "05_layer_sum",
        "parameters": parameters,
        "metrics": metrics,
    }
    (folder / f"{run}.json").write_text(json.dumps(record))


# --- all commands ---------------------------------------------------------------------


def test_help_loads_nothing_heavy():
    code = (
        "import sys, click; from snnl_tutorial.cli import snnl\n"
        "snnl.main(['--help'], standalone_mode=False)\n"
        f"print('loaded:', sorted(set({HEAVY}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=helpers.ROOT
    )
    assert "loaded: []" in done.stdout
    for name in ("chapters", "data", "info", "results", "run", "sweep"):
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["bogus"], 2, "No such command 'bogus'"),
        (["run"], 2, "Missing argument 'CHAPTER'"),
        (["run", "5", "-p", "seed"], 2, "requires 2 arguments"),
        (["run", "99"], 1, "05_layer_sum"),
        (["run", "5", "-p", "sed", "1"], 1, "no parameter 'sed'; it has seed, dataset"),
        (["run", "5", "-p", "seed", "x"], 1, "must be of type int; got str 'x'"),
        (["sweep", "none.yaml"], 1, "none.yaml"),
        (["sweep", "x.yaml", "-j", "0"], 2, "0 is not in the range"),
        (["results", "none"], 1, "none: there is no record of a run in it"),
    ],
)
def test_bad_input_is_one_line(in_process, arguments, status, words):
    one_line(in_process(*arguments), status, words)


@pytest.mark.parametrize(
    "error", [ValueError("a\nb"), TypeError("a\n b"), OSError("a \nb")]
)
def test_an_error_of_any_command_is_one_line(in_process, monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setitem(snnl.commands, "fail", click.Command("fail", callback=fail))
    done = in_process("fail")
    one_line(done, 1, "a b")
    assert done.stdout == ""


@pytest.mark.parametrize(
    "error",
    [
        RecursionError("too deep"),
        MemoryError(),
        RuntimeError("no home"),
        OverflowError("too large"),
        AttributeError("no such thing"),
        KeyError("a"),
        ValueError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_unexpected_error_is_one_line_and_debug_shows_where(
    in_process, monkeypatch, error
):
    def fail():
        raise error

    monkeypatch.setitem(snnl.commands, "fail", click.Command("fail", callback=fail))
    done = in_process("fail")
    one_line(done, 1, f"snnl: {type(error).__name__}: {error}".rstrip())
    assert "snnl --debug shows where" in done.stderr
    monkeypatch.setattr(sys, "argv", ["snnl", "--debug", "fail"])
    with pytest.raises(type(error)):
        main()


def test_an_error_is_one_short_line_without_control_characters(in_process, monkeypatch):
    def fail():
        raise ValueError("red \x1b[31m\x07 \u202e\udcff" + "x" * 10_000_000 + " end")

    monkeypatch.setitem(snnl.commands, "fail", click.Command("fail", callback=fail))
    done = in_process("fail")
    one_line(done, 1, "red ")
    assert done.stderr.rstrip("\n").isprintable()
    assert done.stderr.endswith(" end\n")
    assert len(done.stderr) < 1000


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("files", "arguments", "variables", "words"),
    [
        ({"a.json": DEEP}, ["results", "."], {}, "a.json may be a damaged record"),
        ({"a.ipynb": DEEP}, ["run", "a.ipynb"], {}, "a.ipynb is not a notebook"),
        ({"a.yaml": DEEP}, ["sweep", "a.yaml"], {}, "nested too deeply"),
        (
            {},
            ["run", "1", "-p", "seed", "1" + "+1" * 50_000],
            {},
            "must be of type int",
        ),
        ({}, ["run", "1", "-o", "loop"], {}, "loop"),
        ({}, ["data", "list"], {"SNNL_DATA": "~nosuchuser/x"}, "home folder"),
    ],
    ids=["record", "notebook", "sweep", "value", "loop", "home"],
)
def test_whatever_happens_there_is_no_traceback(
    in_process, tmp_path, monkeypatch, files, arguments, variables, words
):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    done = in_process(*arguments)
    assert done.returncode in (1, 2)
    one_line(done, done.returncode, words)


def test_the_example_in_the_help_is_valid_yaml():
    text = invoke("sweep", "--help").output
    block = text[text.index("  chapter: 5") : text.index("  After")]
    assert yaml.safe_load(textwrap.dedent(block)) == {
        "chapter": 5,
        "parameters": {"epochs": 4},
        "grid": {"factor": [0.0, 0.5], "seed": [0, 1, 2]},
    }


def test_without_a_command_it_shows_the_help(in_process):
    done = in_process()
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: snnl")


@pytest.mark.parametrize("library", ["nbformat", "click"])
def test_a_missing_library_is_reported(library):
    code = (
        f"import sys; sys.modules[{library!r}] = None; sys.argv[1:] = ['chapters']\n"
        "from snnl_tutorial.cli import main; main()"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=helpers.ROOT
    )
    words = f'{library} is not installed: pip install "snnl-tutorial[run]"'
    one_line(done, 1, words)


def test_chapters_lists_every_chapter_with_its_parameters():
    output = invoke("chapters").output
    for path in chapter_paths():
        assert f"\n{path.stem}  " in f"\n{output}"
    assert (
        "05_layer_sum  Layer sum: where in a network are the classes entangled?"
        in output
    )
    words = [line.split(maxsplit=3) for line in output.splitlines()]
    assert ["seed", "int", "0", "decides every random draw"] in words
    assert ["dataset", "str", "mnist", 'or "fashion-mnist"'] in words


def test_info_names_versions_devices_and_folders():
    output = invoke("info").output
    lines = dict(line.split(maxsplit=1) for line in output.splitlines())
    for name in ("python", "torch", "papermill", "cpu", "cuda", "mps", "commit"):
        assert lines[name]
    assert lines["chapters"] == f"{len(chapter_paths())} in {helpers.ROOT / 'book'}"
    assert lines["data"] == str(helpers.ROOT / "data")


# --- run and sweep --------------------------------------------------------------------


def test_run_prints_where_it_wrote_and_what_it_measured(tmp_path):
    notebook = helpers.notebook(tmp_path / "tiny.ipynb", helpers.PRODUCT)
    out = tmp_path / "runs"
    done = helpers.snnl("run", notebook, "-p", "seed", 3, "-p", "name", "-1", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [f"{out}/tiny-seed=3-name=-1.ipynb", "product", "1.5"]
    record = json.loads((out / "tiny-seed=3-name=-1.json").read_text())
    assert record["status"] == "done"


def test_metrics_are_printed_without_control_characters(tmp_path):
    code = f"{helpers.GLUE}\nglue('a\\x1b[2J', name)\nglue('b', 'x' * 100_000)"
    notebook = helpers.notebook(tmp_path / "tiny.ipynb", code)
    out = tmp_path / "red\x1b[31m"
    result = invoke("run", notebook, "-p", "name", "b\x1b[3J\nc", "-o", out)
    lines = result.output.splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() and len(line) < 1000 for line in lines)
    assert lines[1].split() == ["a", "[2J", "b", "[3J", "c"]


def test_device_is_short_for_a_parameter(tmp_path):
    code = f"{helpers.GLUE}\nglue('on', device)"
    line = 'device: str = "cpu"  # where'
    notebook = helpers.notebook(tmp_path / "tiny.ipynb", code, parameters=line)
    result = invoke("run", notebook, "--device", "meta", "-o", tmp_path)
    assert result.output.split()[-2:] == ["on", "meta"]
    assert (tmp_path / "tiny-device=meta.json").exists()
    result = invoke("run", notebook, "--device", "meta", "-p", "device", "cpu")
    assert "'device' is given twice" in result.output
    assert result.exit_code == 1


def test_a_run_that_fails_is_one_line(tmp_path):
    notebook = helpers.notebook(tmp_path / "tiny.ipynb", "raise ValueError('not\\nso')")
    done = helpers.snnl("run", notebook, "-o", tmp_path)
    one_line(done, 1, "tiny failed: ValueError: not so (in cell [2])")
    assert (tmp_path / "tiny.partial.ipynb").exists()


@pytest.mark.parametrize("jobs", [None, 2])
def test_ctrl_c_is_one_line(tmp_path, jobs):
    """The notebook itself sends the signal, once, in the middle of a cell."""
    code = (
        "import os, signal, threading\n"
        "if seed == 0:\n"
        "    os.kill(os.getppid(), signal.SIGINT)\n"
        "threading.Event().wait()"
    )
    notebook = helpers.notebook(tmp_path / "tiny.ipynb", code)
    (tmp_path / "sweep.yaml").write_text("chapter: tiny.ipynb\ngrid: {seed: [0, 1, 2]}")
    out = tmp_path / "runs"
    if jobs is None:
        done = helpers.snnl("run", notebook, "-o", out)
    else:
        done = helpers.snnl("sweep", tmp_path / "sweep.yaml", "-o", out, "-j", jobs)
    one_line(done, 130, "interrupted")
    names = {path.name for path in out.iterdir()}
    assert "tiny.partial.ipynb" in names
    assert not any(name.endswith(".json") for name in names)
    notebooks = {name for name in names if name.endswith(".ipynb")}
    assert all(name.endswith(".partial.ipynb") for name in notebooks)


def test_a_sweep_reports_every_failure_in_a_line(tmp_path):
    helpers.notebook(tmp_path / "tiny.ipynb", "1 / (seed == 3)", helpers.PRODUCT)
    path = tmp_path / "sweep.yaml"
    path.write_text("chapter: tiny.ipynb\ngrid: {seed: [1, 2, 3]}")
    done = helpers.snnl("sweep", path, "-o", tmp_path / "runs")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"snnl: {name} failed: ZeroDivisionError: division by zero (in cell [3])"
        for name in ("tiny-seed=1", "tiny-seed=2")
    ]
    assert "3 runs in" in done.stdout
    assert "0 done before, 1 done now, 2 failed" in done.stdout


# --- results --------------------------------------------------------------------------


def test_results_prints_a_row_for_each_setting_and_names_what_failed(runs):
    result = invoke("results", runs)
    heads = ["loss", "mean", "loss", "sd", "acc", "mean", "acc", "sd"]
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["chapter", "factor", "n", *heads],
        ["05_layer_sum", "0.5", "2", "1", "0.7071", "0.1235", "0"],
        ["05_layer_sum", "1", "2", "1.5", "0.7071", "0.1235", "0"],
    ]
    assert result.stderr == (
        "snnl: left out: bad failed: ValueError: no (in cell [3])\n"
    )


def test_results_are_printed_without_control_characters(tmp_path):
    for text in ("a\x1b[2J", "b\n\x07c"):
        name = f"{len(text)}"
        write(tmp_path, {"x\x1b[31m": 1}, name, name=text, seed=0)
    write(tmp_path, {}, "bad", "failed", name="a", seed=1)
    result = invoke("results", tmp_path)
    assert result.exit_code == 0
    for line in result.output.splitlines():
        assert line.isprintable()


def test_results_refuses_a_damaged_record(runs, in_process):
    damaged = next(runs.glob("*.json"))
    damaged.write_text(damaged.read_text()[:-9])
    done = in_process("results", runs)
    one_line(done, 1, f"{damaged.name} may be a damaged record")
    assert done.stdout == ""


def test_results_writes_tables(runs):
    table, markdown = runs / "t.csv", runs / "t.md"
    assert invoke("results", runs, "--csv", table, "--markdown", markdown)
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [float(row["factor"]) for row in rows] == [0.5, 1.0]
    assert [float(row["loss mean"]) for row in rows] == [1.0, 1.5]
    assert float(rows[0]["acc mean"]) == 0.123456
    lines = markdown.read_text().splitlines()
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells == ["05_layer_sum", "0.5", "2", "1", "0.7071", "0.1235", "0"]
    assert len(lines) == 4


@pytest.mark.parametrize("options", [[], ["--x", "factor"], ["--y", "loss"]])
def test_results_draws_a_figure(runs, options):
    path = runs / "f.png"
    result = invoke("results", runs, "--figure", path, *options)
    assert result.exit_code == 0, result.output
    pixels = image.imread(path)
    # A panel for each metric, unless one is asked for; and something in it.
    assert pixels.shape[0] / 3.5 / 144 == pytest.approx(1 if "--y" in options else 2)
    assert pixels[..., :3].min() < 0.5


def test_a_figure_of_many_settings_has_room_for_their_names(tmp_path):
    """The stored runs have some fifty settings of ten parameters."""
    folder, path = helpers.ROOT / "data" / "results" / "papers", tmp_path / "f.png"
    done = helpers.snnl("results", folder, "--figure", path, "--y", "acc")
    assert done.returncode == 0
    assert "Warning" not in done.stderr  # matplotlib's, if the names leave no room
    assert image.imread(path).shape[0] > 20 * 144


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--figure", "f.png", "--y", "los"], "metric must be one of: loss, acc"),
        (["--figure", "f.png", "--x", "seed"], "x must be a parameter that varies"),
        (["--x", "factor"], "--x and --y need --figure"),
    ],
)
def test_results_that_cannot_be_shown(runs, options, words):
    result = invoke("results", runs, *options)
    assert result.exit_code != 0
    assert words in result.stderr
