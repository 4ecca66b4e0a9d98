"""Chapters as programs: which there are, and the parameters of each."""

import ast
import hashlib
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

Value = int | float | str | bool
KINDS: dict[str, type] = {kind.__name__: kind for kind in (int, float, str, bool)}


class Parameter(NamedTuple):
    """One line of a chapter's parameters cell: `seed: int = 0  # decides the draws`."""

    name: str
    kind: type
    default: Value
    comment: str


class Chapter(NamedTuple):
    """A notebook that can be run with other parameters than its own."""

    path: Path
    title: str
    question: str
    parameters: dict[str, Parameter]
    sources: str
    """The sha256 of its code: the same code and parameters need no second run."""


def book_folder() -> Path:
    """Find the chapters: inside an installed package, or beside it in a clone."""
    package = Path(__file__).parents[1]
    inside, beside = package / "book", package.parent / "book"
    return inside if inside.is_dir() else beside


def chapter_paths() -> list[Path]:
    """Return the notebooks of the book, in its order."""
    return sorted((book_folder() / "chapters").glob("[0-9][0-9]_*.ipynb"))


def find_chapter(name: str | int | Path) -> Path:
    """Return the path of a chapter.

    Args:
        name: its number, its name, or the path of any notebook.

    Raises:
        ValueError: no chapter of this name; the message names those that there are.
        FileNotFoundError: no notebook at this path.

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
    """Read what a chapter asks and which parameters it has.

    Args:
        name: as in `find_chapter`.

    Raises:
        ValueError: as in `find_chapter`; a file that is no notebook; a parameter that
            is no literal int, float, str or bool.

    Example:
        >>> chapter = read_chapter(5)
        >>> chapter.title
        'Layer sum'
        >>> chapter.parameters["seed"].comment
        'decides every random draw'
    """
    import nbformat
    import papermill

    path = find_chapter(name)
    try:
        notebook = nbformat.read(path, as_version=4)
        entries = papermill.inspect_notebook(path)
    except (AttributeError, ValueError, nbformat.ValidationError) as error:
        raise ValueError(f"{path} is no notebook that can be run: {error}") from error
    parameters = [read_parameter(entry) for entry in entries.values()]
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    heading = texts[0].strip().partition("\n")[0].lstrip("# ") if texts else ""
    title, _, question = heading.partition(": ")
    return Chapter(
        path=path,
        title=title,
        question=question,
        parameters={parameter.name: parameter for parameter in parameters},
        sources=hashlib.sha256(json.dumps(code).encode()).hexdigest(),
    )


def read_parameter(entry: Mapping[str, str]) -> Parameter:
    """Make a parameter of papermill's description of a line."""
    name, text = entry["name"], entry["default"]
    try:
        default = ast.literal_eval(text)
    except (SyntaxError, ValueError) as error:
        raise ValueError(
            f"parameter {name!r} must have a literal default; got {text}"
        ) from error
    annotation = entry["inferred_type_name"]
    kind = type(default).__name__ if annotation == "None" else annotation
    if kind not in KINDS:
        raise ValueError(
            f"parameter {name!r} must be an {' or '.join(KINDS)}; it is a {kind}"
        )
    parameter = Parameter(name, KINDS[kind], default, entry["help"])
    return parameter._replace(default=convert(default, parameter))


def complete(chapter: Chapter, given: Mapping[str, Any]) -> dict[str, Value]:
    """Return the value of every parameter: the given one, or else the default.

    Args:
        chapter: whose parameters these are.
        given: values by name. A text stands for a number, as on a command line; an
            integer may stand for a float.

    Raises:
        ValueError: a name that the chapter does not have, with those that it has.
        TypeError: a value of another type; it says which is expected.

    Example:
        >>> complete(read_chapter(1), {"seed": "3"})
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


def convert(value: Any, parameter: Parameter) -> Value:
    """Return the value as one of the parameter's type, or raise a TypeError."""
    kind: Any = parameter.kind
    got = value
    if isinstance(value, str) and kind is not str:
        text = value.capitalize() if value in ("true", "false") else value
        with suppress(SyntaxError, ValueError):  # no literal: told below
            value = ast.literal_eval(text)
    if kind is float and type(value) is int:
        with suppress(OverflowError):  # told below, too
            value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        expected = "a finite float" if kind is float else f"of type {kind.__name__}"
        raise TypeError(
            f"parameter {parameter.name!r} must be {expected}; "
            f"got {type(got).__name__} {got!r}"
        )
    return value
