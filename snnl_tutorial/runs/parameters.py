"""The parameters of a chapter: annotated literals, and values that may replace them."""

import ast
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

Value = int | float | str | bool
KINDS: dict[str, type] = {kind.__name__: kind for kind in (int, float, str, bool)}


class Parameter(NamedTuple):
    """One line of the parameters cell: `seed: int = 0  # decides every random draw`."""

    name: str
    kind: type
    default: Value
    comment: str


def read_parameter(entry: Mapping[str, str]) -> Parameter:
    """Return the parameter that papermill describes by this entry."""
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
            f"parameter {name!r} must be of type {', '.join(KINDS)}; got {kind}"
        )
    parameter = Parameter(name, KINDS[kind], default, entry["help"])
    return parameter._replace(default=convert(default, parameter))


def convert(value: Any, parameter: Parameter) -> Value:
    """Return the value in the parameter's type, or raise a TypeError."""
    kind: Any = parameter.kind
    got = value
    if isinstance(value, str) and kind is not str:
        text = value.capitalize() if value in ("true", "false") else value
        with suppress(SyntaxError, ValueError):  # not a literal: rejected below
            value = ast.literal_eval(text)
    if kind is float and type(value) is int:
        with suppress(OverflowError):  # rejected below
            value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        expected = "a finite float" if kind is float else f"of type {kind.__name__}"
        raise TypeError(
            f"parameter {parameter.name!r} must be {expected}; "
            f"got {type(got).__name__} {got!r}"
        )
    return value
