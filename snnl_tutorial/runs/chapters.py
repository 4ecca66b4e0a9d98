"""Chapters as programs: which chapters there are, and the parameters of each."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from snnl_tutorial.runs.parameters import Parameter, Value, convert, read_parameters

SOURCE_LINK = re.compile(r"\]\([^)\s]*/(snnl_tutorial/[\w/]+)\.py\)")
"""A Markdown link to a module of this package, in the repository."""


class Chapter(NamedTuple):
    """A notebook that can be run with other values of its parameters."""

    path: Path
    title: str
    question: str
    explains: str
    """The module that the chapter explains, with dots; "" if it names none."""
    parameters: dict[str, Parameter]
    sources: str
    """The sha256 of the code cells, but for the parameters: those are values of a run.
    Equal sources and values are not run twice."""


def book_folder() -> Path:
    """Return the folder of the book: in an installed package, or in a clone."""
    package = Path(__file__).resolve().parents[1]
    inside, beside = package / "book", package.parent / "book"
    return inside if inside.is_dir() else beside


def chapter_paths() -> list[Path]:
    """Return the paths of the book's notebooks, in order."""
    return sorted((book_folder() / "chapters").glob("[0-9][0-9]_*.ipynb"))


def find_chapter(name: str | int | Path) -> Path:
    """Return the path of a chapter.

    Args:
        name: the chapter's number or name, or the path of any notebook.

    Raises:
        ValueError: there is no such chapter; the message lists the known ones.
        FileNotFoundError: there is no notebook at this path.

    Example:
        >>> find_chapter(5).name, find_chapter("05_layer_sum").name
        ('05_layer_sum.ipynb', '05_layer_sum.ipynb')
    """
    text = str(name)
    if text.endswith(".ipynb"):
        if not Path(text).is_file():
            raise FileNotFoundError(f"chapter: there is no notebook {text}")
        return Path(text).resolve()
    for path in chapter_paths():
        number = int(path.stem[:2])
        if text == path.stem or (text.isdecimal() and int(text) == number):
            return path
    known = ", ".join(path.stem for path in chapter_paths()) or "none here"
    raise ValueError(
        f"chapter must be a number or a name ({known}), or the path of an .ipynb file; "
        f"got {text!r}"
    )


def read_chapter(name: str | int | Path) -> Chapter:
    """Read a chapter's title, question and parameters.

    Args:
        name: as in `find_chapter`.

    Raises:
        ValueError: as in `find_chapter`; or the file is not a notebook; or a
            parameter's default is not a literal int, float, str or bool.
        TypeError: a parameter's default is not of its own type.
        FileNotFoundError: as in `find_chapter`.

    Example:
        >>> chapter = read_chapter(5)
        >>> chapter.title, chapter.explains
        ('Layer sum', 'snnl_tutorial.loss.layers')
        >>> chapter.parameters["seed"].comment
        'decides every random draw'
    """
    import nbformat

    path = find_chapter(name)
    try:
        cells = nbformat.read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        tagged = [c for c in code if "parameters" in c.metadata.get("tags", [])][:1]
        sources = [cell.source for cell in code if cell not in tagged]
        texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    except (
        AttributeError,
        RecursionError,
        ValueError,
        nbformat.ValidationError,
    ) as error:
        raise ValueError(
            f"{path} is not a notebook that can be run: {error}"
        ) from error
    introduction = texts[0] if texts else ""
    heading = introduction.strip().partition("\n")[0].lstrip("# ")
    title, _, question = heading.partition(": ")
    return Chapter(
        path=path,
        title=title,
        question=question,
        explains=explained_module(introduction),
        parameters=read_parameters(tagged[0].source) if tagged else {},
        sources=hashlib.sha256(json.dumps(sources).encode()).hexdigest(),
    )


def explained_module(first_cell_source: str) -> str:
    """Return the module that a chapter explains: the first one its first cell links to.

    Returns:
        The module's name with dots, or "" without such a link.

    Example:
        >>> blob = "https://github.com/owner/name/blob/main"
        >>> explained_module(f"[`loss/a.py`]({blob}/snnl_tutorial/loss/a.py)")
        'snnl_tutorial.loss.a'
    """
    link = SOURCE_LINK.search(first_cell_source)
    return link[1].replace("/", ".") if link else ""


def fill_defaults(chapter: Chapter, given: Mapping[str, Any]) -> dict[str, Value]:
    """Return the value of every parameter: the given one, or else the default.

    Args:
        chapter: from `read_chapter`.
        given: values by name. Numbers and booleans may be written as text, as on a
            command line, and a float as an integer.

    Raises:
        ValueError: the chapter has no parameter of this name, or a number is not in
            the range that the parameter's comment begins with.
        TypeError: a value has the wrong type.

    Example:
        >>> fill_defaults(read_chapter(1), {"seed": "3"})
        {'seed': 3, 'dataset': 'mnist', 'per_class': 6, 'device': 'cpu'}
    """
    for name in given:
        if name not in chapter.parameters:
            known = ", ".join(chapter.parameters) or "none"
            raise ValueError(
                f"{chapter.path.stem} has no parameter {name!r}; it has {known}"
            )
    return {
        name: convert(given[name], parameter) if name in given else parameter.default
        for name, parameter in chapter.parameters.items()
    }


def non_defaults(chapter: Chapter, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values that differ from the defaults, in the chapter's own order.

    Example:
        >>> non_defaults(read_chapter(1), {"device": "cpu", "per_class": 3, "seed": 1})
        {'seed': 1, 'per_class': 3}
    """
    return {
        name: values[name]
        for name, parameter in chapter.parameters.items()
        if name in values and values[name] != parameter.default
    }
