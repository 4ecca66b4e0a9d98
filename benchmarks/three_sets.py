"""The points of chapter 7's three-set figure: images before, codes after, in the plane.

python -m benchmarks.three_sets        data/results/three_sets.csv

The full sets are needed: snnl data fetch mnist, fashion-mnist, emnist-47.
"""

from typing import Any

import torch
from sklearn.manifold import TSNE
from torch import Tensor
from tqdm.auto import tqdm

from benchmarks.measure import RESULTS, write_table
from snnl_tutorial.learning.models import encode_all
from snnl_tutorial.learning.protocol import draw_task, judge, learn

SETS = {"mnist": 0, "fashion-mnist": 0, "emnist-47": 10}
"""The first of the ten classes that are shown: of emnist-47 the letters A to J."""
SHOWN = 40
"""Test images of each class."""


def plane(rows: Tensor) -> Tensor:
    """A t-SNE map of the rows, by the cosine."""
    tsne = TSNE(2, init="pca", random_state=0, metric="cosine")
    return torch.from_numpy(tsne.fit_transform(rows.numpy()))


def points(dataset: str) -> list[dict[str, Any]]:
    """The points of the set, before and after a training with 1,000 labels."""
    task = draw_task(dataset, 10_000, 1_000)
    model = learn(
        task,
        "snnl-code",
        network="paper",
        factor=1.0,
        temperature=0.2,
        steps=800,
        learning_rate=1e-3,
        augment=None,
    )
    first = SETS[dataset]
    picked = [
        (task.new_classes == k).nonzero()[:SHOWN, 0] for k in range(first, first + 10)
    ]
    shown, rows = torch.cat(picked), []
    known, new = task.images.flatten(1), task.new_images.flatten(1)
    codes = encode_all(model, task.images), encode_all(model, task.new_images)
    for when, (old_rows, new_rows) in {"images": (known, new), "codes": codes}.items():
        scores = judge(old_rows, task.labels, new_rows, task.new_classes)
        known_by = {name: round(scores[name], 3) for name in ("acc", "neighbors")}
        for (x, y), kind in zip(
            plane(new_rows[shown]).tolist(),
            task.new_classes[shown].tolist(),
            strict=True,
        ):
            place = {"x": round(x, 2), "y": round(y, 2), "class": kind - first}
            rows.append({"dataset": dataset, "rows": when} | known_by | place)
    return rows


def main() -> None:
    rows = [row for name in tqdm(SETS) for row in points(name)]
    print(write_table(RESULTS / "three_sets.csv", rows))


if __name__ == "__main__":
    main()
