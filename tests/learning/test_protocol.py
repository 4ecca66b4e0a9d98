"""The protocol: even draws, labels that change with the seed, judges that are told."""

import numpy as np
import pytest
import torch

from snnl_tutorial import load_dataset, soft_nearest_neighbor_loss
from snnl_tutorial.learning.evaluation import cluster
from snnl_tutorial.learning.protocol import draw_evenly, draw_task, judge, learn
from tests.helpers import rows_of


def shown(task):
    return task.labels != -100


def test_images_and_labels_are_drawn_evenly_and_anew_with_each_seed():
    tasks = [draw_task("mnist", 1000, 100, size="small", seed=seed) for seed in (0, 1)]
    for task in tasks:
        assert task.classes.bincount().tolist() == [100] * 10
        assert task.classes[shown(task)].bincount().tolist() == [10] * 10
        assert torch.equal(task.labels[shown(task)], task.classes[shown(task)])
    first, second = (task.images[shown(task)].flatten(1) for task in tasks)
    same = (first[:, None] == second).all(dim=2).sum()
    assert same < 20  # by chance, 100 x 100 / 5,000 = 2


def test_more_labels_are_those_of_fewer_and_others():
    few, more = (draw_task("mnist", 500, n, size="small") for n in (50, 200))
    assert torch.equal(few.images, more.images)
    assert bool((shown(more) | ~shown(few)).all())
    assert shown(more).sum() == 200


def test_held_out_images_are_never_drawn():
    pictures, classes = load_dataset("mnist", "train", "small")
    task = draw_task("mnist", 3900, 10, size="small", held_out=1000)
    assert torch.equal(task.new_images, pictures[-1000:])
    assert torch.equal(task.new_classes, classes[-1000:])
    allowed = {image.numpy().tobytes() for image in pictures[:-1000]}
    assert {image.numpy().tobytes() for image in task.images} <= allowed


@pytest.mark.parametrize(
    ("sizes", "count", "want"),
    [((9, 9, 9), 6, [2, 2, 2]), ((1, 9, 4), 9, [1, 4, 4]), ((2, 3), 5, [2, 3])],
)
def test_small_classes_give_all_they_have(sizes, count, want):
    classes = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    rows = draw_evenly(classes, count, seed=3)
    assert classes[rows].bincount().tolist() == want
    assert len(rows.unique()) == count


def test_more_rows_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="count must be at most 2 rows; got 3"):
        draw_evenly(torch.zeros(2).long(), 3, seed=0)


@pytest.mark.parametrize(
    "method", ["snnl-code", "classifier", "autoencoder-classifier"]
)
@pytest.mark.parametrize("batches", ["plain", "gathered"])
def test_a_method_learns_from_the_labels_that_are_shown(method, batches):
    task = draw_task("mnist", 300, 60, size="small")
    settings = {"network": "small", "batch_size": 60, "labeled_rows": 30}
    losses = []
    for steps in (1, 60):
        model = learn(task, method, batches, steps=steps, **settings)
        codes = model.encode(task.images)
        losses.append(soft_nearest_neighbor_loss(codes, task.labels, temperature=0.2))
    assert losses[1] < losses[0] - 0.1
    assert not model.training


def test_the_judges_of_separate_heaps_agree():
    centers = 5 * torch.eye(3)
    classes = torch.arange(60) % 3
    codes = centers[classes] + 0.1 * rows_of(0, 60, 3)
    scores = judge(codes, classes, codes, classes)
    one = ("acc", "nmi", "ari", "paper_acc", "neighbors", "probe")
    assert [scores[name] for name in one] == [1] * 6
    assert scores["paper_acc_sd"] == 0


def test_the_strong_judge_sees_directions_and_the_papers_lengths():
    # Two directions, and in each a short and a long heap.
    classes = torch.arange(80) % 2
    lengths = torch.where(torch.arange(80) % 4 < 2, 1.0, 40.0)
    codes = torch.eye(2)[classes] * lengths[:, None] + 0.05 * rows_of(1, 80, 2)
    scores = judge(codes, classes, codes, classes)
    assert scores["acc"] == 1
    assert scores["paper_acc"] < 0.8


def test_more_starts_find_no_worse_clusters():
    rows = rows_of(2, 200, 2)

    def inertia(starts):
        found = cluster(rows, 8, seed=0, starts=starts)
        means = torch.stack([rows[found == k].mean(dim=0) for k in range(8)])
        return (rows - means[found]).square().sum()

    assert inertia(20) <= inertia(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": 5001}, "images must be at most 5000 rows; got 5001"),
        ({"n_labeled": 101}, "n_labeled must be at most 100 rows; got 101"),
        ({"held_out": 5000}, "held_out must leave some of the 5000 .* got 5000"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
    ],
)
def test_a_task_that_cannot_be_drawn_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        draw_task(
            "mnist", **{"images": 100, "n_labeled": 10, "size": "small", **settings}
        )


def test_numbers_of_numpy_draw_the_same_task():
    plain = draw_task("mnist", 100, 10, size="small", seed=3, held_out=50)
    numbers = (np.int64(n) for n in (100, 10))
    other = draw_task(
        "mnist", *numbers, size="small", seed=np.int32(3), held_out=np.int16(50)
    )
    assert all(torch.equal(a, b) for a, b in zip(plain, other, strict=True))
