"""scikit-learn's own checks, and that labels help."""

import numpy as np
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


@pytest.mark.parametrize("device", ["gpu", "nothing"])
def test_a_device_that_is_none(device):
    rows, _, y, _ = digits()
    with pytest.raises(RuntimeError, match=device):
        SoftNearestNeighborEncoder(epochs=1, device=device).fit(rows, y)


def test_the_columns_of_the_code_have_names():
    rows, classes = load_digits(return_X_y=True)
    encoder = SoftNearestNeighborEncoder(code_units=2, epochs=1).fit(rows, classes)
    names = ["softnearestneighborencoder0", "softnearestneighborencoder1"]
    assert list(encoder.get_feature_names_out()) == names
