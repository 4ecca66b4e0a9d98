"""scikit-learn's own checks, and that labels help."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from snnl_tutorial import SoftNearestNeighborEncoder


@parametrize_with_checks([SoftNearestNeighborEncoder(2, hidden_units=(8,), epochs=2)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def digits():
    rows, classes = load_digits(return_X_y=True)
    return train_test_split(rows[:900], classes[:900], random_state=0)


def score(encoder, y_train):
    rows, new, _, y_new = digits()
    encoder.fit(rows, y_train)
    known = y_train != -1
    judge = KNeighborsClassifier(1, metric="cosine")
    judge.fit(encoder.transform(rows[known]), y_train[known])
    return judge.score(encoder.transform(new), y_new)


def test_the_loss_disentangles_what_the_autoencoder_alone_does_not():
    y = digits()[2]
    with_loss = SoftNearestNeighborEncoder(5, factor=10, epochs=40, learning_rate=3e-3)
    without = SoftNearestNeighborEncoder(5, factor=0, epochs=40, learning_rate=3e-3)
    assert score(with_loss, y) > score(without, y) + 0.02


def test_unlabeled_rows_are_rebuilt_but_do_not_count_in_the_loss():
    rows, _, y, _ = digits()
    settings = {"epochs": 3, "batch_size": 1000}
    unlabeled = SoftNearestNeighborEncoder(**settings).fit(rows, np.full(len(y), -1))
    plain = SoftNearestNeighborEncoder(factor=0, **settings).fit(rows, y)
    assert len(unlabeled.classes_) == 0
    assert all(record["snn"] == 0 for record in unlabeled.history_)
    assert np.array_equal(unlabeled.transform(rows), plain.transform(rows))


def test_names_of_classes_may_be_text():
    rows, _, y, _ = digits()
    names = np.array([f"digit {c}" for c in y])
    settings = {"epochs": 2}
    by_name = SoftNearestNeighborEncoder(**settings).fit(rows, names)
    by_number = SoftNearestNeighborEncoder(**settings).fit(rows, y)
    assert np.array_equal(by_name.transform(rows), by_number.transform(rows))


def test_the_callers_draws_are_left_alone():
    rows, _, y, _ = digits()
    torch.manual_seed(0)
    want = torch.rand(3)
    torch.manual_seed(0)
    SoftNearestNeighborEncoder(epochs=1).fit(rows, y)
    assert torch.equal(torch.rand(3), want)


def test_threads_do_not_disturb_each_other_nor_the_callers_draws():
    rows, classes = np.random.default_rng(0).random((12, 3)), np.arange(12) % 2

    def fit_and_encode(_):
        encoder = SoftNearestNeighborEncoder(2, hidden_units=(4,), epochs=1)
        return encoder.fit(rows, classes).transform(rows)

    want, before = fit_and_encode(0), torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(fit_and_encode, range(100)))
    assert all(np.array_equal(found, want) for found in codes)
    assert torch.equal(torch.get_rng_state(), before)


# Labels ------------------------------------------------------------------------------

TEXT = ["cat", "dog", "cat", "dog", -1, -1]
SIX = np.random.default_rng(0).random((6, 3))


def fitted(y, **settings):
    settings = {"code_units": 2, "hidden_units": (4,), "epochs": 2} | settings
    return SoftNearestNeighborEncoder(**settings).fit(SIX, y)


@pytest.mark.parametrize(
    "y",
    [
        TEXT,
        tuple(TEXT),
        np.array(TEXT, dtype=object),
        pd.Series(TEXT),
        pd.Series(TEXT).astype("category"),
    ],
)
def test_a_minus_one_among_text_is_no_label(y):
    encoder = fitted(y)
    assert encoder.classes_.tolist() == ["cat", "dog"]
    by_number = fitted([0, 1, 0, 1, -1, -1])
    assert np.array_equal(encoder.transform(SIX), by_number.transform(SIX))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array(TEXT), "by the number -1.*got the text '-1'"),
        (["cat", "dog", "cat", "dog", "-1", "-1"], "got the text '-1'"),
        (TEXT[:4] + [None] * 2, r"must hold text, and -1 .*; got None \(NoneType\)"),
        (TEXT[:4] + [-2] * 2, r"must hold text, and -1 .*; got -2 \(int\)"),
        (TEXT[:4] + [np.nan] * 2, "NaN"),
        (pd.Series(TEXT[:4] + [None] * 2), "NaN"),
    ],
)
def test_other_marks_among_text_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        fitted(y)


# Settings ----------------------------------------------------------------------------


def test_numbers_of_numpy_are_those_of_python():
    given = {
        "code_units": np.int8(2),
        "hidden_units": np.array([4, 5]),
        "factor": np.float32(0.5),
        "temperature": np.float64(0.25),
        "epochs": np.int64(2),
        "batch_size": np.int32(4),
        "learning_rate": np.float32(0.5),
        "random_state": np.int64(3),
    }
    plain = {name: value.tolist() for name, value in given.items()}
    y = [0, 1] * 3
    codes = [fitted(y, **settings).transform(SIX) for settings in (given, plain)]
    assert np.array_equal(*codes)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"device": "gpu0"}, ValueError, "device must be .*got 'gpu0'"),
        ({"device": "meta"}, ValueError, "device must be .*got 'meta'"),
        ({"device": 0}, TypeError, "device must be .*; got int"),
        ({"hidden_units": 5}, TypeError, "hidden_units must be .*; got int"),
        ({"hidden_units": "ab"}, TypeError, "hidden_units must be .*; got str"),
        ({"code_units": 0}, ValueError, "code_units must be at least 1; got 0"),
        ({"temperature": "cold"}, ValueError, "temperature must be .*; got 'cold'"),
        ({"temperature": None}, TypeError, "temperature must be .*; got NoneType"),
        ({"factor": "1"}, TypeError, "factor must be a number; got str"),
        ({"factor": np.nan}, ValueError, "factor must be finite; got nan"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1; got 0"),
        ({"epochs": -1}, ValueError, "epochs must be at least 0; got -1"),
        ({"learning_rate": -1}, ValueError, "learning_rate must be .*; got -1"),
        ({"random_state": "x"}, ValueError, "random_state: 'x' cannot be used"),
        ({"random_state": -1}, ValueError, "random_state: .*between 0 and"),
    ],
)
def test_bad_settings_are_named(settings, error, message):
    with pytest.raises(error, match=message):
        fitted([0, 1] * 3, **settings)


@pytest.mark.parametrize(
    "settings", [{"epochs": -1}, {"batch_size": 0}, {"learning_rate": -1}]
)
def test_a_fit_that_fails_leaves_the_earlier_one_whole(settings):
    encoder = fitted([0, 1] * 3)
    codes = encoder.transform(SIX)
    with pytest.raises(ValueError, match="epochs|batch_size|learning_rate"):
        encoder.set_params(**settings).fit(10 * SIX - 3, [4, 5, 6] * 2)
    assert encoder.classes_.tolist() == [0, 1]
    assert np.array_equal(encoder.transform(SIX), codes)


@pytest.mark.parametrize("verbose", [True, False])
def test_the_progress_bar_is_shown_on_demand(verbose, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    fitted([0, 1] * 3, verbose=verbose)
    assert ("training" in sys.stderr.getvalue()) == verbose


def test_a_grid_search_chooses_temperature_and_factor():
    rows, _, y, _ = digits()
    pipeline = make_pipeline(
        SoftNearestNeighborEncoder(5, epochs=2), KNeighborsClassifier(1)
    )
    name = "softnearestneighborencoder__"
    grid = {f"{name}temperature": [0.1, "annealed"], f"{name}factor": [0.0, 10.0]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(rows, y)
    assert set(search.best_params_) == set(grid)
    assert len(search.cv_results_["mean_test_score"]) == 4


def test_the_columns_of_the_code_have_names():
    rows, classes = load_digits(return_X_y=True)
    encoder = SoftNearestNeighborEncoder(code_units=2, epochs=1).fit(rows, classes)
    names = ["softnearestneighborencoder0", "softnearestneighborencoder1"]
    assert list(encoder.get_feature_names_out()) == names
