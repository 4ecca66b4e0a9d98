"""The stored results: as planned, summed up correctly, and one row made anew."""

import csv
import json
import os
import statistics
from pathlib import Path

import pytest
import torch
from scipy import stats

from snnl_tutorial import load_dataset
from snnl_tutorial.datasets.cache import import_files
from snnl_tutorial.learning.evaluation import cluster, clustering_accuracy
from snnl_tutorial.runs.records import read_records
from snnl_tutorial.runs.sweeps import read_sweep

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
RAW = Path(os.environ.get("SNNL_RAW_DATA", "not-given"))


def matches(row, parameters):
    """Whether a row of the table sums up a run with these parameters."""
    return all(str(parameters[k]) == v for k, v in row.items() if k in parameters)


def setting(chapter, parameters):
    """What a run computes: all but where it computes it."""
    return chapter, json.dumps({**parameters, "device": "any"}, sort_keys=True)


@pytest.mark.parametrize(
    "name",
    ["papers", "choice", "gpu", "few_labels_choice", "few_labels", "relatives"],
)
def test_the_records_are_those_that_the_sweep_file_plans(name):
    records = read_records(RESULTS / name)
    stored = [setting(record["chapter"], record["parameters"]) for record in records]
    planned = [
        setting(run.chapter.path.stem, run.values)
        for run in read_sweep(ROOT / "benchmarks" / "sweeps" / f"{name}.yaml")
    ]
    assert sorted(stored) == sorted(planned)
    for record in records:
        assert record["status"] == "done"
        assert len(record["commit"]) == 40  # and not "...-dirty"
        path = RESULTS / name / f"{record['run']}.json"
        assert json.loads(path.read_bytes()) == record
        assert len(f"snnl_tutorial/{path.relative_to(ROOT)}") <= 100  # in the wheel


@pytest.mark.parametrize("name", ["papers", "choice"])
def test_the_table_is_the_mean_and_spread_of_the_records(name):
    records = read_records(RESULTS / name)
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        runs = [r["metrics"] for r in records if matches(row, r["parameters"])]
        assert len(runs) == int(row["n"]) > 1
        for metric in ("acc", "nmi", "ari", "right"):
            scores = [run[metric] for run in runs]
            mean, sd = statistics.fmean(scores), statistics.stdev(scores)
            assert float(row[f"{metric} mean"]) == pytest.approx(mean, abs=1e-12)
            assert float(row[f"{metric} sd"]) == pytest.approx(sd, abs=1e-9)
    assert sum(int(row["n"]) for row in rows) == len(records)


PREFIXES = {"code": "", "logits": "logits_", "softmax": "softmax_"}


def test_the_table_of_few_labels_is_mean_and_interval_of_its_records():
    records = read_records(RESULTS / "few_labels")
    with (RESULTS / "few_labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        runs = [
            record["metrics"]
            for record in records
            if all(
                str(record["parameters"][name]) == row[name]
                for name in ("dataset", "method", "batches", "n_labeled")
            )
        ]
        assert len(runs) == int(row["n"]) == 5
        judge = "paper_" if row["judge"] == "paper" else ""
        prefix = PREFIXES[row["code"]]
        keys = {"acc": f"{prefix}{judge}acc", "neighbors": f"{prefix}neighbors"}
        for name, key in keys.items():
            scores = [run[key] for run in runs]
            mean = statistics.fmean(scores)
            low, high = stats.t.interval(0.95, 4, mean, stats.sem(scores))
            assert float(row[f"{name} mean"]) == pytest.approx(mean, abs=1e-9)
            assert float(row[f"{name} low"]) == pytest.approx(low, abs=1e-9)
            assert float(row[f"{name} high"]) == pytest.approx(high, abs=1e-9)
    assert {record["status"] for record in records} == {"done"}


def test_the_row_of_the_pixels_made_anew(tmp_path, monkeypatch):
    if not (RAW / "mnist").is_dir():
        pytest.skip("SNNL_RAW_DATA has no folder mnist/ of published idx files")
    monkeypatch.setenv("SNNL_DATA", str(tmp_path))
    import_files("mnist", RAW / "mnist")
    (images, classes), (new, new_classes) = (
        load_dataset("mnist", split, size="full") for split in ("train", "test")
    )
    (stored,) = [
        record["metrics"]
        for record in read_records(RESULTS / "papers")
        if matches(
            {"methods": "raw", "dataset": "mnist", "seed": "0"}, record["parameters"]
        )
    ]
    found = cluster(new.flatten(1), 10, seed=0)
    accuracy = clustering_accuracy(new_classes, found)
    assert accuracy == pytest.approx(stored["acc"], abs=0.02)
    known, asking = (
        torch.nn.functional.normalize(x.flatten(1), dim=1)
        for x in (images[:10_000], new)
    )
    votes = classes[:10_000][(asking @ known.T).topk(5).indices]
    right = (votes.mode(dim=1).values == new_classes).double().mean().item()
    assert right == pytest.approx(stored["right"], abs=0.002)
