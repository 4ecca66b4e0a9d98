"""The tables of chapters, on a small copy of the book and in this project."""

import json
from pathlib import Path

import chapter_tables
import pytest

ROOT = Path(__file__).parents[1]
COLAB = "https://colab.research.google.com/github"
PAGE = f"Before.\n{chapter_tables.BEGIN}\n| old |\n{chapter_tables.END}\nAfter.\n"
CONTENTS = """\
root: index
parts:
  - caption: One
    chapters: [{file: chapters/02_late}]
  - caption: Two
    chapters: [{file: chapters/01_early}, {file: notation}]
"""


def write_chapter(root, name, first_cell):
    cell = {"cell_type": "markdown", "source": first_cell.splitlines(keepends=True)}
    path = root / "book" / "chapters" / f"{name}.ipynb"
    path.write_text(json.dumps({"cells": [cell]}))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "book" / "chapters").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        '[project.urls]\nRepository = "https://github.com/ann/book"\n'
    )
    (tmp_path / "_config.yml").write_text("repository:\n  branch: v1.2\n")
    (tmp_path / "README.md").write_text(PAGE)
    (tmp_path / "book" / "index.md").write_text(PAGE)
    (tmp_path / "book" / "_toc.yml").write_text(CONTENTS)
    late = "# Late: is it too late?\n\n*Reading 12 minutes · ...*"
    write_chapter(tmp_path, "02_late", late)
    early = "# Early: how early?\n\n*Reading 3 minutes · ...*"
    write_chapter(tmp_path, "01_early", early)
    return tmp_path


def tables(*options, root):
    return chapter_tables.main([*options, "--root", str(root)])


def test_both_tables_say_what_the_chapters_say_in_the_order_of_the_book(project):
    assert tables(root=project) == 0
    readme = (project / "README.md").read_text()
    assert readme.startswith("Before.\n")
    assert readme.endswith("\nAfter.\n")
    assert "old" not in readme
    assert [line for line in readme.splitlines() if line.startswith("| ")][2:] == [
        "| 2 | [Late](book/chapters/02_late.ipynb) | Is it too late? |",
        "| 1 | [Early](book/chapters/01_early.ipynb) | How early? |",
    ]
    colab = f"{COLAB}/ann/book/blob/v1.2/book/chapters"
    index = (project / "book" / "index.md").read_text()
    assert [line for line in index.splitlines() if line.startswith("| [")] == [
        "| [2 Late](chapters/02_late.ipynb) | Is it too late? | 12 "
        f"| [Colab]({colab}/02_late.ipynb) |",
        "| [1 Early](chapters/01_early.ipynb) | How early? | 3 "
        f"| [Colab]({colab}/01_early.ipynb) |",
    ]


def test_check_names_the_outdated_page_and_writes_nothing(project, capsys):
    assert tables(root=project) == 0
    assert tables("--check", root=project) == 0
    readme = project / "README.md"
    outdated = readme.read_text().replace("How early?", "How soon?")
    readme.write_text(outdated)
    capsys.readouterr()
    assert tables("--check", root=project) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "README.md is outdated: run `make tables`" in line
    assert readme.read_text() == outdated


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("README.md", "no comments", "README.md must have the lines"),
        ("book/index.md", chapter_tables.BEGIN, "index.md must have the lines"),
        (
            "book/chapters/01_early.ipynb",
            '{"cells": [{"source": ["# Early\\n"]}]}',
            "chapters/01_early.ipynb: the first cell must begin with",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line(project, capsys, file, text, message):
    (project / file).write_text(text)
    before = {path: path.read_bytes() for path in project.rglob("*.*")}
    assert tables(root=project) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert {path: path.read_bytes() for path in project.rglob("*.*")} == before


def test_a_chapter_that_is_not_there_is_named(project, capsys):
    (project / "book" / "chapters" / "02_late.ipynb").unlink()
    assert tables(root=project) == 1
    assert "02_late.ipynb" in capsys.readouterr().err


def test_the_tables_of_this_project_are_up_to_date(capsys):
    assert tables("--check", root=ROOT) == 0, capsys.readouterr().err
