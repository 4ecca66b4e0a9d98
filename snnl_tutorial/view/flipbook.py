"""A figure whose frames can be turned like pages, by a slider in the rendered book."""

import base64
import html
import io
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from snnl_tutorial.loss.checks import check_types

COLORS = 64
"""In the sprite; fewer make it smaller."""


class Flipbook:
    """Frames side by side in one picture, from `flipbook`.

    Jupyter shows the first and the last. In the book `_static/flipbook.js` adds a
    slider and buttons.

    Attributes:
        sprite: the frames as a PNG, one beside the other.
        titles: one for each frame.
    """

    def __init__(
        self, sprite: bytes, titles: Sequence[str], caption: str, alt: str, ratio: float
    ) -> None:
        self.sprite = sprite
        self.titles = list(titles)
        self.caption = caption
        self.alt = alt
        self.ratio = ratio

    def __repr__(self) -> str:
        return f"<Flipbook of {len(self.titles)} frames>"

    def _repr_html_(self) -> str:
        sprite = base64.b64encode(self.sprite).decode()
        titles = html.escape("\n".join(self.titles), quote=True)
        frame = (
            f"width: 48%; display: inline-block; aspect-ratio: {self.ratio:.4f}; "
            "background-color: white; background-image: var(--sprite); "
            f"background-size: {100 * len(self.titles)}% 100%; background-position: "
        )
        first, last = (html.escape(self.titles[k]) for k in (0, -1))
        alt = html.escape(self.alt, quote=True)
        return (
            f'<figure class="flipbook" data-titles="{titles}" '
            f'style="--sprite: url(data:image/png;base64,{sprite})">\n'
            f'<div class="flipbook-frames" role="img" aria-label="{alt}">\n'
            f'<div class="flipbook-frame" style="{frame}0% 0"></div>\n'
            f'<div class="flipbook-frame" style="{frame}100% 0"></div>\n'
            f"</div>\n<figcaption>{html.escape(self.caption)} "
            f'<span class="flipbook-ends">Left: {first}. Right: {last}.</span>'
            "</figcaption>\n</figure>"
        )


def flipbook(
    draw: Callable[[Axes, int], object],
    titles: Sequence[str],
    *,
    caption: str,
    alt: str,
    size: tuple[float, float] = (4.0, 4.0),
    dpi: int = 80,
) -> Flipbook:
    """Draw the frames of a training, one after the other, into one picture.

    Args:
        draw: called with axes and the number of a frame, from 0; draws that frame.
        titles: of the frames, at least two; they also say how many there are.
        caption: of the whole figure.
        alt: what is to be seen, for those who cannot see it.
        size: of a frame, in inches.
        dpi: dots per inch.

    Returns:
        A `Flipbook`; let it be the last line of a cell.

    Raises:
        ValueError: fewer than two titles, or no alt text.
        TypeError: `draw` is no function.

    Example:
        >>> flipbook(
        ...     lambda ax, k: ax.plot([0, 1], [0, k]),
        ...     ["flat", "steep"],
        ...     caption="A line, turned.",
        ...     alt="A line that is flat at first, and steep at last.",
        ... )
        <Flipbook of 2 frames>
    """
    check_types(draw=(draw, Callable))
    if len(titles) < 2:
        raise ValueError(f"titles must be at least two; got {len(titles)}")
    if not alt.strip():
        raise ValueError("alt must say what is to be seen; got nothing")
    frames = []
    for number, title in enumerate(titles):
        fig = Figure(size, dpi=dpi, layout="constrained")
        canvas = FigureCanvasAgg(fig)
        ax = fig.subplots()
        draw(ax, number)
        ax.set_title(title)
        canvas.draw()
        frames.append(np.asarray(canvas.buffer_rgba())[:, :, :3])
    picture = Image.fromarray(np.concatenate(frames, axis=1)).quantize(COLORS)
    file = io.BytesIO()
    picture.save(file, "png", optimize=True)
    ratio = frames[0].shape[1] / frames[0].shape[0]
    return Flipbook(file.getvalue(), titles, caption, alt, ratio)
