"""What a figure shows is what was measured."""

import matplotlib.pyplot as plt
import pytest
import torch

from snnl_tutorial.learning.uncertainty import reliability
from snnl_tutorial.triplets import closest_triplets
from snnl_tutorial.view.plotting import plot_reliability, plot_triplets


@pytest.mark.parametrize("bins", [2, 10])
def test_a_dot_for_each_bin_that_has_rows(bins):
    probabilities = torch.tensor([[0.95, 0.05], [0.92, 0.08], [0.3, 0.7]]).double()
    measured = reliability(probabilities, torch.tensor([0, 1, 1]), bins)
    ax = plot_reliability(measured, plt.figure().gca(), title="three rows")
    dots = torch.from_numpy(ax.collections[0].get_offsets().data)
    by_hand = {2: [[(0.95 + 0.92 + 0.7) / 3, 2 / 3]], 10: [[0.7, 1.0], [0.935, 0.5]]}
    assert torch.allclose(dots, torch.tensor(by_hand[bins]).double())
    assert ax.get_title() == "three rows"
    plt.close()


def test_a_dot_for_each_triplet_at_its_two_similarities():
    rows = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.8, -0.6], [0.0, -1.0]])
    triplets = closest_triplets(rows, torch.tensor([0, 0, 1, 1]))
    ax = plot_triplets(triplets, plt.figure().gca(), title="four rows")
    dots = torch.from_numpy(ax.collections[0].get_offsets().data).double()
    by_hand = [[0.6, 0.8], [0.6, 0.0], [0.6, 0.8], [0.6, 0.0]]
    assert torch.allclose(dots, torch.tensor(by_hand).double(), atol=1e-6)
    (star,) = [line for line in ax.lines if line.get_marker() == "*"]
    assert star.get_xydata().tolist() == [[1, 0]]
    assert ax.get_title() == "four rows"
    plt.close()
