"""One run: its name, its notebook and its record; a failure is recorded."""

import json
import platform
import re
import resource
from contextlib import contextmanager

import nbformat
import pytest

import snnl_tutorial
from snnl_tutorial.runs import environment, records
from snnl_tutorial.runs.chapters import chapter_paths, fill_defaults, read_chapter
from snnl_tutorial.runs.locks import lock_run
from snnl_tutorial.runs.runs import run_chapter, run_name
from tests import helpers


def chapter_of(folder, *code):
    return read_chapter(helpers.notebook(folder / "tiny.ipynb", *code))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_run_leaves_its_notebook_and_its_record(tmp_path):
    where = "import os; glue('where', os.getcwd())"
    chapter = chapter_of(tmp_path, helpers.PRODUCT, "glue('text', name * 2)", where)
    out, name = tmp_path / "deep" / "runs", "tiny-seed=3-factor=2.0"
    out.mkdir(parents=True)
    (out / f"{name}.partial.ipynb").touch()  # of an interrupted run
    record = run_chapter(chapter, {"seed": 3, "factor": 2}, out)
    assert names(out) == [f"{name}.ipynb", f"{name}.json"]
    assert json.loads((out / f"{name}.json").read_text()) == record
    executed = nbformat.read(out / f"{name}.ipynb", as_version=4)
    assert executed.metadata.papermill.parameters == {"factor": 2.0, "seed": 3}
    assert record["seconds"] > 0
    assert record["versions"]["python"] == platform.python_version()
    assert record["versions"]["snnl_tutorial"] == snnl_tutorial.__version__
    assert {"torch", "numpy"} <= set(record["versions"])
    expected = {
        "run": name,
        "status": "done",
        "cause": None,
        "chapter": "tiny",
        "sources": chapter.sources,
        "parameters": {"seed": 3, "factor": 2.0, "name": "a", "fast": False},
        "metrics": {"product": 6.0, "text": "aa", "where": str(tmp_path)},
        "device": environment.device_name(),
        "commit": None,  # tmp_path is in no repository
    }
    assert {key: record[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("raise ValueError('not\\nso')", "ValueError: not so (in cell [4])"),
        ("1 +", "SyntaxError: invalid syntax"),
        ("import os; os._exit(3)", "DeadKernelError: Kernel died (in cell [4])"),
    ],
)
def test_a_failure_is_recorded_with_its_cause(tmp_path, code, cause):
    chapter = chapter_of(tmp_path, helpers.PRODUCT, code, "glue('never', 1)")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "tiny-seed=4.ipynb").touch()  # of an earlier run
    record = run_chapter(chapter, {"seed": 4}, tmp_path / "runs")
    assert record["status"] == "failed"
    assert record["cause"].startswith(cause)
    assert "\n" not in record["cause"]
    assert record["metrics"] == {"product": 2.0}
    assert names(tmp_path / "runs") == ["tiny-seed=4.json", "tiny-seed=4.partial.ipynb"]
    assert records.read_record(tmp_path / "runs" / "tiny-seed=4.json") == record


@contextmanager
def files_of_at_most(size):
    """What a full disk does to a file that grows, without one: it is cut off."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "code",
    [
        ["print('x' * 40_000)"],
        ["print('x' * 40_000)", "1 / 0"],
        ["print('x' * 10_000)"] * 4,
    ],
    ids=["at once", "before another error", "bit by bit"],
)
def test_a_full_disk_is_the_cause_of_a_failure(tmp_path, code):
    """And not that the notebook is cut off, which it is by then."""
    chapter, out = chapter_of(tmp_path, *code), tmp_path / "runs"
    with files_of_at_most(20_000):
        record = run_chapter(chapter, {}, out)
    assert record["status"] == "failed"
    assert record["cause"].startswith("OSError: [Errno 27] File too large")
    assert records.read_record(out / "tiny.json") == record


def test_a_cause_is_one_short_line_without_control_characters(tmp_path):
    code = "raise ValueError('red \\x1b[31m\\n' + 'x' * 100_000 + '\\x07 end')"
    record = run_chapter(chapter_of(tmp_path, code), {}, tmp_path / "runs")
    assert record["cause"].startswith("ValueError: red ")
    assert record["cause"].endswith("x end (in cell [2])")
    assert record["cause"].isprintable()
    assert len(record["cause"]) < 1000


@pytest.mark.parametrize("name", ["a{b}", "{name.__class__}", "}{ %s [a] * '\"$x"])
def test_paths_are_no_templates(tmp_path, name):
    """Papermill would put the parameters in."""
    folder = tmp_path / name
    folder.mkdir()
    path = helpers.notebook(folder / f"{name}.ipynb", helpers.PRODUCT)
    record = run_chapter(read_chapter(path), {"seed": 3}, folder / name)
    assert (record["status"], record["cause"]) == ("done", None)
    assert names(folder / name) == [f"{record['run']}.ipynb", f"{record['run']}.json"]
    assert names(folder) == sorted([name, path.name])


@pytest.mark.parametrize("value", ['{seed} = #1f77b4 \'b"c"', "\\n\n\\é\x1b", "None"])
def test_a_text_arrives_as_it_was_given(tmp_path, value):
    chapter = chapter_of(tmp_path, f"{helpers.GLUE}\nglue('text', name)")
    record = run_chapter(chapter, {"name": value}, tmp_path / "runs")
    assert record["metrics"] == {"text": value}


def test_parameters_that_look_like_code_are_replaced(tmp_path):
    cell = "a: str = 'b=c'\nrate: float = 0.5  # T = 1 / t\ncolor: str = '#1f77b4'"
    code = f"{helpers.GLUE}\nglue('all', f'{{a}} {{rate}} {{color}}')"
    chapter = read_chapter(
        helpers.notebook(tmp_path / "t.ipynb", code, parameters=cell)
    )
    given = {"a": "d = 'e'", "rate": 0.25, "color": "# red"}
    record = run_chapter(chapter, given, tmp_path / "runs")
    assert record["parameters"] == given
    assert record["metrics"] == {"all": "d = 'e' 0.25 # red"}


def test_a_run_is_not_done_by_two_at_once(tmp_path):
    chapter, out = chapter_of(tmp_path, helpers.PRODUCT), tmp_path / "runs"
    out.mkdir()
    with lock_run(out, "tiny-seed=3") as ours:
        assert ours
        with pytest.raises(BlockingIOError, match="tiny-seed=3 is being run"):
            run_chapter(chapter, {"seed": 3}, out)
    assert run_chapter(chapter, {"seed": 3}, out)["status"] == "done"


def test_a_kernel_that_is_not_there(tmp_path):
    path = helpers.notebook(tmp_path / "tiny.ipynb")
    path.write_text(path.read_text().replace('"python3"', '"none-such"'))
    record = run_chapter(read_chapter(path), {}, tmp_path / "runs")
    assert record["status"] == "failed"
    assert record["cause"].startswith("NoSuchKernel: No such kernel named none-such")


def test_nothing_begins_with_a_wrong_parameter(tmp_path):
    chapter = chapter_of(tmp_path)
    with pytest.raises(TypeError, match="'seed' must be of type int"):
        run_chapter(chapter, {"seed": "x"}, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_glued_values_of_a_chapter_are_its_metrics(tmp_path):
    code = "from snnl_tutorial.view.notebook import glue\nimport torch, numpy"
    values = "glue('a', torch.tensor(2.5)); glue('b', numpy.float64('nan'))"
    more = "glue('c', True); glue('d', 'text'); glue('e', torch.tensor(3))"
    path = f"import sys; sys.path.insert(0, {str(helpers.ROOT)!r})"
    stored = "metadata={'scrapbook': {'name': 'f', 'mime_prefix': ''}}"
    figure = f"display({{'text/plain': '<Figure>'}}, raw=True, {stored})"
    chapter = chapter_of(tmp_path, f"{path}\n{code}\n{values}\n{more}", figure)
    metrics = run_chapter(chapter, {}, tmp_path / "runs")["metrics"]
    assert repr(metrics) == "{'a': 2.5, 'b': nan, 'c': True, 'd': 'text', 'e': 3}"


# --- names ----------------------------------------------------------------------------


def name_of(folder, stem="tiny", **given):
    chapter = read_chapter(helpers.notebook(folder / f"{stem}.ipynb"))
    return run_name(chapter, fill_defaults(chapter, given))


def test_the_name_tells_the_chapter_and_the_values_that_differ(tmp_path):
    assert name_of(tmp_path) == "tiny"
    assert name_of(tmp_path, seed=0, factor="0.5") == "tiny"
    assert name_of(tmp_path, fast=True, seed=3, factor=0.1) == (
        "tiny-seed=3-factor=0.1-fast=True"
    )


def test_only_a_chapter_of_the_book_is_named_by_its_number(tmp_path):
    given = {"seed": 3, "dataset": "fashion-mnist"}
    (book,) = (path for path in chapter_paths() if path.stem.startswith("05"))
    chapter = read_chapter(book)
    name = "05-seed=3-dataset=fashion-mnist"
    assert run_name(chapter, fill_defaults(chapter, given)) == name
    assert name_of(tmp_path, "05_layer_sum", seed=3) == "05_layer_sum-seed=3"


def test_a_long_name_ends_in_a_hash_of_all_values(tmp_path):
    given = {"seed": 3, "factor": 0.125, "name": "fashion-mnist"}
    one, two = (name_of(tmp_path, fast=fast, **given) for fast in (False, True))
    assert re.fullmatch(r"tiny-seed=3-factor=0\.125-[0-9a-f]{8}", one)
    assert re.fullmatch(r"tiny-seed=3-factor=0\.125-[0-9a-f]{8}", two)
    assert one != two


def test_names_of_different_runs_differ_and_are_safe(tmp_path):
    texts = ["a/b", "a_b", "a b", "a:b", "ä", "../..", "b" * 300, "b" * 301]
    found = [name_of(tmp_path, name=text) for text in texts]
    found.append(name_of(tmp_path, name="b-fast=True"))
    found.append(name_of(tmp_path, name="b", fast=True))
    found += [name_of(tmp_path, "n" * length, seed=3) for length in (100, 101)]
    assert len(set(found)) == len(found)
    for name in found:
        assert not set(name) & set('/\\:*?"<>| ')
        assert name.isascii()
        assert len(name) <= 49
