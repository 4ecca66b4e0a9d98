"""The command line: what it prints, one line for an error, and its exit code."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from snnl_tutorial.cli import main
from tests.experiment.tiny import tiny_chapter

pytestmark = [
    # jupyter's own housekeeping, nothing that a run does
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Kernel is running over TCP:UserWarning"),
]


def snnl(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def fails(result, *parts):
    assert result.exit_code in (1, 2)
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("snnl: ")
    for part in parts:
        assert part in result.stderr


def test_help_is_there_at_once():
    code = (
        "import sys\n"
        "from snnl_tutorial.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print({'torch', 'papermill', 'matplotlib', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("set()\n")
    for command in ("chapters", "run", "sweep", "results", "data", "info"):
        assert f"\n  {command} " in done.stdout


def test_chapters_are_listed_with_their_parameters():
    result = snnl("chapters")
    assert result.exit_code == 0
    assert "05_layer_sum\n" in result.stdout
    assert "decides every random draw" in result.stdout


def test_info_tells_versions_and_folders():
    result = snnl("info")
    assert result.exit_code == 0
    for word in ("torch", "devices", "cpu", "chapters", "commit"):
        assert word in result.stdout


def test_a_run_and_its_results(tmp_path):
    chapter, folder = tiny_chapter(tmp_path), tmp_path / "runs"
    for seed in (0, 1):
        words = ["-p", "seed", seed, "-p", "word", "w", "-o", folder]
        result = snnl("run", chapter, *words, "--device", "meta")
        assert result.exit_code == 0, result.output
    assert json.loads((folder / "tiny-device=meta-word=w.json").read_text())
    csv, markdown, figure = (tmp_path / f"a.{kind}" for kind in ("csv", "md", "png"))
    files = ["--csv", csv, "--markdown", markdown, "--figure", figure]
    result = snnl("results", folder, *files, "--x", "seed", "--y", "total")
    assert result.exit_code == 0, result.output
    assert csv.read_text().splitlines()[1].startswith("tiny,2,2.0,0.7071")
    assert "| tiny | 2 | 2 | 0.7071 |" in markdown.read_text()
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_failed_run_is_one_line_and_is_not_hidden(tmp_path):
    chapter, folder = tiny_chapter(tmp_path), tmp_path / "runs"
    result = snnl("run", chapter, "-p", "fail", "true", "-o", folder)
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]  # the lines before are the progress bar's
    assert last.startswith("snnl: tiny-fail=True failed: cell ")
    assert last.endswith("ValueError: told to fail")
    assert (folder / "tiny-fail=True.failed.ipynb").exists()
    result = snnl("results", folder)
    fails_with = "none of the 1 runs is done"
    assert result.exit_code == 1
    assert fails_with in result.stderr
    assert "tiny-fail=True" in result.stderr


def test_a_sweep_says_when_there_is_nothing_to_do(tmp_path):
    tiny_chapter(tmp_path)
    plan, folder = tmp_path / "plan.yaml", tmp_path / "runs"
    plan.write_text("{chapter: tiny.ipynb, grid: {first: [1]}}")
    assert snnl("sweep", plan, "-o", folder).exit_code == 0
    result = snnl("sweep", plan, "-o", folder)
    assert result.exit_code == 0
    assert "nothing to do" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fly"], "No such command 'fly'"),
        (["run"], "Missing argument 'CHAPTER'"),
        (["run", "5", "-p", "epochs"], "requires 2 arguments"),
        (["data", "import", "mnist"], "Missing option '--from'"),
        (["run", "99"], "no chapter '99'; there are 01_distance_matrix"),
        (["run", "5", "-p", "epoch", "3"], "no parameter 'epoch'; it has seed"),
        (["run", "5", "-p", "epochs", "few"], "epochs must be int; got 'few'"),
        (["sweep", "nowhere.yaml"], "nowhere.yaml"),
        (["results", "nowhere"], "no records of runs in nowhere"),
        (["results", ".", "--figure", "a.png"], "--figure needs --x"),
    ],
)
def test_what_is_wrong_in_one_line(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fails(snnl(*words), message)
    assert not list(tmp_path.iterdir())
