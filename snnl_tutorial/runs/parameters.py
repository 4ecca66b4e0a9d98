"""The parameters of a chapter: annotated literals, and values that may replace them."""

import ast
import io
import math
import re
import tokenize
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from snnl_tutorial.runs.messages import brief

Value = int | float | str | bool
KINDS: dict[str, type] = {kind.__name__: kind for kind in (int, float, str, bool)}
BOOLEANS = {"true": True, "True": True, "false": False, "False": False}
READERS: dict[type, Callable[[str], Value]] = {
    int: lambda text: int(text, 0),
    float: float,
    bool: BOOLEANS.__getitem__,
}
"""How a value is read that was written as text, as on a command line."""
NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
RANGE = re.compile(rf"(?:at least ({NUMBER})|({NUMBER}) to ({NUMBER}))(?:[,;]|$)")
"""How a comment begins that says which numbers a parameter can be."""


class Parameter(NamedTuple):
    """One line of the parameters cell: `seed: int = 0  # decides every random draw`."""

    name: str
    kind: type
    default: Value
    comment: str
    """`"1 to 500, images"` or `"at least 1, images"`: other numbers are refused."""


def read_parameters(source: str) -> dict[str, Parameter]:
    """Read the parameters cell: literals with names, types and comments.

    Args:
        source: the cell, of lines such as `factor: float = 0.5  # weight`. Without an
            annotation the default tells the type.

    Returns:
        The parameters by name, in their order.

    Raises:
        ValueError: a line is something else.
        TypeError: a default is not of its own type.

    Example:
        >>> width = read_parameters("width: int = 3  # 1 to 9, columns")["width"]
        >>> width.kind, width.default, width.comment
        (<class 'int'>, 3, '1 to 9, columns')
    """
    try:
        statements = ast.parse(source).body
        comments = {
            token.start[0]: token.string.lstrip("# ")
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }
    except (MemoryError, RecursionError, SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"the parameters cell is not Python: {error}") from error
    parameters: dict[str, Parameter] = {}
    for statement in statements:
        comment = comments.get(statement.end_lineno or 0, "")
        parameter = read_parameter(statement, comment)
        if parameter.name in parameters:
            raise ValueError(f"parameter {parameter.name!r} is assigned twice")
        parameters[parameter.name] = parameter
    return parameters


def read_parameter(statement: ast.stmt, comment: str) -> Parameter:
    """Read one statement of the parameters cell."""
    match statement:
        case ast.AnnAssign(ast.Name(name), annotation, ast.expr() as value):
            kind = ast.unparse(annotation)
        case ast.Assign([ast.Name(name)], value):
            kind = ""
        case _:
            raise ValueError(
                "the parameters cell must have only lines like `seed: int = 0`; "
                f"got {brief(ast.unparse(statement))}"
            )
    try:
        default = ast.literal_eval(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"parameter {name!r} must have a literal default; got {ast.unparse(value)}"
        ) from error
    kind = kind or type(default).__name__
    if kind not in KINDS:
        raise ValueError(
            f"parameter {name!r} must be of type {', '.join(KINDS)}; got {kind}"
        )
    if isinstance(default, str) and kind != "str":
        raise TypeError(f"parameter {name!r} must be of type {kind}; got a str")
    parameter = Parameter(name, KINDS[kind], default, comment)
    return parameter._replace(default=convert(default, parameter))


def convert(value: Any, parameter: Parameter) -> Value:
    """Return the value in the parameter's type.

    Raises:
        TypeError: it is of another type.
        ValueError: it is not in the range that the comment begins with.
    """
    kind: Any = parameter.kind
    got = value
    if isinstance(value, str) and kind is not str:
        with suppress(KeyError, ValueError):  # rejected below
            value = READERS[kind](value)
    if kind is float and type(value) is int:
        with suppress(OverflowError):  # rejected below
            value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        expected = "a finite float" if kind is float else f"of type {kind.__name__}"
        raise TypeError(
            f"parameter {parameter.name!r} must be {expected}; "
            f"got {type(got).__name__} {brief(got)}"
        )
    limits = RANGE.match(parameter.comment)
    if limits and kind in (int, float):
        least, low, high = limits.groups()
        if not float(least or low) <= value <= float(high or "inf"):
            raise ValueError(
                f"parameter {parameter.name!r} must be {limits[0].rstrip(',;')}; "
                f"got {brief(value)}"
            )
    return value
