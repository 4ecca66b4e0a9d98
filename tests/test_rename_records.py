"""Stored records get the names that runs have today, once, whatever interrupts."""

import json
import shutil

import pytest
import rename_records

from snnl_tutorial.runs.chapters import fill_defaults, read_chapter
from snnl_tutorial.runs.records import write_record
from snnl_tutorial.runs.runs import run_name
from snnl_tutorial.runs.sweeps import Run, is_done

OLD = "05_layer_sum-factor=0.1-seed=3"
NEW = "05-seed=3-factor=0.1"


def store(folder, run, chapter="05_layer_sum", **changes):
    """Write a record and its notebook under this name; return the record."""
    found = read_chapter(5)
    record = {
        "run": run,
        "status": "done",
        "chapter": chapter,
        "sources": found.sources,
        "parameters": fill_defaults(found, {"seed": 3, "factor": 0.1}),
        "metrics": {"acc": 0.5},
        **changes,
    }
    write_record(folder, record)
    (folder / f"{run}.ipynb").write_text("{}")
    return record


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.*")}


def test_a_record_is_renamed_with_its_notebook_and_its_field(tmp_path, capsys):
    folder = tmp_path / "below"
    record = store(folder, OLD)
    (folder / "other.json").write_text('{"no": "record"}')
    assert rename_records.main([str(tmp_path)]) == 0
    assert "1 records renamed, 0 left" in capsys.readouterr().out
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{NEW}.json", f"{NEW}.ipynb", "other.json"}
    assert json.loads((folder / f"{NEW}.json").read_text()) == record | {"run": NEW}
    assert (folder / f"{NEW}.ipynb").read_text() == "{}"


def test_a_sweep_finds_a_renamed_run(tmp_path):
    record = store(tmp_path, OLD)
    rename_records.main([str(tmp_path)])
    chapter = read_chapter(5)
    name = run_name(chapter, record["parameters"])
    assert is_done(Run(name, chapter, record["parameters"]), tmp_path)


def test_a_second_call_changes_nothing(tmp_path):
    store(tmp_path, OLD)
    rename_records.main([str(tmp_path)])
    before = contents(tmp_path)
    assert rename_records.main([str(tmp_path)]) == 0
    assert contents(tmp_path) == before


def test_an_interrupted_call_is_completed(tmp_path):
    """The notebook was moved and the new record written, but the old one is there."""
    store(tmp_path / "whole", OLD)
    rename_records.main([str(tmp_path / "whole")])
    store(tmp_path / "part", OLD)
    (tmp_path / "part" / f"{OLD}.ipynb").unlink()
    for path in (tmp_path / "whole").iterdir():
        shutil.copy(path, tmp_path / "part")
    rename_records.main([str(tmp_path / "part")])
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


def test_a_failed_run_keeps_its_partial_notebook(tmp_path):
    store(tmp_path, OLD, status="failed")
    (tmp_path / f"{OLD}.ipynb").rename(tmp_path / f"{OLD}.partial.ipynb")
    rename_records.main([str(tmp_path)])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{NEW}.json", f"{NEW}.partial.ipynb"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chapter": "none"}, "chapter must be a number or a name"),
        ({"parameters": {"gone": 1}}, "no parameter 'gone'"),
        ({"metrics": {"acc": 0.9}}, f"{NEW}.json is another run"),
    ],
)
def test_what_cannot_be_renamed_stays_and_is_reported(tmp_path, capsys, changes, words):
    store(tmp_path, NEW)
    store(tmp_path, OLD, **changes)
    before = contents(tmp_path)
    assert rename_records.main([str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert words in printed.err
    assert "0 records renamed, 1 left" in printed.out
    assert contents(tmp_path) == before
