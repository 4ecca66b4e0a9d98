"""The names of the notation page are names in the modules that it points to."""

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
    soft_nearest_neighbor_loss,
)

PAGE = (Path(__file__).parents[1] / "book" / "notation.md").read_text(encoding="utf-8")
HEAD = ["symbol", "meaning", "shape", "name in the code"]


def rows_of(section: str) -> list[list[str]]:
    """The cells of a section's table, row by row, without the head."""
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in section.splitlines()
        if line.startswith("|") and not line.startswith("| ---")
    ]
    assert rows[0] == HEAD
    return rows[1:]


def symbols_with_modules() -> list[tuple[list[str], list[str]]]:
    """Each row of the page, and the modules named above its table."""
    pairs = []
    for section in PAGE.split("\n## ")[1:]:
        files = re.findall(r"`([\w/]+)\.py`", section)
        modules = [f"snnl_tutorial.{file.replace('/', '.')}" for file in files]
        pairs += [(row, modules) for row in rows_of(section)]
    return pairs


def names_in(module: str) -> set[str]:
    """Functions and classes that the module defines, their arguments and attributes."""
    names = set()
    for name, thing in vars(importlib.import_module(module)).items():
        if getattr(thing, "__module__", None) != module or not callable(thing):
            continue
        names |= {name, *inspect.signature(thing).parameters}
        if inspect.isclass(thing):
            names |= set(inspect.get_annotations(thing))
            for method in filter(inspect.isfunction, vars(thing).values()):
                names |= set(inspect.signature(method).parameters)
    return names


@pytest.mark.parametrize(
    ("row", "modules"),
    symbols_with_modules(),
    ids=lambda value: value[-1].strip("`"),
)
def test_names_are_in_the_module_above_the_table(
    row: list[str], modules: list[str]
) -> None:
    assert len(row) == len(HEAD), row
    names = set(re.findall(r"`([^`]+)`", row[-1]))
    assert names
    assert names <= set().union(*map(names_in, modules))


@pytest.mark.parametrize(
    "function",
    [soft_nearest_neighbor_loss, published_soft_nearest_neighbor_loss],
)
def test_page_covers_the_loss(function: Callable[..., object]) -> None:
    """No quantity that goes into the loss is missing from the page."""
    named = set(re.findall(r"`([^`]+)`", PAGE))
    choices = {
        "distance",
        "singletons",
        "reduction",
        "block_size",
        "gather_distributed",
    }
    assert set(inspect.signature(function).parameters) - choices <= named


def test_symbols_are_unique() -> None:
    symbols = [row[0] for row, _ in symbols_with_modules()]
    assert len(symbols) == len(set(symbols))
