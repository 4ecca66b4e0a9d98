"""The stored results: whole, summed up rightly, and one row of them made anew."""

import csv
import math
import os
from pathlib import Path

import pytest
import torch

from snnl_tutorial import load_dataset
from snnl_tutorial.datasets.cache import import_files
from snnl_tutorial.learning.evaluation import cluster, clustering_accuracy
from snnl_tutorial.runs.chapters import read_chapter
from snnl_tutorial.runs.records import read_records
from snnl_tutorial.runs.sweeps import read_sweep

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
RAW = Path(os.environ.get("SNNL_RAW_DATA", "not-given"))
NOT_ON_A_GPU = ("raw", "supcon", "nca")
TO_REACH = {"mnist": 0.962, "fashion-mnist": 0.856}
both_tables = pytest.mark.parametrize("name", ["papers", "choice"])


def rows(name):
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def matches(row, parameters):
    """Whether a row of the table sums up a run with these parameters."""
    return all(str(parameters[k]) == v for k, v in row.items() if k in parameters)


@both_tables
def test_every_run_is_done_by_committed_code_on_unmodified_chapters(name):
    records = read_records(RESULTS / name)
    assert len({record["sources"] for record in records}) == 1
    for record in records:
        assert record["status"] == "done"
        assert len(record["commit"]) == 40  # and not "...-dirty"
        assert record["parameters"]["size"] == "full"
        assert set(record["parameters"]) == set(read_chapter(8).parameters)


@both_tables
def test_the_table_is_the_mean_and_spread_of_the_records(name):
    records = read_records(RESULTS / name)
    table = rows(name)
    assert sum(int(row["n"]) for row in table) == len(records)
    for row in table:
        runs = [r for r in records if matches(row, r["parameters"])]
        assert len(runs) == len({r["parameters"]["seed"] for r in runs})
        assert len(runs) == int(row["n"])
        for metric in ("acc", "nmi", "ari", "right"):
            scores = [run["metrics"][metric] for run in runs]
            mean = math.fsum(scores) / len(scores)
            assert float(row[f"{metric} mean"]) == pytest.approx(mean, abs=1e-12)
            if len(scores) > 1:
                squares = math.fsum((score - mean) ** 2 for score in scores)
                sd = math.sqrt(squares / (len(scores) - 1))
                assert float(row[f"{metric} sd"]) == pytest.approx(sd, abs=1e-9)


@pytest.mark.parametrize("dataset", TO_REACH)
def test_the_headline_reaches_the_published_best_with_its_mean(dataset):
    (row,) = [
        row
        for row in rows("papers")
        if (row["dataset"], row["methods"]) == (dataset, "snnl-code")
        and (row["network"], row["n_labeled"]) == ("convolutional", "10000")
    ]
    assert int(row["n"]) >= 5
    assert float(row["acc mean"]) >= TO_REACH[dataset]


@pytest.mark.parametrize("name", ["papers", "choice", "gpu"])
def test_the_stored_runs_are_those_that_the_sweep_file_asks_for(name):
    here = {"device": "cpu"}
    planned = [
        (run.chapter.path.stem, dict(run.values) | here)
        for run in read_sweep(ROOT / "benchmarks" / "sweeps" / f"{name}.yaml")
    ]
    stored = read_records(RESULTS / name)
    for record in stored:
        assert (record["chapter"], record["parameters"] | here) in planned
    assert len(stored) == len(planned)


def test_the_chapters_at_full_size_ran_on_a_gpu():
    records = read_records(RESULTS / "gpu")
    assert {record["chapter"][:2] for record in records} == {"07", "09", "10"}
    for record in records:
        assert record["status"] == "done"
        assert record["device"] == "NVIDIA H200"
        assert len(record["commit"]) == 40


def test_the_runs_on_a_cpu_are_those_that_the_readme_names():
    for record in read_records(RESULTS / "papers"):
        chosen = record["parameters"]
        few = chosen["n_labeled"] != "10000" or chosen["methods"] in NOT_ON_A_GPU
        on_cpu = chosen["dataset"] == "emnist-47" and few
        assert (record["device"] != "NVIDIA H200") == on_cpu


def test_what_chapter_8_says_of_many_and_few_labels():
    def three(dataset, n_labeled):
        code, classifier = (
            next(
                row
                for row in rows("papers")
                if (row["dataset"], row["n_labeled"]) == (dataset, n_labeled)
                and (row["network"], row["methods"]) == ("convolutional", method)
            )
            for method in ("snnl-code", "classifier")
        )
        names = (code["acc mean"], code["right mean"], classifier["own mean"])
        return [float(score) for score in names]

    for dataset in TO_REACH:
        clusters, neighbors, answer = three(dataset, "100")
        assert answer > max(clusters, neighbors) + 0.1
        everything = three(dataset, "60000")
        assert max(everything) - min(everything) < 0.01
    for n_labeled in ("1000", "3000", "10000", "60000"):
        clusters, neighbors, answer = three("mnist", n_labeled)
        assert answer < min(clusters, neighbors) + 0.001
        assert max(clusters, neighbors) < answer + 0.02
    for n_labeled in ("1000", "3000"):
        clusters, neighbors, answer = three("fashion-mnist", n_labeled)
        assert neighbors - answer == pytest.approx(0.01, abs=0.006)
        assert (clusters < answer) == (n_labeled == "1000")
    for n_labeled in ("100", "300", "1000", "3000", "10000"):
        clusters, neighbors, answer = three("emnist-47", n_labeled)
        assert answer > neighbors + 0.09
        assert (clusters > answer + 0.03) == (int(n_labeled) >= 1000)
    clusters, neighbors, answer = three("emnist-47", "102223")
    assert abs(neighbors - answer) < 0.01
    assert neighbors - clusters == pytest.approx(0.05, abs=0.01)


def test_what_chapter_10_says_of_the_temperature_and_the_factor():
    clusters = {}
    for record in read_records(RESULTS / "choice"):
        setting = record["parameters"]["factor"], record["parameters"]["temperature"]
        clusters.setdefault(setting, []).append(record["metrics"]["acc"])
    mean = {setting: math.fsum(some) / 3 for setting, some in clusters.items()}
    chosen = mean[10, "0.2"]
    assert abs(mean[10, "0.3"] - chosen) < 0.005
    assert chosen - min(clusters[10, "0.1"]) == pytest.approx(0.08, abs=0.005)
    assert chosen - max(clusters[10, "1.0"]) > 0.08
    by_factor = [mean[factor, "0.2"] for factor in (1, 10, 100)]
    assert max(by_factor) - min(by_factor) < 0.01


def test_no_held_out_run_is_in_the_table_of_the_test_sets():
    held_out = {
        name: {r["parameters"]["held_out"] for r in read_records(RESULTS / name)}
        for name in ("papers", "choice")
    }
    assert held_out == {"papers": {0}, "choice": {10_000}}


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
