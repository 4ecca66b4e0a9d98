"""One row for each way to call the loss wrongly: which error, and what it says."""

import functools

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity, DotProductSimilarity
from torch import nn

from snnl_tutorial import (
    AnnealedTemperature,
    ConstantTemperature,
    LayerwiseSoftNearestNeighborLoss,
    LearnedTemperature,
    SoftNearestNeighborLoss,
    entanglement,
    soft_nearest_neighbor_loss,
)
from snnl_tutorial.loss.distance import (
    as_real_rows,
    cosine_distance,
    normalize_rows,
    pairwise_distance,
    published_cosine_distance,
    squared_euclidean_distance,
)
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
)

ROWS = torch.eye(4)
LABELS = torch.tensor([0, 0, 1, 1])


def with_value(value):
    rows = ROWS.clone()
    rows[2, 1] = value
    return rows


# (embeddings, labels, settings, error, what the message must say)
BAD = {
    "embeddings: a list": ([[1.0]], LABELS, {}, TypeError, "embeddings.*Tensor.*list"),
    "embeddings: numpy": (np.eye(4), LABELS, {}, TypeError, "embeddings.*ndarray"),
    "embeddings: integer": (ROWS.long(), LABELS, {}, TypeError, "embeddings.*int64"),
    "embeddings: eighths": (
        ROWS.to(torch.float8_e4m3fn),
        LABELS,
        {},
        TypeError,
        "embeddings must be float32, .*, complex128; got torch.float8_e4m3fn",
    ),
    "embeddings: squares beyond float32": (
        1e20 * ROWS,
        LABELS,
        {"distance": "sqeuclidean", "temperature": 1.0},
        ValueError,
        r"embeddings must not be so far apart .* torch.float32; got up to .*e\+40",
    ),
    "embeddings: squares beyond float64": (
        1e154 * ROWS.double(),
        LABELS,
        {"distance": "sqeuclidean", "temperature": 1.0},
        ValueError,
        "embeddings must not be so far apart .* leave torch.float64; got up to inf",
    ),
    "labels: beyond 64 bits with a sign": (
        ROWS,
        LABELS.to(torch.uint64),
        {},
        TypeError,
        "labels must fit 64 bits with a sign; got torch.uint64",
    ),
    "embeddings: 1-d": (ROWS[0], LABELS, {}, ValueError, r"embeddings.*\(4,\)"),
    "embeddings: images": (
        torch.ones(4, 2, 2),
        LABELS,
        {},
        ValueError,
        r"embeddings.*\(4, 2, 2\).*flatten",
    ),
    "embeddings: no columns": (ROWS[:, :0], LABELS, {}, ValueError, r"\(4, 0\)"),
    "embeddings: NaN": (with_value(torch.nan), LABELS, {}, ValueError, "row 2.*NaN"),
    "embeddings: infinity": (
        with_value(-torch.inf),
        LABELS,
        {},
        ValueError,
        "embeddings must be finite; row 2",
    ),
    "labels: a list": (ROWS, [0, 0, 1, 1], {}, TypeError, "labels.*Tensor.*list"),
    "labels: floating": (ROWS, LABELS.float(), {}, TypeError, "labels.*float32"),
    "labels: bool": (ROWS, LABELS.bool(), {}, TypeError, "labels.*bool"),
    "labels: too few": (ROWS, LABELS[:3], {}, ValueError, r"labels.*\(4,\).*\(3,\)"),
    "labels: one-hot": (ROWS, ROWS.long(), {}, ValueError, r"labels.*\(4, 4\)"),
    "labels: another device": (
        ROWS,
        LABELS.to("meta"),
        {},
        ValueError,
        r"labels.*device.*\(cpu\).*meta",
    ),
    "ref_embeddings: the indices of a miner": (
        ROWS,
        LABELS,
        {"ref_embeddings": (LABELS, LABELS)},
        TypeError,
        "ref_embeddings must be a torch.Tensor; got tuple; a miner's",
    ),
    "temperature: zero": (ROWS, LABELS, {"temperature": 0}, ValueError, "got 0.0"),
    "temperature: negative": (
        ROWS,
        LABELS,
        {"temperature": -1.0},
        ValueError,
        "temperature must be positive and finite; got -1.0",
    ),
    "temperature: NaN": (
        ROWS,
        LABELS,
        {"temperature": float("nan")},
        ValueError,
        "temperature.*got nan",
    ),
    "temperature: infinite": (
        ROWS,
        LABELS,
        {"temperature": float("inf")},
        ValueError,
        "temperature.*got inf",
    ),
    "temperature: zero tensor": (
        ROWS,
        LABELS,
        {"temperature": torch.tensor(0.0)},
        ValueError,
        "temperature.*got 0.0",
    ),
    "temperature: 1-d": (
        ROWS,
        LABELS,
        {"temperature": torch.ones(2)},
        ValueError,
        r"temperature.*0-d.*\(2,\)",
    ),
    "temperature: integer tensor": (
        ROWS,
        LABELS,
        {"temperature": torch.tensor(1)},
        TypeError,
        "temperature.*int64",
    ),
    "temperature: text": (
        ROWS,
        LABELS,
        {"temperature": "low"},
        TypeError,
        "temperature.*str",
    ),
    "temperature: another device": (
        ROWS,
        LABELS,
        {"temperature": torch.tensor(1.0).to("meta")},
        ValueError,
        r"temperature.*device.*\(cpu\).*meta",
    ),
    "ref_embeddings alone": (
        ROWS,
        LABELS,
        {"ref_embeddings": ROWS},
        ValueError,
        "ref_embeddings needs ref_labels too",
    ),
    "ref_labels alone": (
        ROWS,
        LABELS,
        {"ref_labels": LABELS},
        ValueError,
        "ref_labels needs ref_embeddings too",
    ),
    "ref_embeddings: other columns": (
        ROWS,
        LABELS,
        {"ref_embeddings": ROWS[:, :2], "ref_labels": LABELS},
        ValueError,
        r"ref_embeddings.*columns.*\(4\).*got 2",
    ),
    "ref_embeddings: other dtype": (
        ROWS,
        LABELS,
        {"ref_embeddings": ROWS.double(), "ref_labels": LABELS},
        TypeError,
        "ref_embeddings.*float32.*float64",
    ),
    "ref_embeddings: another device": (
        ROWS,
        LABELS,
        {"ref_embeddings": ROWS.to("meta"), "ref_labels": LABELS.to("meta")},
        ValueError,
        r"ref_embeddings.*device.*\(cpu\).*meta",
    ),
    "ref_labels: too few": (
        ROWS,
        LABELS,
        {"ref_embeddings": ROWS, "ref_labels": LABELS[:1]},
        ValueError,
        r"ref_labels.*\(4,\).*\(1,\)",
    ),
    "distance: unknown": (
        ROWS,
        LABELS,
        {"distance": "manhattan"},
        ValueError,
        "distance.*'cosine'.*'sqeuclidean'.*'manhattan'",
    ),
    "distance: no callable": (
        ROWS,
        LABELS,
        {"distance": 2},
        TypeError,
        "distance.*callable.*int",
    ),
    "distance: a similarity": (
        ROWS,
        LABELS,
        {"distance": CosineSimilarity()},
        ValueError,
        "distance must be small.*got a similarity, CosineSimilarity.*1 - similarity",
    ),
    "embeddings: sparse": (
        ROWS.to_sparse(),
        LABELS,
        {},
        TypeError,
        "embeddings must be a dense tensor; got torch.sparse_coo",
    ),
    "embeddings: nested": (
        torch.nested.as_nested_tensor(ROWS),
        LABELS,
        {},
        TypeError,
        "embeddings must be a dense tensor; got a nested tensor",
    ),
    "labels: sparse": (
        ROWS,
        LABELS.to_sparse(),
        {},
        TypeError,
        "labels must be a dense tensor; got torch.sparse_coo",
    ),
    "ref_embeddings: sparse": (
        ROWS,
        LABELS,
        {"ref_embeddings": ROWS.to_sparse_coo(), "ref_labels": LABELS},
        TypeError,
        "ref_embeddings must be a dense tensor; got torch.sparse_coo",
    ),
    "distance: wrong shape": (
        ROWS,
        LABELS,
        {"distance": lambda a, b: a[:, :2], "temperature": 1.0},
        ValueError,
        r"distance.*\(4, 4\).*\(4, 2\)",
    ),
    "distance: wrong kind": (
        ROWS,
        LABELS,
        {"distance": lambda a, b: a.long(), "temperature": 1.0},
        TypeError,
        "distance.*floating.*int64",
    ),
    "ignore_index: None": (
        ROWS,
        LABELS,
        {"ignore_index": None},
        TypeError,
        "ignore_index must be an integer; got NoneType",
    ),
    "ignore_index: too large": (
        ROWS,
        LABELS,
        {"ignore_index": 2**70},
        ValueError,
        "ignore_index must fit 64 bits",
    ),
    "reduction: unknown": (
        ROWS,
        LABELS,
        {"reduction": "median"},
        ValueError,
        "reduction.*'mean' or 'sum' or 'none'.*'median'",
    ),
    "singletons: unknown": (
        ROWS,
        LABELS,
        {"singletons": "keep"},
        ValueError,
        "singletons.*'exclude' or 'raise'.*'keep'",
    ),
    "singletons: there is one": (
        ROWS,
        torch.tensor([0, 0, 7, -100]),
        {"singletons": "raise"},
        ValueError,
        "row 2 has no partner of its class 7.*exclude",
    ),
}


@pytest.mark.parametrize("name", list(BAD))
def test_bad_input_is_named(name):
    embeddings, labels, settings, error, message = BAD[name]
    with pytest.raises(error, match=message):
        soft_nearest_neighbor_loss(embeddings, labels, **settings)


def test_singletons_raise_passes_where_there_is_none():
    loss = soft_nearest_neighbor_loss(ROWS, LABELS, singletons="raise")
    assert loss.item() > 0


OF_ROWS = [as_real_rows, normalize_rows, published_cosine_distance]
OF_TWO = [
    cosine_distance,
    squared_euclidean_distance,
    pairwise_distance,
    functools.partial(pairwise_distance, distance=torch.cdist),
]
BAD_ROWS = {
    "1-d": (ROWS[0], ValueError, r"must have shape \(N, D\) .*; got \(4,\)$"),
    "0-d": (ROWS[0, 0], ValueError, r"must have shape \(N, D\) .*; got \(\)$"),
    "images": (torch.ones(2, 1, 2, 2), ValueError, r"\(2, 1, 2, 2\); flatten"),
    "complex images": (torch.ones(2, 2, 2) * 1j, ValueError, r"\(2, 2, 2\); flatten"),
    "no columns": (ROWS[:, :0], ValueError, r"got \(4, 0\)$"),
    "integers": (ROWS.long(), TypeError, "must be float32.*int64"),
    "a list": ([[1.0]], TypeError, "must be a torch.Tensor; got list"),
    "sparse": (ROWS.to_sparse(), TypeError, "must be a dense tensor"),
}


@pytest.mark.parametrize("name", list(BAD_ROWS))
@pytest.mark.parametrize("function", OF_ROWS + OF_TWO)
def test_rows_of_another_shape_or_kind_are_named(function, name):
    rows, error, message = BAD_ROWS[name]
    with pytest.raises(error, match=f"^rows {message}|^rows .*{message}"):
        function(rows)
    if function in OF_TWO:
        with pytest.raises(error, match=f"^others .*{message}"):
            function(ROWS, rows)


@pytest.mark.parametrize("function", OF_TWO)
@pytest.mark.parametrize(
    ("others", "error", "message"),
    [
        (ROWS[:, :2], ValueError, r"as many columns as rows \(4\); got 2"),
        (ROWS.double(), TypeError, r"the dtype of rows \(torch.float32\); got .*64"),
        (ROWS.to("meta"), ValueError, r"on the device of rows \(cpu\); got meta"),
    ],
)
def test_others_that_do_not_fit_the_rows_are_named(function, others, error, message):
    with pytest.raises(error, match=f"others must .*{message}"):
        function(ROWS, others)


def test_the_published_loss_takes_rows_too():
    with pytest.raises(ValueError, match=r"must have shape \(N, D\)"):
        published_soft_nearest_neighbor_loss(torch.ones(4, 2, 2), LABELS)


BAD_MEASURES = {
    "labels": ((ROWS, LABELS.float()), {}, TypeError, "labels.*float32"),
    "embeddings": ((ROWS.long(), LABELS), {}, TypeError, "embeddings.*int64"),
    "temperature": ((ROWS, LABELS, 0.0), {}, ValueError, "temperature.*0.0"),
    "permutations": ((ROWS, LABELS), {"permutations": 0}, ValueError, "permutations"),
    "no partner": ((ROWS, torch.arange(4)), {}, ValueError, "two rows of one class"),
    "constant": (-1.0, ConstantTemperature, ValueError, "value.*-1.0"),
    "learned": ("warm", LearnedTemperature, TypeError, "initial.*str"),
    "eta": (0.0, AnnealedTemperature, ValueError, "eta.*0.0"),
}


@pytest.mark.parametrize("name", list(BAD_MEASURES))
def test_bad_input_elsewhere_is_named(name):
    given, how, error, message = BAD_MEASURES[name]
    with pytest.raises(error, match=message):
        entanglement(*given, **how) if isinstance(how, dict) else how(given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"gamma": -0.1}, "gamma.*-0.1"), ({"floor": 0.0}, "floor.*0.0")],
)
def test_a_bad_schedule_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        AnnealedTemperature(**settings)


def test_a_bad_epoch_is_named():
    with pytest.raises(ValueError, match="epoch.*-1"):
        AnnealedTemperature().set_epoch(-1)


@pytest.mark.parametrize(
    "call",
    [
        lambda distance: SoftNearestNeighborLoss(distance=distance),
        lambda distance: entanglement(ROWS, LABELS, distance=distance),
        lambda distance: pairwise_distance(ROWS, distance=distance),
        lambda distance: LayerwiseSoftNearestNeighborLoss(
            nn.Linear(4, 2), nn.MSELoss(), 1.0, distance=distance
        ),
    ],
)
def test_a_similarity_is_no_distance(call):
    with pytest.raises(ValueError, match="a similarity, DotProductSimilarity"):
        call(DotProductSimilarity())


@pytest.mark.parametrize("distance", ["sqeuclidean", torch.cdist])
@pytest.mark.parametrize(
    "call",
    [
        functools.partial(soft_nearest_neighbor_loss, ROWS, LABELS),
        SoftNearestNeighborLoss,
        functools.partial(
            LayerwiseSoftNearestNeighborLoss, nn.Linear(4, 2), nn.MSELoss(), 1.0
        ),
    ],
    ids=["function", "module", "layerwise"],
)
def test_only_the_cosine_distance_has_a_default_temperature(call, distance):
    with pytest.raises(ValueError, match=r"temperature must be given.*; got None"):
        call(distance=distance)


FAR = torch.tensor([[1e8, 0.0], [1e8, 1.0], [0.0, 1.0], [0.0, 0.0]])
"""Beside the first column, the second one is lost."""


@pytest.mark.parametrize(
    "criterion",
    [
        functools.partial(
            soft_nearest_neighbor_loss, temperature=1.0, distance="sqeuclidean"
        ),
        functools.partial(entanglement, temperature=1.0, distance="sqeuclidean"),
        SoftNearestNeighborLoss(1.0, "sqeuclidean"),
        LayerwiseSoftNearestNeighborLoss(
            nn.Sequential(nn.Flatten()),
            lambda *_: torch.zeros(()),
            factor=1.0,
            layers=["0"],
            temperature=1.0,
            distance="sqeuclidean",
        ),
    ],
    ids=["function", "entanglement", "module", "layerwise"],
)
def test_distances_that_float64_rounds_are_warned_of_where_it_was_called(criterion):
    with pytest.warns(UserWarning, match="scale the columns") as warned:
        criterion(FAR, LABELS)
    assert {warning.filename for warning in warned} == {__file__}
