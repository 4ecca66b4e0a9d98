"""The page "When training goes wrong": its blocks run, and what it says is so."""

import re
from pathlib import Path

import pytest
import torch

from snnl_tutorial import entanglement, soft_nearest_neighbor_loss

PAGE = Path(__file__).parents[1] / "book" / "troubleshooting.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def names():
    torch.manual_seed(0)
    found = {}
    for block in BLOCKS:
        exec(compile(block, PAGE.name, "exec"), found)
    return found


def test_rows_and_labels_that_belong_together_are_far_below_chance(names):
    assert names["measured"].value < 0.3 * names["measured"].chance


def test_labels_that_slipped_by_one_row_are_at_chance(names):
    slipped = names["slipped"]
    assert slipped.value == pytest.approx(slipped.chance, abs=0.05)


def test_a_column_in_other_units_hides_the_labels_until_it_is_scaled(names):
    drowned, scaled = (
        entanglement(names[name], names["labels"], distance="sqeuclidean")
        for name in ("drowned", "scaled")
    )
    assert drowned.value == pytest.approx(drowned.chance, abs=0.1)
    assert scaled.value < 0.5 * scaled.chance


def test_the_table_of_the_loss(names):
    """Hot: the level of no order. Cold: large. No partners: zero, or an error."""
    rows, labels = names["rows"][:200], names["labels"][:200]
    hot = soft_nearest_neighbor_loss(rows, labels, temperature=100.0)
    counts = labels.bincount()[labels] - 1
    level = torch.log(199 / counts.double()).mean()
    assert hot.item() == pytest.approx(level.item(), abs=0.02)
    cold = soft_nearest_neighbor_loss(rows, labels, temperature=1e-3)
    assert cold > 2 * level
    alone = rows[:3], torch.arange(3)
    assert soft_nearest_neighbor_loss(*alone, temperature=0.1) == 0
    with pytest.raises(ValueError, match="partner"):
        soft_nearest_neighbor_loss(*alone, temperature=0.1, singletons="raise")
