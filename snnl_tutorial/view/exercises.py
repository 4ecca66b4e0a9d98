"""How an exercise checks itself: "right", or a hint, in one line.

No chapter shows an answer. `snnl_tutorial/view/answers/` has a module for each chapter:
exercise 4.2 is checked by the function `exercise_2` in `chapter_04.py`. It takes the
answer, returns if it is right, and raises `NotYet` with a hint if it is not.
"""

import importlib
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

HINT_COLUMNS = 160
"""A longer hint is cut: an error message may hold anything."""


class NotYet(Exception):
    """The answer is not right; the message is a hint for the reader."""


def check(exercise: str, answer: Any, **data: Any) -> None:
    """Print whether an exercise is solved. Never raises because of the answer.

    Args:
        exercise: its number, such as "4.2".
        answer: what the reader computed; `...` while it is untouched.
        **data: what the answer depends on in this chapter, such as its images.

    Raises:
        ValueError: there is no such exercise.

    Example:
        >>> check("1.1", ...)
        Exercise 1.1: not tried yet.
        >>> check("1.1", 1.5)
        Exercise 1.1: not yet. The smaller the angle, the smaller the distance.
        >>> check("1.1", 0.5)
        Exercise 1.1: right.
    """
    checker = find_checker(exercise)
    if answer is ...:
        verdict = "not tried yet."
    else:
        hint = find_hint(checker, answer, data)
        verdict = f"not yet. {hint}" if hint else "right."
    print(f"Exercise {exercise}: {verdict}")


def find_checker(exercise: str) -> Callable[..., None]:
    """Look up the function that checks an exercise."""
    try:
        chapter, number = map(int, exercise.split("."))
        name = f"snnl_tutorial.view.answers.chapter_{chapter:02}"
        return getattr(importlib.import_module(name), f"exercise_{number}")
    except (AttributeError, ImportError, ValueError):
        message = f"exercise must be the number of one, like '4.2'; got {exercise!r}"
        raise ValueError(message) from None


def find_hint(
    checker: Callable[..., None], answer: Any, data: Mapping[str, Any]
) -> str:
    """Return one line on what is wrong with the answer, or "" if nothing is."""
    try:
        checker(answer, **data)
    except NotYet as error:
        hint = str(error)
    except Exception as error:  # a reader's function may raise anything
        hint = f"It raised {type(error).__name__}: {error}".splitlines()[0]
    else:
        return ""
    return textwrap.shorten(hint, HINT_COLUMNS, placeholder=" ...")


def require(condition: bool | Tensor, hint: str) -> None:
    """Raise `NotYet` with this hint unless the condition holds."""
    if not condition:
        raise NotYet(hint)


def require_function(answer: Any) -> None:
    """Raise `NotYet` unless the answer can be called."""
    require(callable(answer), f"answer must be a function; got {describe(answer)}.")


def unpack(answer: Any, *names: str) -> tuple[Any, ...]:
    """Return the parts of an answer that is a tuple; raise `NotYet` if it is none."""
    is_tuple = isinstance(answer, tuple | list) and len(answer) == len(names)
    wanted = ", ".join(names)
    require(is_tuple, f"answer must be a tuple ({wanted}); got {describe(answer)}.")
    return tuple(answer)


def as_numbers(answer: Any, shape: tuple[int, ...], name: str = "answer") -> Tensor:
    """Return a float64 tensor on the CPU; raise `NotYet` if it is none of that shape.

    Args:
        answer: a number, tensor, array or list, without NaN.
        shape: what its shape must be; `()` for one number.
        name: what to call it in a hint.
    """
    wanted = f"{name} must be {f'of shape {shape}' if shape else 'one number'}"
    if not isinstance(answer, Tensor):
        try:
            answer = torch.as_tensor(answer, dtype=torch.float64, device="cpu")
        except (RuntimeError, TypeError, ValueError):
            raise NotYet(f"{wanted}; got {describe(answer)}.") from None
    require(answer.shape == shape, f"{wanted}; got {describe(answer)}.")
    numbers = answer.detach().cpu().double()
    require(not numbers.isnan().any(), f"{name} contains NaN.")
    return numbers


def compare(
    answer: Any, expected: float, mistakes: Mapping[Any, str] | None = None
) -> None:
    """Raise `NotYet` unless the answer is the expected number.

    Args:
        answer: what the reader computed: exact where `expected` is an `int`, otherwise
            to about three digits.
        expected: the right number.
        mistakes: typical wrong numbers, each with its hint.

    Example:
        >>> compare(3.14, 3.14159)
        >>> compare(0.318, 3.14159, {1 / 3.14159: "Upside down."})
        Traceback (most recent call last):
            ...
        snnl_tutorial.view.exercises.NotYet: Upside down.
    """
    got, is_whole = as_numbers(answer, ()).item(), isinstance(expected, int)

    def is_near(number: float, share: float = 1e-3) -> bool:
        return abs(got - number) <= (0 if is_whole else share * abs(number) + 1e-9)

    if is_near(expected):
        return
    for number, hint in (mistakes or {}).items():
        require(not is_near(number), hint)
    require(not is_whole or got % 1 == 0, f"{got:.6g} is not a whole number.")
    hint = f"{got:.6g} is close. Three digits must be right."
    require(not is_near(expected, 0.02), hint)
    raise NotYet(f"{got:.6g} is too {'small' if got < expected else 'large'}.")


def describe(answer: Any) -> str:
    """Say in a few words what kind of thing this is; never what is in it."""
    if isinstance(answer, Tensor):
        return f"shape {tuple(answer.shape)}" if answer.ndim else "one number"
    return "None" if answer is None else type(answer).__name__
