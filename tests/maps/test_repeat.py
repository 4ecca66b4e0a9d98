"""Networks that repeat a map, against a loop in plain PyTorch and closed forms."""

import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn

from snnl_tutorial.maps.repeat import MapNetwork, repeat_map, scaling_of_rows
from tests.helpers import rows_of

ROWS = rows_of(0, 120, 4, torch.float64) * torch.tensor([1.0, 10.0, 0.1, 3.0]).double()
POINTS = ROWS[:, :2] * torch.tensor([3.0, 0.2]).double() + 7


def quick(**settings):
    torch.manual_seed(0)
    network = MapNetwork(4, **{"hidden": (16,), **settings.pop("kind", {})})
    settings = {"epochs": 3, "verbose": False, **settings}
    return repeat_map(network, ROWS, POINTS, **settings)


@pytest.mark.parametrize("branches", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "elu", "relu"])
def test_the_network_is_that_of_plain_layers(activation, branches):
    network = MapNetwork(4, (5, 3), activation, "sigmoid", branches).double()
    layers = [nn.Linear(4, 5), nn.Linear(5, 3), nn.Linear(3, 2 // branches)]
    bend = {"tanh": torch.tanh, "elu": nn.functional.elu, "relu": torch.relu}
    answers, parameters = [], list(network.parameters())
    for _ in range(branches):
        x = ROWS
        for k, _ in enumerate(layers):
            weight, bias, *parameters = parameters
            x = x @ weight.T + bias
            x = torch.sigmoid(x) if k == 2 else bend[activation](x)
        answers.append(x)
    assert not parameters
    assert torch.allclose(network(ROWS), torch.cat(answers, dim=1))


def test_a_sigmoid_stays_in_the_square_and_a_line_leaves_it():
    far = 100 * ROWS
    bounded = MapNetwork(4, (8,)).double()(far)
    assert bounded.min() >= 0
    assert bounded.max() <= 1
    assert MapNetwork(4, (8,), output="linear").double()(far).abs().max() > 1


def test_columns_are_scaled_as_scikit_learn_does_it():
    got = scaling_of_rows(ROWS, "columns").apply(ROWS)
    want = StandardScaler().fit_transform(ROWS.numpy())
    assert torch.allclose(got, torch.from_numpy(want))


def test_one_scale_for_all_columns_keeps_their_proportions():
    scaled = scaling_of_rows(ROWS, "global").apply(ROWS)
    assert scaled.mean(dim=0).abs().max() < 1e-12
    assert scaled.square().mean().item() == pytest.approx(1)
    ratio = scaled.std(dim=0) / ROWS.std(dim=0)
    assert torch.allclose(ratio, ratio[0])
    assert scaling_of_rows(ROWS, "none").apply(ROWS).equal(ROWS)


@pytest.mark.parametrize("scaling", ["columns", "global", "none"])
def test_a_constant_column_or_row_does_not_divide_by_zero(scaling):
    same = torch.ones(5, 3)
    assert scaling_of_rows(same, scaling).apply(same).isfinite().all()


def test_it_learns_a_map_and_places_rows_on_its_scale():
    repeated = quick(epochs=200, batch_size=30, learning_rate=0.01)
    error = (repeated.transform(ROWS) - POINTS).square().mean()
    assert error < 0.01 * POINTS.var(dim=0).mean()
    assert [record["epoch"] for record in repeated.history] == list(range(200))


def test_where_it_starts_from_a_checkpoint_it_ends_the_same(tmp_path):
    whole = quick(epochs=4).transform(ROWS)
    quick(epochs=2, checkpoint=tmp_path / "map.pt")
    resumed = quick(epochs=4, checkpoint=tmp_path / "map.pt").transform(ROWS)
    assert torch.equal(whole, resumed)


def test_rows_are_placed_the_same_in_batches_of_any_size():
    repeated = quick()
    whole = repeated.transform(ROWS)
    assert torch.allclose(repeated.transform(ROWS, batch_size=7), whole)


def test_equal_rows_can_only_get_their_mean_place():
    rows = torch.ones(3, 4, dtype=torch.float64)
    points = torch.tensor([[0.0, 0.0], [0.0, 1.0], [3.0, 0.0]]).double()
    network = MapNetwork(4, (8,), output="linear")
    repeated = repeat_map(
        network, rows, points, epochs=400, learning_rate=0.02, batch_size=3
    )
    want = points.mean(dim=0).expand(3, 2)
    assert torch.allclose(repeated.transform(rows), want, atol=0.02)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: MapNetwork(0), ValueError, "in_features must be at least 1"),
        (lambda: MapNetwork(4, (0,)), ValueError, "each of hidden must be at least 1"),
        (lambda: MapNetwork(4, 8), TypeError, "hidden must be a sequence"),
        (lambda: MapNetwork(4, (), "sine"), ValueError, "activation must be 'tanh'"),
        (lambda: MapNetwork(4, output="tanh"), ValueError, "output must be 'sigmoid'"),
        (lambda: MapNetwork(4, branches=3), ValueError, "branches must be 1 or 2; got"),
        (lambda: quick(scaling="rows"), ValueError, "scaling must be 'columns'"),
        (lambda: quick(epochs=-1), ValueError, "epochs must be at least 0"),
        (
            lambda: repeat_map(MapNetwork(4), ROWS, POINTS[:9]),
            ValueError,
            r"points must have shape \(120, 2\), .* got \(9, 2\)",
        ),
        (
            lambda: repeat_map(MapNetwork(4), ROWS / 0, POINTS),
            ValueError,
            "rows must be finite",
        ),
        (
            lambda: repeat_map(MapNetwork(5), ROWS, POINTS),
            ValueError,
            "rows must have the 5 columns of the network; got 4",
        ),
        (lambda: repeat_map(MapNetwork(4), ROWS + 0j, POINTS), TypeError, "be real"),
        (lambda: quick().transform(ROWS[:, :3]), ValueError, "as many columns as the"),
        (lambda: quick().transform(ROWS.float()), TypeError, "the dtype of the rows"),
        (lambda: quick().transform(ROWS, 0), ValueError, "batch_size must be at least"),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
