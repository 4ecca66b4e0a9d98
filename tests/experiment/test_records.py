"""Means and deviations over the seeds, against numpy."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from snnl_tutorial.experiment.records import (
    as_markdown,
    plot_metric,
    read_records,
    summary,
)


def record(seed, factor, acc, status="done", chapter="07_a"):
    return {
        **{"name": f"{chapter}-{seed}-{factor}", "chapter": chapter, "status": status},
        "parameters": {"seed": seed, "factor": factor, "device": "cpu"},
        "metrics": {"acc": acc, "word": "x"},
    }


RECORDS = [
    *(record(seed, 1.0, acc) for seed, acc in enumerate([0.5, 0.7, 0.9])),
    record(0, 10.0, 0.25),
    record(1, 10.0, 0.0, status="failed"),
]


def test_mean_and_deviation_over_the_seeds():
    table = summary(RECORDS)
    assert list(table.columns) == ["chapter", "factor", "runs", "acc", "acc sd"]
    assert table["runs"].tolist() == [3, 1]
    assert table["acc"].tolist() == pytest.approx([0.7, 0.25])
    assert table["acc sd"][0] == pytest.approx(np.std([0.5, 0.7, 0.9], ddof=1))
    assert np.isnan(table["acc sd"][1])


def test_chapters_with_other_parameters_stand_apart():
    other = {**record(0, 1.0, 0.1, chapter="08_b"), "parameters": {"seed": 0}}
    table = summary([*RECORDS, other])
    assert table["chapter"].tolist() == ["07_a", "07_a", "08_b"]
    assert table["acc"].tolist() == pytest.approx([0.7, 0.25, 0.1])


def test_a_table_in_markdown():
    lines = as_markdown(summary(RECORDS)).splitlines()
    assert lines[0] == "| chapter | factor | runs | acc | acc sd |"
    assert lines[2] == "| 07_a | 1 | 3 | 0.7 | 0.2 |"


def test_a_figure_of_a_metric():
    ax = plot_metric(RECORDS, "acc", "factor", plt.figure().gca())
    (line, *_) = ax.get_lines()
    assert line.get_ydata() == pytest.approx([0.7, 0.25])
    with pytest.raises(ValueError, match="no finished run has the parameter factor an"):
        plot_metric(RECORDS, "nmi", "factor", ax)
    plt.close("all")


def test_what_is_no_record_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no records"):
        read_records(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.json").write_text(json.dumps(RECORDS[0]))
    assert read_records(tmp_path) == [RECORDS[0]]
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(ValueError, match="b.json is no record"):
        read_records(tmp_path)
