"""One run: its name, its notebook, its record; what goes wrong is recorded."""

import json
import platform
import subprocess

import nbformat
import pytest

import snnl_tutorial
from snnl_tutorial.runs import records, environment
from snnl_tutorial.runs.chapters import complete, read_chapter
from snnl_tutorial.runs.runs import run_chapter, run_name
from tests import tiny


def chapter_of(folder, *code):
    return read_chapter(tiny.notebook(folder / "tiny.ipynb", *code))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_run_leaves_its_notebook_and_its_record(tmp_path):
    chapter = chapter_of(tmp_path, tiny.PRODUCT, "glue('text', name * 2)")
    out = tmp_path / "deep" / "runs"
    record = run_chapter(chapter, {"seed": 3, "factor": 2}, out)
    assert names(out) == ["tiny-factor=2.0-seed=3.ipynb", "tiny-factor=2.0-seed=3.json"]
    assert json.loads((out / "tiny-factor=2.0-seed=3.json").read_text()) == record
    executed = nbformat.read(out / "tiny-factor=2.0-seed=3.ipynb", as_version=4)
    assert executed.metadata.papermill.parameters == {"factor": 2.0, "seed": 3}
    assert record["seconds"] > 0
    assert record["versions"]["python"] == platform.python_version()
    assert record["versions"]["snnl_tutorial"] == snnl_tutorial.__version__
    assert {"torch", "numpy"} <= set(record["versions"])
    expected = {
        "run": "tiny-factor=2.0-seed=3",
        "status": "done",
        "cause": None,
        "chapter": "tiny",
        "sources": chapter.sources,
        "parameters": {"seed": 3, "factor": 2.0, "name": "a", "fast": False},
        "metrics": {"product": 6.0, "text": "aa"},
        "device": environment.device_name(),
        "commit": None,  # tmp_path is in no repository
    }
    assert {key: record[key] for key in expected} == expected


def test_a_chapter_runs_where_it_lies(tmp_path):
    (tmp_path / "book").mkdir()
    chapter = chapter_of(
        tmp_path / "book", f"{tiny.GLUE}\nimport os; glue('where', os.getcwd())"
    )
    record = run_chapter(chapter, {}, tmp_path / "runs")
    assert record["metrics"] == {"where": str(tmp_path / "book")}


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("raise ValueError('not\\nso')", "ValueError: not so (in cell [4])"),
        ("1 +", "SyntaxError: invalid syntax"),
        ("import os; os._exit(3)", "DeadKernelError: Kernel died (in cell [4])"),
    ],
)
def test_a_failure_is_recorded_with_its_cause(tmp_path, code, cause):
    chapter = chapter_of(tmp_path, tiny.PRODUCT, code, "glue('never', 1)")
    record = run_chapter(chapter, {"seed": 4}, tmp_path / "runs")
    assert record["status"] == "failed"
    assert record["cause"].startswith(cause)
    assert "\n" not in record["cause"]
    assert record["metrics"] == {"product": 2.0}
    assert names(tmp_path / "runs") == ["tiny-seed=4.json", "tiny-seed=4.partial.ipynb"]
    assert records.read_record(tmp_path / "runs" / "tiny-seed=4.json") == record


def test_the_last_run_is_the_one_that_counts(tmp_path):
    """Done, then failed, then done: nothing of an earlier run stays."""
    out, switch = tmp_path / "runs", tmp_path / "switch"
    code = "from pathlib import Path\nassert not Path('switch').exists()"
    chapter = chapter_of(tmp_path, code)
    for fails in (False, True, False):
        if fails:
            switch.touch()
        else:
            switch.unlink(missing_ok=True)
        record = run_chapter(chapter, {}, out)
        assert record["status"] == ("failed" if fails else "done")
        kept = "tiny.partial.ipynb" if fails else "tiny.ipynb"
        assert names(out) == sorted(["tiny.json", kept])


def test_a_kernel_that_is_not_there(tmp_path):
    path = tiny.notebook(tmp_path / "tiny.ipynb")
    path.write_text(path.read_text().replace('"python3"', '"none-such"'))
    record = run_chapter(read_chapter(path), {}, tmp_path / "runs")
    assert record["status"] == "failed"
    assert record["cause"].startswith("NoSuchKernel: No such kernel named none-such")


def test_nothing_begins_with_a_wrong_parameter(tmp_path):
    chapter = chapter_of(tmp_path)
    with pytest.raises(TypeError, match="'seed' must be of type int"):
        run_chapter(chapter, {"seed": "x"}, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_glue_of_a_chapter_is_found(tmp_path):
    code = "from snnl_tutorial.view.notebook import glue\nimport torch, numpy"
    values = "glue('a', torch.tensor(2.5)); glue('b', numpy.float64('nan'))"
    more = "glue('c', True); glue('d', 'text'); glue('e', torch.tensor(3))"
    path = f"import sys; sys.path.insert(0, {str(tiny.ROOT)!r})"
    chapter = chapter_of(tmp_path, f"{path}\n{code}\n{values}\n{more}")
    metrics = run_chapter(chapter, {}, tmp_path / "runs")["metrics"]
    assert repr(metrics) == "{'a': 2.5, 'b': nan, 'c': True, 'd': 'text', 'e': 3}"


def test_what_is_no_value_is_no_metric(tmp_path):
    stored = "metadata={'scrapbook': {'name': 'f', 'mime_prefix': ''}}"
    figure = f"display({{'text/plain': '<Figure>'}}, raw=True, {stored})"
    chapter = chapter_of(tmp_path, f"{tiny.PRODUCT}\n{figure}")
    assert run_chapter(chapter, {}, tmp_path / "runs")["metrics"] == {"product": 0.0}


# --- names ----------------------------------------------------------------------------


def named(folder, **given):
    chapter = chapter_of(folder)
    return run_name(chapter, complete(chapter, given))


def test_the_name_tells_what_differs_from_the_chapters_own(tmp_path):
    assert named(tmp_path) == "tiny"
    assert named(tmp_path, seed=0, factor="0.5") == "tiny"
    given = {"seed": 3, "factor": 0.1, "name": "fashion-mnist", "fast": True}
    expected = "tiny-factor=0.1-fast=True-name=fashion-mnist-seed=3"
    assert named(tmp_path, **given) == expected


def test_names_of_different_runs_differ_and_are_safe(tmp_path):
    texts = ["a/b", "a_b", "a b", "a:b", "ä", "../..", "b" * 300, "b" * 301]
    found = [named(tmp_path, name=text) for text in texts]
    found.append(named(tmp_path, name="b-seed=3"))
    found.append(named(tmp_path, name="b", seed=3))
    assert len(set(found)) == len(found)
    for name in found:
        assert not set(name) & set('/\\:*?"<>| ')
        assert name.isascii()
        assert len(name) < 140


# --- environment ---------------------------------------------------------------------


def test_the_commit_of_a_file_that_git_knows(tmp_path):
    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    known, unknown = tmp_path / "known", tmp_path / "unknown"
    git("init", "--quiet")
    for path in (known, unknown):
        path.write_text("a")
    git("add", "known")
    git("commit", "--quiet", "-m", "one")
    git("tag", "-a", "v1", "-m", "a tag is no commit")
    assert environment.commit(known) == git("rev-parse", "HEAD")
    assert environment.commit(unknown) is None
    known.write_text("b")
    assert environment.commit(known) == git("rev-parse", "HEAD") + "-dirty"


def test_versions_say_what_is_missing():
    assert environment.versions("no-such-package")["no-such-package"] == (
        "not installed"
    )
