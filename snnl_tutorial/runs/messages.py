"""Text for a terminal: without control characters, and short enough for a line."""

import reprlib
from typing import Any

LONGEST_LINE = 600
"""Characters; of a longer line the beginning and the end are shown."""
BRIEF = reprlib.Repr()
BRIEF.maxlevel = 2
BRIEF.maxstring = 100


def printable(text: str) -> str:
    r"""Replace control characters, such as those of a terminal, but not line ends.

    Example:
        >>> printable("a\x1b[2Jb\nc")
        'a [2Jb\nc'
    """
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def one_line(text: str) -> str:
    r"""Return the text as one line, printable and not too long.

    Example:
        >>> one_line("not\n  so")
        'not so'
    """
    line = " ".join(printable(text).split())
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} ... {line[-half:]}"


def brief(value: Any) -> str:
    """Return the `repr` of a value of any size, shortened before it is made.

    Example:
        >>> brief([[1], [[2]]] * 1000)
        '[[1], [[...]], [1], [[...]], [1], [[...]], ...]'
    """
    return BRIEF.repr(value)
