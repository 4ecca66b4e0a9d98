"""One protocol for every method: the same images, labels, steps and judges. (ch. 8)"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from snnl_tutorial.datasets.augmentation import shift
from snnl_tutorial.datasets.batches import LabeledBatches, ShuffledBatches, even_shares
from snnl_tutorial.datasets.load import UNLABELED, check_seed, load_dataset
from snnl_tutorial.learning.evaluation import (
    agreement,
    cluster,
    linear_probe_accuracy,
    nearest_neighbor_accuracy,
)
from snnl_tutorial.learning.models import encode_all
from snnl_tutorial.learning.objectives import make_objective
from snnl_tutorial.learning.training import Augmentation, train
from snnl_tutorial.loss.checks import check_choice, check_integer
from snnl_tutorial.loss.distance import normalize_rows


class Task(NamedTuple):
    """Training images, few of which show their label, and images to judge a code on.

    Attributes:
        images: (N, H, W).
        classes: (N,), of all training images.
        labels: (N,), the classes that are shown; -100 elsewhere.
        new_images, new_classes: (M, H, W) and (M,).
    """

    images: Tensor
    classes: Tensor
    labels: Tensor
    new_images: Tensor
    new_classes: Tensor


def draw_task(
    dataset: str,
    images: int,
    n_labeled: int,
    *,
    size: str = "full",
    seed: int = 0,
    held_out: int = 0,
) -> Task:
    """Draw training images, and which of them show a label, both even over the classes.

    Args:
        dataset: a name that `load_dataset` knows.
        images: N.
        n_labeled: how many show their label.
        size: `"small"` or `"full"`.
        seed: of both draws. With the same seed, more labels are those of fewer and
            others.
        held_out: judge on so many of the last training images, of which none is drawn.
            Default: on the test images.

    Raises:
        ValueError: more images or labels than there are; as `load_dataset`.

    Example:
        >>> task = draw_task("mnist", 1000, 50, size="small")
        >>> task.images.shape, (task.labels != -100).sum().item()
        (torch.Size([1000, 28, 28]), 50)
    """
    held_out = check_integer(held_out, "held_out", least=0)
    pictures, classes = load_dataset(dataset, "train", size)
    if held_out >= len(pictures):
        raise ValueError(
            f"held_out must leave some of the {len(pictures)} training images; "
            f"got {held_out}"
        )
    if held_out:
        new = pictures[-held_out:], classes[-held_out:]
        pictures, classes = pictures[:-held_out], classes[:-held_out]
    else:
        new = load_dataset(dataset, "test", size)
    drawn = draw_evenly(classes, images, seed, "images")
    pictures, classes = pictures[drawn], classes[drawn]
    labels = torch.full_like(classes, UNLABELED)
    shown = draw_evenly(classes, n_labeled, seed, "n_labeled")
    labels[shown] = classes[shown]
    return Task(pictures, classes, labels, *new)


def draw_evenly(classes: Tensor, count: int, seed: int, name: str = "count") -> Tensor:
    """Draw rows, as evenly over the classes as their sizes allow, and sort them.

    Example:
        >>> classes = torch.tensor([0, 0, 0, 0, 1, 2, 2, 2])
        >>> classes[draw_evenly(classes, 6, seed=0)].bincount()
        tensor([3, 1, 2])
    """
    count, seed = check_integer(count, name, least=0), check_seed(seed)
    if count > len(classes):
        raise ValueError(f"{name} must be at most {len(classes)} rows; got {count}")
    # NumPy guarantees RandomState's stream forever, unlike default_rng's.
    order = torch.from_numpy(np.random.RandomState(seed).permutation(len(classes)))
    shares = even_shares(count, classes.bincount().tolist())
    taken = [order[classes[order] == k][:share] for k, share in enumerate(shares)]
    return torch.cat(taken).sort().values


def learn(
    task: Task,
    method: str,
    batches: str = "gathered",
    *,
    network: str = "convolutional",
    factor: float = 10.0,
    temperature: str | float = 0.2,
    code_units: int = 50,
    steps: int = 600,
    batch_size: int = 256,
    labeled_rows: int = 128,
    learning_rate: float = 3e-3,
    augment: Augmentation | None = shift,
    seed: int = 0,
    device: str = "cpu",
) -> Any:
    """Train a method on a task, and return its model, in evaluation mode.

    Args:
        task: from `draw_task`.
        method: one of `METHODS`.
        batches: `"plain"`, drawn at random, or `"gathered"`: see `LabeledBatches`.
        network: one of `NETWORKS`.
        factor: weight of the auxiliary loss.
        temperature: as in `make_objective`.
        code_units: width of the code.
        steps: updates of the weights, rounded to whole epochs. Gathered batches make
            longer epochs, and get fewer of them.
        batch_size: rows in a batch.
        labeled_rows: of these in a gathered batch, or as many as there are.
        learning_rate: of Adam.
        augment: how images are changed in training: `shift_and_mirror` suits clothes.
        seed: of the first weights (by torch's own generator), the order of the rows,
            and the changes.
        device: of the training.
    """
    check_choice(batches, ("plain", "gathered"), "batches")
    steps = check_integer(steps, "steps", least=1)
    labeled_rows = check_integer(labeled_rows, "labeled_rows", least=2)
    torch.manual_seed(check_integer(seed, "seed"))
    objective = make_objective(
        method,
        network,
        factor=factor,
        temperature=temperature,
        code_units=code_units,
        classes=int(task.classes.max()) + 1,
        in_features=task.images[0].numel(),
    ).to(device, task.images.dtype)
    shown = int((task.labels != UNLABELED).sum())
    order: ShuffledBatches | LabeledBatches
    if batches == "plain":
        order = ShuffledBatches(len(task.images), batch_size, seed)
    else:
        rows = min(labeled_rows, shown)
        order = LabeledBatches(task.labels, batch_size, rows, seed=seed)
    images, labels = task.images.to(device), task.labels.to(device)
    train(
        objective,
        inputs=images,
        targets=labels if method.startswith("classifier") else images,
        labels=labels,
        epochs=max(1, round(steps / len(order))),
        batches=order,
        learning_rate=learning_rate,
        seed=seed,
        augment=augment,
    )
    return objective.model.eval()


def judge(
    codes: Tensor, labels: Tensor, new_codes: Tensor, new_classes: Tensor, seed: int = 0
) -> dict[str, float]:
    """Score a code by its clusters, its neighbors, and a linear probe.

    Args:
        codes: (N, D), of the training images.
        labels: (N,), -100 where none is shown; the clusters use none.
        new_codes: (M, D), of the images to judge on.
        new_classes: (M,).
        seed: of k-means.

    Returns:
        Clusters by one strong judge (rows of unit length, k-means++, the best of 50
        starts): "acc", "nmi", "ari". By the k-means of Agarap and Azcarraga (2020: rows
        as they are, random first centers, the best of 10 starts), five times over:
        "paper_acc", "paper_nmi", "paper_ari", their means, and "paper_acc_sd", the part
        of the spread that is the judge's own. "neighbors": the vote of the 5 nearest
        labeled training images (cosine). "probe": a linear classifier of the labeled
        codes.
    """
    count = int(new_classes.max()) + 1
    unit = normalize_rows(new_codes)
    found = cluster(unit, count, "k-means++", seed, starts=50)
    scores = agreement(new_classes, found)
    papers = [
        agreement(new_classes, cluster(new_codes, count, seed=5 * seed + k))
        for k in range(5)
    ]
    for name in ("acc", "nmi", "ari"):
        values = torch.tensor([paper[name] for paper in papers], dtype=torch.float64)
        scores[f"paper_{name}"] = values.mean().item()
        if name == "acc":
            scores["paper_acc_sd"] = values.std().item()
    known = codes, labels, new_codes, new_classes
    shown = int((labels != UNLABELED).sum())
    scores["neighbors"] = nearest_neighbor_accuracy(*known, neighbors=min(5, shown))
    scores["probe"] = linear_probe_accuracy(*known)
    return scores


@torch.no_grad()
def judge_method(
    task: Task, method: str, model: Any, seed: int = 0
) -> dict[str, float]:
    """Score all that a method offers: its code, and a classifier's answers.

    Args:
        task: from `draw_task`.
        method: as in `learn`, or `"raw"`, the pixels.
        model: from `learn`; not used for the pixels.
        seed: of k-means.

    Returns:
        The scores of `judge`; for a model with an "output" layer also those of its
        logits and their softmax (as "logits_acc" and so on), and "own", the accuracy of
        its answers.
    """
    images, new_images = task.images.flatten(1), task.new_images.flatten(1)
    if method == "raw":
        return judge(images, task.labels, new_images, task.new_classes, seed)
    codes, new = (encode_all(model, x) for x in (images, new_images))
    scores = judge(codes, task.labels, new, task.new_classes, seed)
    if hasattr(model, "output"):
        logits, new_logits = model.output(codes), model.output(new)
        answers = {
            "logits": (logits, new_logits),
            "softmax": (logits.softmax(dim=1), new_logits.softmax(dim=1)),
        }
        for name, (known, asked) in answers.items():
            found = judge(known, task.labels, asked, task.new_classes, seed)
            scores |= {f"{name}_{key}": value for key, value in found.items()}
        right = new_logits.argmax(dim=1) == task.new_classes
        scores["own"] = right.double().mean().item()
    return scores
