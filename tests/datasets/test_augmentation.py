"""Shifted images are the old ones, moved."""

import numpy as np
import pytest
import torch

from snnl_tutorial.datasets.augmentation import shift, shift_and_mirror


def test_each_image_is_moved_whole():
    images = torch.zeros(200, 9, 9)
    images[:, 4, 4], images[:, 4, 5] = 1, 2  # far from the edge
    moved = shift(images, torch.Generator().manual_seed(0))
    ones, twos = (moved == 1).nonzero(), (moved == 2).nonzero()
    assert (ones[:, 0] == torch.arange(200)).all()
    assert torch.equal(twos - ones, torch.tensor([0, 0, 1]).expand(200, 3))
    steps = ones[:, 1:] - 4
    assert {tuple(step) for step in steps.tolist()} == {
        (i, j) for i in range(-2, 3) for j in range(-2, 3)
    }


def test_what_leaves_is_gone_and_what_comes_in_is_black():
    moved = shift(torch.ones(50, 3, 3), torch.Generator().manual_seed(0), 1)
    assert set(moved.sum((1, 2)).tolist()) == {4.0, 6.0, 9.0}


def test_the_generator_decides():
    images = torch.rand(10, 5, 5)
    draws = [
        shift_and_mirror(images, torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_about_half_are_mirrored():
    images = torch.zeros(400, 9, 9)
    images[:, 4, 4], images[:, 4, 5] = 1, 2
    changed = shift_and_mirror(images, torch.Generator().manual_seed(0))
    one, two = ((changed == value).nonzero()[:, 2] for value in (1, 2))
    assert set((two - one).tolist()) == {-1, 1}
    assert 150 < ((two - one) == -1).sum() < 250


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"pixels": -1}, ValueError, "pixels must be at least 0; got -1"),
        ({"pixels": 1.0}, TypeError, "pixels must be an integer; got float"),
        ({"images": torch.ones(2, 16)}, ValueError, r"\(N, H, W\); .* \(2, 16\)"),
        ({"images": np.ones((2, 4, 4))}, TypeError, "images must be .*; got ndarray"),
        ({"generator": 0}, TypeError, "generator must be .*Generator; got int"),
    ],
)
def test_bad_arguments_are_named(changes, error, message):
    given = {"images": torch.ones(2, 4, 4), "generator": torch.Generator()} | changes
    with pytest.raises(error, match=message):
        shift(**given)
