"""Aligned frames: a script of moves, and a folder of one's own."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from snnl_tutorial.datasets.aligned import load_aligned, perform

STILL = {"angles": torch.zeros(1), "scales": torch.ones(1), "shifts": torch.zeros(1, 2)}


def images(count=2, height=20, width=20):
    torch.manual_seed(0)
    return torch.rand(count, height, width)


def test_without_a_move_a_frame_is_its_image():
    frames = perform(images(), **STILL)
    torch.testing.assert_close(frames.images, images())
    assert frames.moments.tolist() == [0, 0]
    assert frames.performers.tolist() == [0, 1]


def test_a_shift_of_whole_pixels_moves_right_and_down():
    given = images(1, 8, 10)
    move = {**STILL, "shifts": torch.tensor([[2 * 3 / 10, 2 * 2 / 8]])}
    frame = perform(given, **move).images[0]
    torch.testing.assert_close(frame[2:, 3:], given[0, :-2, :-3])
    assert not frame[:2].any()
    assert not frame[:, :3].any()


@pytest.mark.parametrize(("height", "width"), [(20, 20), (12, 30)])
@pytest.mark.parametrize("angle", [0.4, -1.2])
@pytest.mark.parametrize("scale", [0.7, 1.3])
def test_turns_and_scales_are_those_of_scipy(height, width, angle, scale):
    """SciPy's affine_transform, which takes the way back in (row, column)."""
    smooth = ndimage.gaussian_filter(images(1, height, width)[0].numpy(), 1.5)
    move = {"angles": torch.tensor([angle]), "scales": torch.tensor([scale])}
    frame = perform(torch.from_numpy(smooth)[None], **{**STILL, **move}).images[0]
    # Counterclockwise on the screen, where rows grow downwards.
    c, s = math.cos(angle) / scale, math.sin(angle) / scale
    back = np.array([[c, s], [-s, c]])
    center = (np.array([height, width]) - 1) / 2
    expected = ndimage.affine_transform(
        smooth, back, center - back @ center, order=1, mode="grid-constant"
    )
    assert np.abs(frame.numpy() - expected).max() < 1e-4


def test_the_order_is_one_performer_after_the_other():
    script = {
        "angles": torch.zeros(3),
        "scales": torch.ones(3),
        "shifts": torch.zeros(3, 2),
    }
    frames = perform(images(2), **script)
    assert frames.moments.tolist() == [0, 1, 2, 0, 1, 2]
    assert frames.performers.tolist() == [0, 0, 0, 1, 1, 1]
    torch.testing.assert_close(frames.images[4], images(2)[1])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"images": torch.zeros(2, 3)}, ValueError, r"images must be \(P, H, W\)"),
        ({"images": torch.zeros(2, 3, 3).long()}, TypeError, "images must be floating"),
        ({"angles": [0.0]}, TypeError, "angles must be"),
        ({"angles": torch.tensor(0.0)}, ValueError, "angles must have one entry"),
        ({"scales": torch.ones(2)}, ValueError, "scales must have one entry"),
        ({"scales": torch.zeros(1)}, ValueError, "scales must be positive; got 0"),
        ({"shifts": torch.zeros(1)}, ValueError, r"shifts .* \(M, 2\); got shape"),
        ({"shifts": torch.full((1, 2), math.nan)}, ValueError, "shifts must be finite"),
    ],
)
def test_a_bad_script_is_named(arguments, error, words):
    with pytest.raises(error, match=words):
        perform(**{"images": images(), **STILL, **arguments})


# --- a folder of one's own ------------------------------------------------------------


def save(path, value, size=(4, 3), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def test_a_folder_is_read_by_performer_and_moment(tmp_path):
    save(tmp_path / "bob/010.png", 51)
    save(tmp_path / "ann/010.png", 102)
    save(tmp_path / "ann/020.png", 255)
    save(tmp_path / "bob/030.png", 0)
    (tmp_path / "bob/notes.txt").write_text("not a frame")
    frames = load_aligned(tmp_path)
    assert frames.images.shape == (4, 3, 4)
    assert frames.images[:, 0, 0].tolist() == pytest.approx([0.4, 1, 0.2, 0])
    assert frames.performers.tolist() == [0, 0, 1, 1]
    assert frames.moments.tolist() == [0, 1, 0, 2]


def test_one_frame_in_color_makes_all_so(tmp_path):
    save(tmp_path / "ann/1.png", 255)
    save(tmp_path / "bob/1.png", (255, 0, 0), mode="RGB")
    frames = load_aligned(tmp_path)
    assert frames.images.shape == (2, 3, 4, 3)
    assert frames.images[:, 0, 0].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_bad_folder_is_named(tmp_path):
    with pytest.raises(NotADirectoryError, match="no folder .*nowhere"):
        load_aligned(tmp_path / "nowhere")
    save(tmp_path / "ann/1.png", 0)
    with pytest.raises(ValueError, match="two performers or more; got 1"):
        load_aligned(tmp_path)
    (tmp_path / "bob").mkdir()
    with pytest.raises(ValueError, match=r"bob must have \.png or \.jpg files"):
        load_aligned(tmp_path)
    save(tmp_path / "bob/1.png", 0, size=(5, 5))
    with pytest.raises(ValueError, match=r"1\.png must have the size of .*\(5, 5\)"):
        load_aligned(tmp_path)
    (tmp_path / "bob/1.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"1\.png cannot be read as an image"):
        load_aligned(tmp_path)
