"""The tables of few labels, from records that are made up."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.few_labels import choice, expected_best, table

CODE = (
    "acc",
    "nmi",
    "ari",
    "paper_acc",
    "paper_nmi",
    "paper_ari",
    "neighbors",
    "probe",
)


def record(seed, score, method="snnl-code", status="done", temperature=0.2, **more):
    parameters = {"dataset": "mnist", "method": method, "batches": "gathered"}
    parameters |= {"n_labeled": 100, "seed": seed, "temperature": temperature}
    parameters |= {"factor": 1.0, "learning_rate": 0.001}
    metrics = {**dict.fromkeys(CODE, score), **more}
    return {"status": status, "parameters": parameters, "metrics": metrics}


def test_a_row_has_the_mean_and_the_interval_of_students_t():
    scores = [0.7, 0.72, 0.8, 0.65, 0.9]
    records = [record(seed, score) for seed, score in enumerate(scores)]
    records.append(record(9, 0.0, status="failed"))
    strong, paper = table(records)
    assert (strong["judge"], paper["judge"]) == ("strong", "paper")
    low, high = stats.t.interval(
        0.95, df=4, loc=np.mean(scores), scale=stats.sem(scores)
    )
    for row in (strong, paper):
        assert row["n"] == 5
        for name in ("acc", "nmi", "ari", "neighbors", "probe"):
            found = [row[f"{name} {end}"] for end in ("mean", "low", "high")]
            assert found == pytest.approx([np.mean(scores), low, high])
        assert np.isnan(row["own mean"])


def test_a_classifiers_answers_have_rows_of_their_own():
    more = {f"{code}_{name}": 0.5 for code in ("logits", "softmax") for name in CODE}
    rows = table([record(k, 0.9, "classifier", own=0.8, **more) for k in range(2)])
    means = {(row["code"], row["judge"]): row["acc mean"] for row in rows}
    assert len(means) == 6
    assert means["code", "strong"] == pytest.approx(0.9)
    assert means["softmax", "paper"] == pytest.approx(0.5)
    assert {row["own mean"] for row in rows} == {0.8}


def test_two_settings_are_not_taken_for_starts():
    with pytest.raises(SystemExit, match="two runs of one seed"):
        table([record(0, 0.7), record(0, 0.8, temperature=0.4)])


def test_the_best_setting_is_that_of_the_best_mean_not_of_the_best_start():
    records = [record(k, score) for k, score in enumerate((0.99, 0.1))]
    records += [record(k, 0.7, temperature=0.4) for k in range(2)]
    (row,) = choice(records)
    assert (row["temperature"], row["settings"]) == (0.4, 2)
    assert row["mean"] == pytest.approx(0.7)


def test_the_expected_best_by_drawing():
    scores = [0.1, 0.4, 0.5, 0.8, 0.9, 0.3]
    draws = np.random.default_rng(0).permuted(np.tile(scores, (40_000, 1)), axis=1)
    assert expected_best(scores) == pytest.approx(
        draws[:, :4].max(axis=1).mean(), abs=0.003
    )
