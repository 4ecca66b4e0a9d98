"""Chapters are found by number, name or path; their parameters are checked."""

import math
from importlib.util import find_spec

import pytest

from snnl_tutorial.runs import chapters
from snnl_tutorial.runs.chapters import (
    book_folder,
    chapter_paths,
    explained_module,
    fill_defaults,
    find_chapter,
    read_chapter,
)
from tests import helpers


@pytest.fixture
def chapter(tmp_path):
    return read_chapter(helpers.notebook(tmp_path / "tiny.ipynb", "seed"))


@pytest.mark.parametrize("name", [5, "5", "05", "05_layer_sum"])
def test_a_chapter_has_a_number_and_a_name(name):
    assert (
        find_chapter(name) == helpers.ROOT / "book" / "chapters" / "05_layer_sum.ipynb"
    )


def test_a_chapter_is_any_notebook(tmp_path, monkeypatch):
    path = helpers.notebook(tmp_path / "mine.ipynb")
    monkeypatch.chdir(tmp_path)
    assert find_chapter("mine.ipynb") == find_chapter(path) == path


@pytest.mark.parametrize("name", ["99", "0", "layer", "", "05_layer_sum.py"])
def test_an_unknown_chapter_is_reported_with_the_known_ones(name):
    with pytest.raises(ValueError, match="05_layer_sum.*got") as caught:
        find_chapter(name)
    assert repr(name) in str(caught.value)


def test_a_path_that_is_not_there():
    with pytest.raises(FileNotFoundError, match=r"no notebook none\.ipynb"):
        find_chapter("none.ipynb")


@pytest.mark.parametrize(
    "content",
    ["", "text", "[]", '{"a": 1}', "\xff", "[" * 100_000, '{"a":' * 100_000],
    ids=range(7),
)
def test_a_file_that_is_not_a_notebook(tmp_path, content):
    path = tmp_path / "broken.ipynb"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"broken\.ipynb is not a notebook"):
        read_chapter(path)


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_every_chapter_of_the_book_can_be_run_with_other_parameters(path):
    chapter = read_chapter(path)
    assert chapter.title
    assert chapter.question.endswith("?")
    assert {"seed", "dataset", "device"} <= set(chapter.parameters)
    assert all(parameter.comment for parameter in chapter.parameters.values())
    assert fill_defaults(chapter, {"seed": 7})["seed"] == 7
    assert find_spec(chapter.explains)


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("# A: b?\n\nno link", ""),
        ("snnl_tutorial/loss/layers.py", ""),
        ("[a](https://github.com/a/b/blob/main/tools/refresh.py)", ""),
        ("[a](../snnl_tutorial/loss/layers.py)", "snnl_tutorial.loss.layers"),
        (
            "[a](https://github.com/a/snnl_tutorial/blob/main/snnl_tutorial/hooks.py), "
            "[b](https://github.com/a/b/blob/main/snnl_tutorial/loss/layers.py)",
            "snnl_tutorial.hooks",
        ),
    ],
)
def test_a_chapter_explains_the_first_module_that_it_links_to(text, module):
    assert explained_module(text) == module


def test_the_parameters_cell_as_read(chapter):
    assert (chapter.title, chapter.question) == ("Tiny", "does it run?")
    assert chapter.explains == ""
    assert [tuple(parameter) for parameter in chapter.parameters.values()] == [
        ("seed", int, 0, "decides every random draw"),
        ("factor", float, 0.5, "weight"),
        ("name", str, "a", "of whatever"),
        ("fast", bool, False, "or not"),
    ]


def test_without_an_annotation_the_default_tells_the_type(tmp_path):
    path = helpers.notebook(tmp_path / "a.ipynb", parameters="a = 3\nb = 'c'  # d")
    found = read_chapter(path).parameters.values()
    assert [tuple(p) for p in found] == [("a", int, 3, ""), ("b", str, "c", "d")]


def test_parameters_are_read_as_python_reads_them(tmp_path):
    cell = """\
# 0 to 1, of nothing
text: str = 'a=b'
rate: float = 0.5  # T = 1 / t
color: str = '#1f77b4'  # a "#" in both
pair: str = (
    "one "  # not this comment
    "two"
)  # this = one
low: float = -1e-3; high: int = +2"""
    found = read_chapter(helpers.notebook(tmp_path / "a.ipynb", parameters=cell))
    assert [tuple(parameter) for parameter in found.parameters.values()] == [
        ("text", str, "a=b", ""),
        ("rate", float, 0.5, "T = 1 / t"),
        ("color", str, "#1f77b4", 'a "#" in both'),
        ("pair", str, "one two", "this = one"),
        ("low", float, -0.001, ""),
        ("high", int, 2, ""),
    ]


def test_a_notebook_may_have_no_parameters(tmp_path):
    chapter = read_chapter(helpers.notebook(tmp_path / "a.ipynb", "1", parameters=""))
    assert fill_defaults(chapter, {}) == {}
    with pytest.raises(ValueError, match="no parameter 'seed'; it has none"):
        fill_defaults(chapter, {"seed": 1})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a: int = 2 * n", "'a' must have a literal default; got 2 \\* n"),
        ("a: list = [1]", "'a' must be of type int, float, str, bool; got list"),
        ("a = None", "'a' must be .*; got NoneType"),
        ("a: int | None = 3", "'a' must be .*; got int \\| None"),
        ("a: Optional[int] = 3", "'a' must be .*; got Optional\\[int\\]"),
        ("a: int = '3'", "'a' must be of type int; got a str"),
        ("a: int = 2.5", "'a' must be of type int; got float 2.5"),
        ("a: float = 1e999", "'a' must be a finite float; got float inf"),
        ("a = 1\na = 2", "'a' is assigned twice"),
        ("a: int", "only lines like .*; got 'a: int'"),
        ("a = b = 3", "only lines like .*; got 'a = b = 3'"),
        ("a, b = 3, 4", "only lines like"),
        ("a.b = 3", "only lines like"),
        ("a += 3", "only lines like"),
        ("import os", "only lines like"),
        ("a = 3\nprint(a)", "only lines like"),
        ("%matplotlib inline", "not Python"),
        ("a = (", "not Python"),
        ("a = " + "-" * 100_000 + "1", "not Python"),
        ("a: int = 3  # 5 to 9, columns", "'a' must be 5 to 9; got 3"),
    ],
)
def test_a_parameter_that_cannot_be_set(tmp_path, line, words):
    path = helpers.notebook(tmp_path / "a.ipynb", parameters=line)
    with pytest.raises((TypeError, ValueError), match=words):
        read_chapter(path)


@pytest.mark.parametrize(
    ("comment", "inside", "outside"),
    [
        ("1 to 500, images", [1, 500], [0, -5, 501, 10**9]),
        ("1 to 500", [1, 500], [0, 501]),
        ("-3 to 3; of both signs", [-3, 3], [-4, 4]),
        ("at least 2, of whatever", [2, 10**9], [1, -2]),
        ("images, 1 to 500", [-5, 501], []),  # a range comes first
        ("1 to 500 images of 600", [-5, 501], []),
    ],
)
def test_a_comment_can_begin_with_a_range(tmp_path, comment, inside, outside):
    line = f"a: int = 3  # {comment}"
    chapter = read_chapter(helpers.notebook(tmp_path / "a.ipynb", parameters=line))
    for value in inside:
        assert fill_defaults(chapter, {"a": str(value)}) == {"a": value}
    for value in outside:
        for given in (value, str(value)):
            with pytest.raises(ValueError, match=f"'a' must be .*; got {value}"):
                fill_defaults(chapter, {"a": given})


def test_a_range_of_fractions(tmp_path):
    line = "a: float = 0.3  # 0.02 to 1e1, of whatever"
    chapter = read_chapter(helpers.notebook(tmp_path / "a.ipynb", parameters=line))
    for value in (0.02, 10, "1e1"):
        assert fill_defaults(chapter, {"a": value}) == {"a": float(value)}
    for value in (0.019, 10.1, -1, "0"):
        with pytest.raises(ValueError, match=r"'a' must be 0\.02 to 1e1; got"):
            fill_defaults(chapter, {"a": value})


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("seed", "3", 3),
        ("seed", -3, -3),
        ("factor", "1e-3", 0.001),
        ("factor", 2, 2.0),
        ("factor", "2", 2.0),
        ("name", "3", "3"),
        ("name", "", ""),
        ("fast", "true", True),
        ("fast", "False", False),
        ("fast", True, True),
    ],
)
def test_a_value_becomes_one_of_the_parameters_type(chapter, name, given, expected):
    values = fill_defaults(chapter, {name: given})
    assert values[name] == expected
    assert type(values[name]) is type(expected)
    default = {"seed": 0, "factor": 0.5, "name": "a", "fast": False}
    assert values == default | {name: expected}


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("seed", "x", "of type int; got str 'x'"),
        ("seed", "2.0", "of type int; got str '2.0'"),
        ("seed", 2.0, "of type int; got float 2.0"),
        ("seed", True, "of type int; got bool True"),
        ("seed", None, "of type int; got NoneType None"),
        ("factor", "much", "a finite float; got str 'much'"),
        ("factor", "1e999", "a finite float; got str '1e999'"),
        ("factor", math.nan, "a finite float; got float nan"),
        ("factor", [0.1], "a finite float; got list"),
        ("factor", 10**400, "a finite float; got int 1000"),
        ("seed", "1+1", "of type int; got str '1+1'"),
        ("seed", "1" + "+1" * 100_000, "of type int; got str '1+1"),
        ("seed", "9" * 5000, "of type int; got str '999"),
        ("factor", "(" * 100_000, "a finite float; got str '((("),
        ("fast", "[" * 100_000, "of type bool; got str '[[["),
        ("name", 3, "of type str; got int 3"),
        ("fast", 1, "of type bool; got int 1"),
        ("fast", "yes", "of type bool; got str 'yes'"),
    ],
)
def test_a_value_of_another_type_is_rejected(chapter, name, given, expected):
    with pytest.raises(TypeError) as caught:
        fill_defaults(chapter, {name: given})
    assert f"parameter {name!r} must be {expected}" in str(caught.value)


def test_an_unknown_parameter_is_reported_with_the_known_ones(chapter):
    words = "tiny has no parameter 'sed'; it has seed, factor, name, fast"
    with pytest.raises(ValueError, match=words):
        fill_defaults(chapter, {"sed": 1})


def test_the_sources_are_a_hash_of_the_code_alone(tmp_path):
    """Not of the text, nor of the parameters: a record has their values."""
    one, same, too, other = (tmp_path / f"{i}.ipynb" for i in range(4))
    helpers.notebook(one, "1 + 1")
    same.write_text(one.read_text().replace("Text.", "Other text."))
    helpers.notebook(too, "1 + 1", parameters="seed: int = 3  # 0 to 9")
    helpers.notebook(other, "1 + 2")
    hashes = [read_chapter(path).sources for path in (one, same, too, other)]
    assert hashes[0] == hashes[1] == hashes[2] != hashes[3]


def test_the_book_of_an_installed_package_lies_in_it(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "snnl_tutorial"
    (package / "book" / "chapters").mkdir(parents=True)
    (package / "book" / "chapters" / "01_one.ipynb").touch()
    (package / "book" / "index.md").touch()
    monkeypatch.setattr(chapters, "__file__", str(package / "runs" / "c.py"))
    assert book_folder() == package / "book"
    assert [path.name for path in chapter_paths()] == ["01_one.ipynb"]
