"""Records are read back and summed up; the oracle is arithmetic by hand."""

import json
import math
import os
from pathlib import Path

import pytest

from snnl_tutorial.runs.records import read_records, summarize, write_record


def record(metrics, chapter="05", status="done", **parameters):
    return {
        "run": "-".join(f"{k}={v}" for k, v in parameters.items()) or "default",
        "status": status,
        "cause": None if status == "done" else "ValueError: no",
        "chapter": chapter,
        "parameters": parameters,
        "metrics": metrics,
    }


def rows(summary):
    return summary.table.to_dict("records")


def test_the_mean_and_sd_over_seeds_of_each_setting():
    runs = [
        record({"acc": acc}, factor=factor, seed=seed, epochs=2)
        for factor, values in {0.1: [1.0, 2.0, 6.0], 0.5: [4.0, 6.0]}.items()
        for seed, acc in enumerate(values)
    ]
    summary = summarize(runs)
    assert (summary.varying, summary.metrics) == (["factor"], ["acc"])
    a, b = rows(summary)
    assert a == {
        "chapter": "05",
        "factor": 0.1,
        "n": 3,
        "acc mean": pytest.approx(3.0),
        "acc sd": pytest.approx(math.sqrt((4 + 1 + 9) / 2)),
    }
    assert (b["factor"], b["n"], b["acc mean"]) == (0.5, 2, 5.0)
    assert b["acc sd"] == pytest.approx(math.sqrt(2))


def test_one_run_has_no_sd_and_texts_are_no_metric():
    (row,) = rows(summarize([record({"a": 2, "ok": True, "t": "text"}, seed=0)]))
    assert (row["n"], row["a mean"], row["ok mean"]) == (1, 2.0, 1.0)
    assert math.isnan(row["a sd"])
    assert "t mean" not in row


def test_a_run_that_diverged_is_not_overlooked():
    runs = [record({"a": value}, seed=i) for i, value in enumerate([1.0, math.nan])]
    (row,) = rows(summarize(runs))
    assert row["n"] == 2
    assert math.isnan(row["a mean"])


def test_a_failed_run_does_not_count():
    runs = [record({"a": 1.0}, seed=0), record({"a": 9.0}, "05", "failed", seed=1)]
    (row,) = rows(summarize(runs))
    assert (row["n"], row["a mean"]) == (1, 1.0)
    with pytest.raises(ValueError, match="no run that is done"):
        summarize(runs[1:])


def test_a_metric_may_be_called_like_a_parameter():
    runs = [record({"factor": f * 2}, factor=f) for f in (1.0, 2.0)]
    assert [(r["factor"], r["factor mean"]) for r in rows(summarize(runs))] == [
        (1.0, 2.0),
        (2.0, 4.0),
    ]


def test_chapters_with_other_parameters_stand_below_each_other():
    runs = [record({"a": 1.0}, "04", steps=1), record({"b": 2.0}, "05", factor=2.0)]
    one, two = rows(summarize(runs))
    assert (one["chapter"], one["steps"], one["a mean"]) == ("04", 1, 1.0)
    assert (two["chapter"], two["factor"], two["b mean"]) == ("05", 2.0, 2.0)
    assert math.isnan(one["b mean"])
    assert math.isnan(one["factor"])


def test_runs_without_metrics_or_parameters_are_counted():
    (row,) = rows(summarize([record({}), record({})]))
    assert row == {"chapter": "05", "n": 2}


def test_records_are_found_in_folders_below_and_nothing_else_is(tmp_path):
    runs = [record({"a": math.nan}, seed=0), record({"a": 2.0}, seed=1)]
    for i, run in enumerate(runs):
        (tmp_path / str(i)).mkdir()
        write_record(tmp_path / str(i), run)
    others = ["[]", "{}", '{"run": 1, "status": "done"}', '[{"deep": []}]']
    for i, text in enumerate(others):
        (tmp_path / f"{i}.json").write_text(text)
    assert repr(read_records(tmp_path)) == repr(runs)
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("name", [".", "none"])
def test_a_folder_without_records(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="no record of a run"):
        read_records(tmp_path / name)


GOOD = json.dumps(record({"a": 1.0}, seed=1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[:-3],  # cut off
        GOOD[: len(GOOD) // 2] + "\0" * 20,
        '{"metrics": ' * 100_000,  # nested deeper than Python reads
        GOOD.replace('{"a": 1.0}', "null"),
        GOOD.replace('{"seed": 1}', "[]"),
        GOOD.replace('"05"', "5"),
        GOOD.replace('"done"', '"dnoe"'),
    ],
    ids=range(8),
)
def test_a_damaged_record_is_not_passed_over(tmp_path, text):
    """The mean of the others would be another one."""
    write_record(tmp_path, record({"a": 1.0}, seed=0))
    (tmp_path / "lost.json").write_text(text)
    with pytest.raises(ValueError, match=r"lost\.json .*damaged record"):
        read_records(tmp_path)


def test_a_record_that_cannot_be_read_is_not_passed_over(tmp_path):
    write_record(tmp_path, record({"a": 1.0}, seed=0))
    (tmp_path / "lost.json").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="lost"):
        read_records(tmp_path)


def test_a_folder_that_cannot_be_read_is_not_passed_over(tmp_path, monkeypatch):
    """The system's refusal is imitated: root may read everything."""
    write_record(tmp_path, record({"a": 1.0}, seed=0))
    (tmp_path / "lost").mkdir()
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "lost":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="lost"):
        read_records(tmp_path)


def test_a_metric_larger_than_any_float_is_named():
    with pytest.raises(ValueError, match="seed=1: a metric is too large"):
        summarize([record({"a": 1}, seed=0), record({"a": 10**400}, seed=1)])
