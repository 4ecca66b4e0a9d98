"""The notation table's names are the package's names."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import snnl_tutorial.datasets
import snnl_tutorial.learning
import snnl_tutorial.loss
import snnl_tutorial.runs
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
    soft_nearest_neighbor_loss,
)

NOTATION = Path(__file__).parents[1] / "book" / "notation.md"
HEAD = ["symbol", "meaning", "shape", "name in the code"]


def notation_rows() -> list[list[str]]:
    """The cells of all tables on the page, row by row, without the heads."""
    lines = NOTATION.read_text(encoding="utf-8").splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in lines
        if line.startswith("|") and not line.startswith("| ---")
    ]
    return [row for row in rows if row != HEAD]


def names_of(module: object) -> set[str]:
    """Public functions and classes of a module, and their arguments and attributes."""
    names = set()
    for name, thing in vars(module).items():
        if name.startswith("_") or not callable(thing):
            continue
        if not getattr(thing, "__module__", "").startswith("snnl_tutorial"):
            continue
        names |= {name, *inspect.signature(thing).parameters}
        if inspect.isclass(thing):
            names |= set(vars(thing).get("__annotations__", {}))
            for method in filter(inspect.isfunction, vars(thing).values()):
                names |= set(inspect.signature(method).parameters)
    return names


def package_names() -> set[str]:
    """The names that a reader can meet."""
    names = set()
    rooms = snnl_tutorial.loss, snnl_tutorial.datasets, snnl_tutorial.learning
    for part in (*rooms, snnl_tutorial.runs):
        for found in pkgutil.iter_modules(part.__path__):
            module = importlib.import_module(f"{part.__name__}.{found.name}")
            names |= names_of(module)
    return names


@pytest.mark.parametrize("row", notation_rows(), ids=lambda row: row[-1].strip("`"))
def test_names_exist(row: list[str]) -> None:
    assert len(row) == len(HEAD), row
    names = re.findall(r"`([^`]+)`", row[-1])
    assert names
    assert set(names) <= package_names()


@pytest.mark.parametrize(
    "function",
    [soft_nearest_neighbor_loss, published_soft_nearest_neighbor_loss],
)
def test_page_covers_the_loss(function: Callable[..., object]) -> None:
    """No quantity that goes into the loss is missing from the page."""
    named = set(re.findall(r"`([^`]+)`", NOTATION.read_text(encoding="utf-8")))
    choices = {"distance", "singletons", "reduction", "block_size"}
    assert set(inspect.signature(function).parameters) - choices <= named


def test_symbols_are_unique() -> None:
    symbols = [row[0] for row in notation_rows()]
    assert len(symbols) == len(set(symbols))
