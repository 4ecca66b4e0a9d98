"""Figures that several chapters draw. Each function draws into an ax and returns it."""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from torch import Tensor

from snnl_tutorial.learning.uncertainty import Reliability
from snnl_tutorial.triplets import Triplets

PALETTE = "colorblind"
"""The colors C0 to C9 of the chapters' figures: a palette of seaborn."""

MARKERS = "osD^vP*Xph"
"""A shape for each class, because some readers and printers see no colors."""


def plot_matrix(
    matrix: Tensor,
    ax: Axes,
    *,
    labels: Tensor | None = None,
    title: str = "",
    color_label: str = "",
    cmap: str | Colormap = "cividis",
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw a pairwise matrix as a heat map.

    Args:
        matrix: (N, M); square if there are labels.
        ax: the axes to draw into.
        labels: (N,) class labels, sorted. If given, lines separate the classes, and
            the ticks name them.
        title: the title of the axes.
        color_label: the label of the color bar.
        cmap: the color map.
        limits: the smallest and largest value of the color bar; by default those of
            the matrix.

    Example:
        >>> import matplotlib.pyplot as plt, torch
        >>> ax = plot_matrix(torch.eye(3), plt.figure().gca(), title="identity")
        >>> ax.get_title()
        'identity'
    """
    low, high = limits or (None, None)
    sns.heatmap(
        matrix.detach().cpu().numpy(),
        ax=ax,
        cmap=cmap,
        vmin=low,
        vmax=high,
        square=True,
        xticklabels=labels is None and matrix.shape[1] <= 12,
        yticklabels=labels is None and matrix.shape[0] <= 12,
        cbar_kws={"label": color_label, "shrink": 0.8},
    )
    if labels is not None:
        classes, starts = np.unique(labels.cpu().numpy(), return_index=True)
        ends = np.append(starts[1:], len(labels))
        ax.set_xticks((starts + ends) / 2, classes)
        ax.set_yticks((starts + ends) / 2, classes)
        ax.hlines(starts[1:], 0, matrix.shape[1], colors="white", linewidth=0.6)
        ax.vlines(starts[1:], 0, matrix.shape[0], colors="white", linewidth=0.6)
    ax.tick_params(length=0, rotation=0)
    ax.set_title(title)
    return ax


def plot_images(
    images: Tensor,
    axes: Sequence[Axes],
    captions: Sequence[str] = (),
    colors: Sequence[str] = (),
) -> Sequence[Axes]:
    """Draw gray images, each into axes of its own.

    Args:
        images: (N, H, W) in [0, 1].
        axes: the N axes to draw into.
        captions: a text below each image; none if empty.
        colors: the color of each image's frame; no frames if empty.

    Example:
        >>> import matplotlib.pyplot as plt, torch
        >>> axes = plt.figure().subplots(1, 2)
        >>> _ = plot_images(torch.zeros(2, 28, 28), axes, captions=["a", "b"])
        >>> axes[1].get_xlabel()
        'b'
    """
    for index, (image, ax) in enumerate(zip(images, axes, strict=True)):
        ax.imshow(image.detach().cpu().numpy(), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        if index < len(captions):
            ax.set_xlabel(captions[index], fontsize="small")
        for spine in ax.spines.values():
            spine.set(visible=index < len(colors), linewidth=3)
            if index < len(colors):
                spine.set_color(colors[index])
    return axes


def plot_points(
    points: Tensor,
    labels: Tensor,
    ax: Axes,
    *,
    title: str = "",
    names: Sequence[str] | None = None,
    size: float = 30,
    legend: bool = True,
) -> Axes:
    """Draw points of the plane, with a color and a shape for each class.

    Args:
        points: (N, 2).
        labels: (N,) integer; rows with a negative label are gray dots.
        ax: the axes to draw into.
        title: the title of the axes.
        names: the name of each class in the legend; by default its number.
        size: the area of a point, in square typographic points.
        legend: whether to draw a legend.

    Example:
        >>> import matplotlib.pyplot as plt, torch
        >>> points, labels = torch.zeros(4, 2), torch.tensor([0, 0, 1, -100])
        >>> ax = plot_points(points, labels, plt.figure().gca())
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['unlabeled', '0', '1']
    """
    x, y = points.detach().cpu().numpy().T
    classes = labels.cpu().numpy()
    palette = sns.color_palette(PALETTE)
    for label in np.unique(np.where(classes < 0, -1, classes)):
        chosen = classes < 0 if label < 0 else classes == label
        name = names[label] if names and label >= 0 else str(label)
        ax.scatter(
            x[chosen],
            y[chosen],
            s=size,
            color="0.7" if label < 0 else palette[label % len(palette)],
            marker="." if label < 0 else MARKERS[label % len(MARKERS)],
            label="unlabeled" if label < 0 else name,
            edgecolor="white",
            linewidth=0.4,
        )
    if legend:
        ax.legend(frameon=False, fontsize="small", handletextpad=0.2)
    ax.set_title(title)
    return ax


def plot_reliability(measured: Reliability, ax: Axes, *, title: str = "") -> Axes:
    """Draw accuracy against confidence, beside the line on which they are equal.

    Args:
        measured: from `reliability`; empty bins are not drawn.
        ax: the axes to draw into. The area of a dot grows with the rows in its bin.
        title: the title of the axes.

    Example:
        >>> import matplotlib.pyplot as plt, torch
        >>> from snnl_tutorial.learning.uncertainty import reliability
        >>> measured = reliability(torch.eye(2), torch.tensor([0, 1]))
        >>> plot_reliability(measured, plt.figure().gca()).get_xlabel()
        'confidence'
    """
    filled = measured.rows > 0
    confidence, accuracy = measured.confidence[filled], measured.accuracy[filled]
    share = (measured.rows[filled] / measured.rows.sum()).numpy()
    ax.plot([0, 1], [0, 1], "--", color="0.6", linewidth=1, label="calibrated")
    ax.plot(confidence, accuracy, color="C0", linewidth=1)
    ax.scatter(confidence, accuracy, s=15 + 200 * share, color="C0", label="measured")
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
    ax.set_title(title)
    return ax


def plot_triplets(
    triplets: Triplets,
    ax: Axes,
    *,
    title: str = "",
    color: str = "C0",
    size: float = 6,
) -> Axes:
    """Draw a dot for each triplet: its nearest partner across, its nearest stranger up.

    Below the diagonal the partner is nearer, above it the stranger is. The star is the
    ideal triplet, (1, 0).

    Args:
        triplets: from `closest_triplets`; rows without a partner or a stranger are
            not drawn.
        ax: the axes to draw into.
        title: the title of the axes.
        color: of the dots.
        size: the area of a dot, in square typographic points.

    Example:
        >>> import matplotlib.pyplot as plt, torch
        >>> from snnl_tutorial.triplets import closest_triplets
        >>> triplets = closest_triplets(torch.eye(3), torch.tensor([0, 0, 1]))
        >>> plot_triplets(triplets, plt.figure().gca()).get_xlabel()
        'nearest partner'
    """
    x, y = (part.detach().cpu().numpy() for part in triplets[:2])
    low = min(-0.05, float(np.nanmin([x, y], initial=0)) - 0.05)
    ax.plot([low, 1.05], [low, 1.05], "--", color="0.6", linewidth=1)
    ax.scatter(x, y, s=size, color=color, alpha=0.5, linewidth=0)
    ax.plot([1], [0], "*", color="C3", markersize=11, clip_on=False)
    ax.set(xlim=(low, 1.05), ylim=(low, 1.05), aspect="equal")
    ax.set(xlabel="nearest partner", ylabel="nearest stranger")
    ax.set_title(title)
    return ax
