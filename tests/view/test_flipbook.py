"""A flipbook holds all frames, and says what it shows without a script."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from snnl_tutorial.view.flipbook import flipbook

COLORS = ["red", "lime", "blue"]


def three(titles=("one", 'two "quoted"', "three & last")):
    return flipbook(
        lambda ax, k: ax.set_facecolor(COLORS[k]),
        titles,
        caption="A <small> book.",
        alt='Red, "green", blue.',
        size=(2.0, 1.0),
        dpi=50,
    )


def test_each_frame_is_in_its_place():
    picture = Image.open(io.BytesIO(three().sprite)).convert("RGB")
    assert picture.size == (300, 50)
    for k, color in enumerate(([255, 0, 0], [0, 255, 0], [0, 0, 255])):
        middle = np.asarray(picture)[25, 100 * k + 50]
        assert np.abs(middle.astype(int) - color).max() < 30


def test_the_page_shows_the_first_and_the_last_and_names_all():
    page = three()._repr_html_()
    assert page.count('class="flipbook-frame"') == 2
    assert "background-position: 0% 0" in page
    assert "background-position: 100% 0" in page
    assert page.count("data:image/png;base64,") == 1
    assert "Left: one. Right: three &amp; last." in page
    assert 'aria-label="Red, &quot;green&quot;, blue."' in page
    assert "A &lt;small&gt; book." in page
    titles = re.search(r'data-titles="([^"]*)"', page).group(1)
    assert titles.split("\n") == ["one", "two &quot;quoted&quot;", "three &amp; last"]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="titles must be at least two; got 1"):
        three(["only one"])
    with pytest.raises(ValueError, match="alt must say what is to be seen"):
        flipbook(print, ["a", "b"], caption="", alt=" ")
    with pytest.raises(TypeError, match="draw must be .*Callable.*; got str"):
        flipbook("draw", ["a", "b"], caption="", alt="")
