"""Chapter 17, inside the layers."""

from typing import Any

import torch
from torch import Tensor

from snnl_tutorial.attribution.components import paired_components
from snnl_tutorial.view.exercises import (
    as_numbers,
    compare,
    require,
    require_function,
    unpack,
)


def exercise_1(answer: Any) -> None:
    """The logit of a map of 7 by 7 places that sums to 98, with a bias of 0.5."""
    mistakes = {
        98.0: "That is the sum of the map. The network takes the mean.",
        98.5: "The network takes the mean over the places, not the sum.",
        2.0: "That is the mean of the map. What else is in the logit?",
        14.5: "There are 7 by 7 places, not 7.",
        2 + 0.5 / 49: "The bias is added once, not spread over the places.",
    }
    compare(answer, 2.5, mistakes)


def exercise_2(answer: Any) -> None:
    """Grad-CAM from the features and the logit's slopes in them."""
    require_function(answer)
    draw = torch.Generator().manual_seed(0)
    features, slopes = torch.randn(2, 4, 3, 5, generator=draw, dtype=torch.float64)
    got = as_numbers(answer(features.clone(), slopes.clone()), (3, 5), "the map")
    weights = slopes.mean(dim=(1, 2), keepdim=True)
    terms = weights * features

    def near(wrong: Tensor) -> bool:
        return bool(torch.allclose(got, wrong, rtol=1e-3, atol=1e-6))

    if near(terms.sum(dim=0).relu()):
        return
    mistakes = {
        "What speaks against the class is left out at the end.": terms.sum(dim=0),
        "Add up the features first; what is negative goes last.": terms.relu().sum(0),
        "A feature has one weight: the mean of its slopes over the places.": (
            (slopes * features).sum(dim=0).relu()
        ),
        "The weights are means of the slopes, not sums.": (
            15 * terms.sum(dim=0).relu()
        ),
        "Add up the features; do not take their mean.": terms.mean(dim=0).relu(),
    }
    for hint, wrong in mistakes.items():
        require(not near(wrong), hint)
    require(False, "That is another map. A weight for each feature first, then a sum.")


def exercise_3(answer: Any) -> None:
    """Two images: the first component tells them apart, the second is shared."""
    image_a, image_b = unpack(answer, "a", "b")
    a = as_numbers(image_a, (3, 4, 4), "a")
    b = as_numbers(image_b, (3, 4, 4), "b")
    found = paired_components(a, b, 2)
    first, second = found.between.tolist()
    require(first > 0.9, f"Of the first component, only {first:.2f} is between.")
    require(second < 0.1, f"Of the second, {second:.2f} is between: it is not shared.")
    share = float(found.variance[1])
    require(share > 1e-6, "There is no second component: nothing else varies.")
