"""Chapter 10, when it hurts."""

from typing import Any

import torch

from snnl_tutorial.learning.evaluation import cluster, clustering_accuracy
from snnl_tutorial.loss.masking import neighbor_masks
from snnl_tutorial.loss.soft_nearest_neighbor import soft_nearest_neighbor_loss
from snnl_tutorial.view.exercises import compare, require, require_function, unpack


def exercise_1(answer: Any) -> None:
    """All of the 31 others are of another class."""
    mistakes = {
        (46 / 47) ** 32: "A row has 31 others.",
        1 - (46 / 47) ** 31: "That is the share of rows with a partner.",
        46 / 47: "That is for one other row. There are 31.",
        1 - 31 / 47: "Others may share a class: the probabilities multiply.",
    }
    compare(answer, (46 / 47) ** 31, mistakes)


def exercise_2(answer: Any) -> None:
    """The mean over the classes of the mean loss of their anchors."""
    require_function(answer)
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2, -100])  # a lone 2; unlabeled
    losses = torch.tensor([0.1, 0.1, 0.1, 0.1, 2.0, 2.2, 0.0, 0.0])
    mistakes = {
        4.6 / 8: "That is the mean over all rows.",
        4.6 / 6: "That is the mean over the anchors: the rare class has no say yet.",
        2.2 / 3: "A row that is alone in its class is no anchor.",
        2.2 / 4: "Unlabeled rows and rows that are alone are no anchors.",
        2.2: "That is the sum over the classes.",
    }
    compare(answer(losses, labels), (0.1 + 2.1) / 2, mistakes)


def exercise_3(answer: Any) -> None:
    """Two classes that the loss finds apart and k-means does not."""
    rows, labels, temperature = unpack(answer, "rows", "labels", "T")
    loss = soft_nearest_neighbor_loss(rows, labels, temperature=temperature)
    require(neighbor_masks(labels).anchors.all(), "Every row needs a partner.")
    require(len(labels.unique()) == 2, "The labels must be of two classes.")
    require(loss < 0.01, f"The loss is {loss:.4f}, not below 0.01.")
    accuracy = clustering_accuracy(labels, cluster(rows, 2))
    require(accuracy <= 0.6, f"k-means gets an accuracy of {accuracy:.2f}.")
