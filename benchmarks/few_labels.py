"""The tables of chapter 8, from the records of its sweeps.

python -m benchmarks.few_labels choice runs/few_labels_choice
                                the settings that do best on held-out images, printed
python -m benchmarks.few_labels table runs/few_labels
                                data/results/few_labels.csv

Every score is a mean over starts, between the ends of its 95 % interval (Student's t).
Beside the accuracy stands what the best of four starts is expected to be.
"""

import argparse
import math
import statistics
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

from scipy import stats

from benchmarks.measure import RESULTS, print_table, write_table
from snnl_tutorial.runs.records import read_records

GROUP = ("dataset", "method", "batches", "n_labeled")
SETTINGS = ("temperature", "factor", "learning_rate")
CODES = {"code": "", "logits": "logits_", "softmax": "softmax_"}
"""What a method offers to the judges, and the prefix of its scores in a record."""
JUDGES = {"strong": "", "paper": "paper_"}


def mean_and_interval(name: str, values: list[float]) -> dict[str, float]:
    """The mean, and the ends of its 95 % interval: NaN for a single value.

    Example:
        >>> mean_and_interval("acc", [0.9, 1.0])["acc high"] > 1.5  # of two, wide
        True
    """
    mean, half = statistics.fmean(values), math.nan
    if len(values) > 1:
        error = statistics.stdev(values) / math.sqrt(len(values))
        half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return {
        f"{name} mean": mean,
        f"{name} low": mean - half,
        f"{name} high": mean + half,
    }


def expected_best(values: list[float], count: int = 4) -> float:
    """The mean of the best of `count` values, over all choices of so many."""
    choices = list(combinations(values, min(count, len(values))))
    return statistics.fmean(max(choice) for choice in choices)


def grouped(
    records: list[dict[str, Any]], names: tuple[str, ...]
) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """The finished runs by the values of these parameters."""
    groups = defaultdict(list)
    for record in records:
        if record["status"] == "done":
            key = tuple(record["parameters"][name] for name in names)
            groups[key].append(record)
    return dict(sorted(groups.items(), key=str))


def table(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each method, number of labels, code and judge."""
    rows = []
    for key, runs in grouped(records, GROUP).items():
        seeds = [run["parameters"]["seed"] for run in runs]
        if len(set(seeds)) < len(seeds):
            raise SystemExit(f"{key}: two runs of one seed; are there two settings?")
        metrics = [run["metrics"] for run in runs]
        scores = {name: [one[name] for one in metrics] for name in metrics[0]}
        for code, code_prefix in CODES.items():
            for judge, judge_prefix in JUDGES.items():
                prefix = code_prefix + judge_prefix
                if f"{prefix}acc" not in scores:
                    continue
                row = dict(zip(GROUP, key, strict=True)) | {"n": len(runs)}
                row |= {"code": code, "judge": judge}
                row |= mean_and_interval("acc", scores[f"{prefix}acc"])
                row["acc best of four"] = expected_best(scores[f"{prefix}acc"])
                for name in ("nmi", "ari"):
                    row |= mean_and_interval(name, scores[prefix + name])
                for name in ("neighbors", "probe"):
                    row |= mean_and_interval(name, scores[code_prefix + name])
                # One NaN for those who do not answer: no column is missing.
                row |= mean_and_interval("own", scores.get("own", [math.nan]))
                rows.append(row)
    return rows


def choice(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best setting of each method: of its code's clusters, or of its own answer."""
    rows = []
    for key, runs in grouped(records, GROUP).items():
        settings = grouped(runs, SETTINGS)
        judged = "own" if key[1] == "classifier" else "acc"
        means = {
            setting: statistics.fmean(run["metrics"][judged] for run in tried)
            for setting, tried in settings.items()
        }
        best = max(means, key=lambda setting: means[setting])
        row = dict(zip(GROUP + SETTINGS, key + best, strict=True))
        rows.append(
            row | {"settings": len(means), "judged": judged, "mean": means[best]}
        )
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_labels")
    parser.add_argument("what", choices=["choice", "table"])
    parser.add_argument("folder", type=Path, help="of the records")
    options = parser.parse_args(arguments)
    records = read_records(options.folder)
    rows = choice(records) if options.what == "choice" else table(records)
    print_table(rows)
    if options.what == "table":
        print(write_table(RESULTS / "few_labels.csv", rows))


if __name__ == "__main__":
    main()
