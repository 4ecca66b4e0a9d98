"""Write the tables of chapters in README.md and book/index.md, or check them.

    python tools/chapter_tables.py            write both tables
    python tools/chapter_tables.py --check    write nothing; fail if a table is outdated

book/_toc.yml gives the order. The first cell of each chapter gives its title, its
question and its reading time. A table stands between two comments, which stay.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

import yaml
from set_repository import HomeError, current_home, current_ref

from snnl_tutorial.files import write_atomically

FIRST_CELL = re.compile(r"# (.+?): (.+\?)\n\n\*Reading (\d+) minutes")
BEGIN = "<!-- table of chapters: `make tables` writes it -->"
END = "<!-- end of the table -->"
COLAB = "https://colab.research.google.com/github"


class TableError(Exception):
    """An error that one line can tell."""


class Entry(NamedTuple):
    """What the tables say about one chapter."""

    number: int
    title: str
    question: str
    minutes: str
    path: str
    """The notebook, seen from book/."""


def read_entries(book: Path) -> list[Entry]:
    """Read the chapters that _toc.yml lists, in its order."""
    contents = yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))
    pages = [page["file"] for part in contents["parts"] for page in part["chapters"]]
    return [read_entry(book, page) for page in pages if page.startswith("chapters/")]


def read_entry(book: Path, page: str) -> Entry:
    """Read one chapter's first cell."""
    path = f"{page}.ipynb"
    notebook = json.loads((book / path).read_text(encoding="utf-8"))
    found = FIRST_CELL.match("".join(notebook["cells"][0]["source"]))
    if found is None:
        raise TableError(
            f"{path}: the first cell must begin with '# TITLE: QUESTION?', an empty "
            "line, and '*Reading N minutes'"
        )
    title, question, minutes = found.groups()
    return Entry(
        number=int(Path(path).name[:2]),
        title=title,
        question=question[0].upper() + question[1:],
        minutes=minutes,
        path=path,
    )


def readme_table(entries: list[Entry]) -> str:
    """The table of README.md."""
    rows = ["| | chapter | the question it answers |", "| --- | --- | --- |"]
    for entry in entries:
        link = f"[{entry.title}](book/{entry.path})"
        rows.append(f"| {entry.number} | {link} | {entry.question} |")
    return "\n".join(rows)


def index_table(entries: list[Entry], home: str, ref: str) -> str:
    """The table of book/index.md; the repository is OWNER/NAME, at a branch or tag."""
    rows = [
        "| chapter | the question it answers | minutes | run it |",
        "| --- | --- | --- | --- |",
    ]
    for entry in entries:
        link = f"[{entry.number} {entry.title}]({entry.path})"
        colab = f"[Colab]({COLAB}/{home}/blob/{ref}/book/{entry.path})"
        rows.append(f"| {link} | {entry.question} | {entry.minutes} | {colab} |")
    return "\n".join(rows)


def replace_table(text: str, table: str, name: str) -> str:
    """Put the table between the two comments of a page with this name."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise TableError(f"{name} must have the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def outdated_pages(root: Path) -> dict[Path, str]:
    """Return the new text of each page whose table is outdated."""
    entries = read_entries(root / "book")
    home = "/".join(current_home(root))
    tables = {
        "README.md": readme_table(entries),
        "book/index.md": index_table(entries, home, current_ref(root)),
    }
    outdated = {}
    for name, table in tables.items():
        text = (root / name).read_text(encoding="utf-8")
        new = replace_table(text, table, name)
        if new != text:
            outdated[root / name] = new
    return outdated


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    options = parser.parse_args(arguments)
    try:
        outdated = outdated_pages(options.root)
        if not options.check:
            for path, text in outdated.items():
                write_atomically(path, text.encode("utf-8"))
                print(path.relative_to(options.root))
            return 0
    except (TableError, HomeError, OSError) as error:
        print(f"chapter_tables.py: {error}", file=sys.stderr)
        return 1
    for path in outdated:
        name = path.relative_to(options.root)
        print(
            f"chapter_tables.py: the table of chapters in {name} is outdated: run "
            "`make tables`",
            file=sys.stderr,
        )
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main())
