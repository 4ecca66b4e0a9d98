"""What a sweep is to run: read from a YAML file, all of it checked first."""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from snnl_tutorial.runs.chapters import (
    Chapter,
    fill_defaults,
    find_chapter,
    read_chapter,
)
from snnl_tutorial.runs.messages import brief
from snnl_tutorial.runs.parameters import Value
from snnl_tutorial.runs.runs import run_name

KEYS = ("chapter", "parameters", "grid")
MOST_RUNS = 10_000
"""Runs of one sweep."""
MOST_VALUES = 100_000
"""Values of a sweep's file, with every alias written out."""


class Run(NamedTuple):
    """A chapter and the values of all its parameters."""

    name: str
    chapter: Chapter
    values: dict[str, Value]


def read_sweep(
    path: Path | str, overrides: Mapping[str, Value] | None = None
) -> list[Run]:
    """Read a sweep from a YAML file, and check all of it.

    The file has a `chapter` (one or a list), the `parameters` that all runs share, and
    a `grid` of lists of values, of which every combination is run. Several such blocks
    can be listed under `runs`. Paths are relative to the file.

        chapter: 5
        parameters: {epochs: 4}
        grid:
          factor: [0.0, 0.5]
          seed: [0, 1, 2]

    Args:
        path: the YAML file.
        overrides: values that replace those of the file in every run.

    Returns:
        The runs, without repetitions.

    Raises:
        ValueError, TypeError: the first error in the file.
        OSError: the file cannot be read.
    """
    import yaml

    path = Path(path)
    text = path.read_bytes()
    try:
        blocks = list_blocks(load_yaml(text.decode()))
        count = sum(count_runs(block) for block in blocks)
        if count > MOST_RUNS:
            raise ValueError(
                f"a sweep must have at most {MOST_RUNS:,} runs; this has {count:,}"
            )
        runs = [
            run
            for block in blocks
            for run in read_block(block, path.parent, overrides or {})
        ]
        return unique_runs(runs)
    except TypeError as error:
        raise TypeError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ValueError(f"{path}: it is nested too deeply") from error
    except (FileNotFoundError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from error


def load_yaml(text: str) -> Any:
    """Read YAML in which no key is written twice, and no alias grows without end."""
    import yaml

    root = yaml.compose(text, yaml.SafeLoader)
    nodes, count = [root] if root else [], 0
    while nodes:  # comes to a node as often as its aliases do
        node = nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            children = node.value
        elif isinstance(node, yaml.MappingNode):
            check_keys([key for key, _ in node.value])
            children = [child for pair in node.value for child in pair]
        else:
            continue
        count += len(children)
        if count > MOST_VALUES:
            raise ValueError(f"it must have at most {MOST_VALUES:,} values")
        nodes += children
    return yaml.safe_load(text)


def check_keys(keys: list[Any]) -> None:
    """Raise if a text is among the nodes twice: YAML would forget the first one."""
    import yaml

    seen = set()
    for key in keys:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ValueError(f"{brief(key.value)} is given twice (line {line})")
            seen.add(key.value)


def list_blocks(content: Any) -> list[Any]:
    """Return the blocks under `runs`, or the whole content as the only block."""
    if not isinstance(content, dict):
        raise ValueError(f"it must have the keys {', '.join(KEYS)}")
    blocks = content["runs"] if set(content) == {"runs"} else [content]
    if not isinstance(blocks, list) or not blocks:
        raise ValueError("runs must be a list of blocks")
    return blocks


def count_runs(block: Any) -> int:
    """Check one block but for its values; return how many runs it asks for."""
    if not isinstance(block, dict) or not set(block) <= set(KEYS):
        raise ValueError(
            f"a block must have the keys {', '.join(KEYS)}; got {brief(block)}"
        )
    names = list_chapters(block)
    if not names or not all(isinstance(name, int | str) for name in names):
        raise ValueError(
            f"a block must have a chapter or a list of them; got {brief(block)}"
        )
    grid = block.get("grid") or {}
    check_settings(block.get("parameters") or {}, grid)
    return len(names) * math.prod(len(values) for values in grid.values())


def list_chapters(block: Mapping[str, Any]) -> list[Any]:
    """Return the chapters of a block, of which there may be only one."""
    names = block.get("chapter")
    return names if isinstance(names, list) else [names]


def read_block(
    block: Mapping[str, Any], folder: Path, overrides: Mapping[str, Value]
) -> Iterator[Run]:
    """Yield every run of one block."""
    fixed, grid = block.get("parameters") or {}, block.get("grid") or {}
    for name in list_chapters(block):
        is_path = str(name).endswith(".ipynb")
        chapter = read_chapter(find_chapter(folder / name if is_path else name))
        for values in product(*grid.values()):
            given = {**fixed, **dict(zip(grid, values, strict=True)), **overrides}
            run_values = fill_defaults(chapter, given)
            yield Run(run_name(chapter, run_values), chapter, run_values)


def check_settings(fixed: Any, grid: Any) -> None:
    """Raise unless both are dictionaries, and the grid holds lists of values."""
    for name, settings in (("parameters", fixed), ("grid", grid)):
        if not isinstance(settings, Mapping):
            raise ValueError(f"{name} must map names to values; got {brief(settings)}")
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(
                f"grid: {name!r} must have a list of values; got {brief(values)}"
            )
        if name in fixed:
            raise ValueError(f"{name!r} must be in parameters or in grid, not in both")


def unique_runs(runs: Iterable[Run]) -> list[Run]:
    """Return each run once; raise if two notebooks would share a name."""
    by_name: dict[str, Run] = {}
    for run in runs:
        known = by_name.setdefault(run.name, run)
        if known.chapter.path != run.chapter.path:
            raise ValueError(
                f"{known.chapter.path} and {run.chapter.path} must have different names"
            )
    return list(by_name.values())
