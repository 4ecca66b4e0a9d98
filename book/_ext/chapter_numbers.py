"""A chapter's number is that of its file: chapters/11_any_size is chapter 11.

Sphinx counts the numbered pages of the table of contents. This puts the file's
number in its place: in titles, contents, figures and equations.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.connect(
        "env-get-updated", number_by_file, priority=900
    )  # after Sphinx counts
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def number_by_file(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Put the file's number in the first place of every number of its page."""
    changed = []
    for page, sections in env.toc_secnumbers.items():
        file = re.match(r"chapters/(\d\d)_", page)
        if file is None or "secnumber" not in env.titles[page]:
            continue
        first = int(file[1])
        if env.titles[page]["secnumber"][0] != first:
            changed.append(page)
        titles = [env.titles[page], *env.tocs[page].findall(nodes.reference)]
        for title in titles:
            if title.get("secnumber"):
                title["secnumber"] = (first, *title["secnumber"][1:])
        for numbers in (sections, *env.toc_fignumbers.get(page, {}).values()):
            for key, number in numbers.items():
                if number:
                    numbers[key] = (first, *number[1:])
    return changed
