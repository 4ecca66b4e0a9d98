"""A batch of few classes: sums and forces of a tile are products with one-hot classes.

With Y the one-hot classes and E the exponentials of a tile, E Y is each row's sum over
each class. There is no mask, and one tile is kept for backward instead of two.
"""

import torch
from torch import Tensor

from snnl_tutorial.loss.tiles import Tiles


def class_sums(tiles: Tiles, keep: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
    """S and O of each row, and the tiles of exponentials if they are to be kept."""
    mine, theirs = tiles.left_class, tiles.right_class
    sums = torch.zeros_like(mine)  # (N, C)
    kept: list[Tensor] = []
    room = None if keep else tiles.scratch()
    for i, j in tiles.places():
        pairs = tiles.exponentials(i, j, room)  # E: (rows, columns)
        sums[i].addmm_(pairs, theirs[j])
        if tiles.mirrored and i != j:
            sums[j].addmm_(pairs.T, mine[i])
        if keep:
            kept.append(pairs)
    own = sums * mine
    return own.sum(dim=1), sums.sub_(own).sum(dim=1), kept  # exact: x - x or x - 0


def forces_of_classes(
    tiles: Tiles, push: Tensor, pull: Tensor
) -> tuple[Tensor, Tensor]:
    """Two sides whose inner products, times the exponentials, are the forces.

    W has a column for each class: -pull at the row's own, push at the others. W_i Y_j
    is the entry for j's class. If mirrored, W_j Y_i is added.

    Returns:
        (N, C) and (M, C), or twice as many columns.
    """
    mine, theirs = tiles.left_class, tiles.right_class
    w = push[:, None] * (1 - mine) - pull[:, None] * mine  # exact: x - 0 or 0 - x
    if not tiles.mirrored:
        return w, theirs
    return torch.cat([w, mine], dim=1), torch.cat([theirs, w], dim=1)
