"""The chapters and their parameters, without executing anything."""

import ast
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

Value = int | float | str | bool
KINDS = {"int": int, "float": float, "str": str, "bool": bool}


class Parameter(NamedTuple):
    """One line of a chapter's cell of parameters.

    Attributes:
        name: of the variable.
        kind: `"int"`, `"float"`, `"str"` or `"bool"`.
        default: its value.
        comment: what it is.
    """

    name: str
    kind: str
    default: Value
    comment: str


def book_folder() -> Path:
    """Find the chapters: inside an installed package, or beside it in a clone."""
    package = Path(__file__).parents[1]
    inside = package / "book"
    return inside if inside.is_dir() else package.parent / "book"


def chapters() -> list[Path]:
    """All chapters, in order.

    Example:
        >>> chapters()[0].stem
        '01_distance_matrix'
    """
    return sorted(book_folder().glob("[0-9][0-9]_*.ipynb"))


def find_chapter(chapter: str) -> Path:
    """A chapter by its number, its file's name, or any notebook by its path.

    Raises:
        FileNotFoundError: there is none; the message names those that there are.

    Example:
        >>> find_chapter("4").name
        '04_log_mean.ipynb'
    """
    for path in chapters():
        if chapter in (path.stem, path.name) or chapter.zfill(2) == path.stem[:2]:
            return path
    path = Path(chapter)
    if path.suffix == ".ipynb" and path.is_file():
        return path
    known = ", ".join(path.stem for path in chapters()) or "none"
    raise FileNotFoundError(f"no chapter {chapter!r}; there are {known}")


def read_notebook(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook, each with its source as one text."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [{**cell, "source": "".join(cell["source"])} for cell in cells]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no notebook: {error!r}") from error


def parameters(path: Path) -> dict[str, Parameter]:
    """The parameters of a chapter, by name.

    Example:
        >>> parameters(find_chapter("5"))["epochs"].kind
        'int'
    """
    cells = read_notebook(path)
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    found = {}
    for cell in tagged[:1]:
        lines = cell["source"].splitlines()
        for statement in ast.parse(cell["source"]).body:
            if isinstance(statement, ast.AnnAssign) and statement.value is not None:
                name, kind = ast.unparse(statement.target), statement.annotation
                comment = lines[statement.lineno - 1].partition("  # ")[2]
                value = ast.literal_eval(statement.value)
                found[name] = Parameter(name, ast.unparse(kind), value, comment)
    return found


def checked(path: Path, given: Mapping[str, Any]) -> dict[str, Value]:
    """All parameters of a run: those given, of the right type, and the defaults.

    Args:
        path: of the chapter.
        given: values, or their texts from a command line.

    Raises:
        ValueError: an unknown name, with those that there are; or a value that does
            not fit, with what is expected.

    Example:
        >>> checked(find_chapter("5"), {"epochs": "3"})["epochs"]
        3
    """
    known = parameters(path)
    for name in given:
        if name not in known:
            names = ", ".join(known) or "none"
            raise ValueError(f"{path.stem} has no parameter {name!r}; it has {names}")
    return {
        name: fitted(name, parameter.kind, given.get(name, parameter.default))
        for name, parameter in known.items()
    }


def fitted(name: str, kind: str, value: Any) -> Value:
    """The value as the kind that its chapter says; raise if it is none."""
    wanted = KINDS.get(kind, str)
    if isinstance(value, str) and wanted is not str:
        with suppress(ValueError, SyntaxError):  # then it is told below
            value = ast.literal_eval(value.capitalize() if wanted is bool else value)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise ValueError(f"parameter {name} must be {kind}; got {value!r}")
    return value  # type: ignore[return-value]
