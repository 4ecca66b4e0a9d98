"""Chapter 16, triplets."""

from typing import Any

import torch

from snnl_tutorial.learning.evaluation import recall_at
from snnl_tutorial.triplets import closest_triplets, distance_to_ideal
from snnl_tutorial.view.exercises import compare, require, require_function, unpack


def exercise_1(answer: Any) -> None:
    """The distance of a triplet from the ideal one."""
    mistakes = {
        0.4: "That is its square. Take the root.",
        1.0: "That is the distance from (0, 0). The ideal partner is at 1.",
        0.8: "The two parts are squared before they are added.",
        0.2: "The stranger counts, too: it should be at 0.",
        0.6: "The partner counts, too: it should be at 1.",
        0.4472: "The partner should be at 1, the stranger at 0; not the other way.",
    }
    compare(answer, 0.4**0.5, mistakes)


def exercise_2(answer: Any) -> None:
    """The share of rows whose nearest row is a stranger."""
    require_function(answer)
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(24) % 3
    codes = torch.randn(24, 4, generator=generator, dtype=torch.float64)
    codes = codes * torch.arange(1, 25)[:, None]  # of very different lengths
    found = closest_triplets(codes, labels)
    hard = found.negative_similarity > found.positive_similarity
    share = hard.double().mean().item()
    farther = (torch.cdist(codes, codes) + torch.eye(24) * 1e9).argmin(dim=1)
    mistakes = {
        0.0: "A row is not its own nearest: leave it out.",
        1 - share: "That is Recall@1: the share whose nearest row is a partner.",
        (labels[farther] != labels).double().mean().item(): (
            "By the cosine: rows of any length are made one long first."
        ),
        (labels[(codes @ codes.T).fill_diagonal_(-1e9).argmax(dim=1)] != labels)
        .double()
        .mean()
        .item(): "By the cosine: divide the rows by their lengths.",
    }
    compare(answer(codes.clone(), labels.clone()), share, mistakes)


def exercise_3(answer: Any) -> None:
    """Codes with a perfect recall whose triplets are all far from the ideal."""
    codes, labels = unpack(answer, "codes", "labels")
    require(len(codes) >= 20, "Take at least 20 rows.")
    require(len(labels.unique()) > 1, "Take two classes or more: there are strangers.")
    distances = distance_to_ideal(closest_triplets(codes, labels))
    require(not distances.isnan().any(), "Each row needs a partner.")
    recall = recall_at(codes, labels, 1)
    require(recall == 1, f"Recall@1 is {recall:.2f}, not 1.")
    nearest = distances.min().item()
    require(nearest >= 0.9, f"One triplet is only {nearest:.2f} from (1, 0).")
