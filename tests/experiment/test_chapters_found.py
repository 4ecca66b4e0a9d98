"""Chapters are found by number, name or path; parameters are checked by type."""

import pytest

from snnl_tutorial.experiment.chapters import (
    chapters,
    checked,
    find_chapter,
    parameters,
)
from tests.experiment.tiny import tiny_chapter


@pytest.mark.parametrize("text", ["5", "05", "05_layer_sum", "05_layer_sum.ipynb"])
def test_a_chapter_by_number_or_name(text):
    assert find_chapter(text).name == "05_layer_sum.ipynb"


def test_a_notebook_by_path(tmp_path):
    path = tiny_chapter(tmp_path)
    assert find_chapter(str(path)) == path


@pytest.mark.parametrize("text", ["55", "layer", "nowhere.ipynb", ""])
def test_no_such_chapter(text):
    with pytest.raises(FileNotFoundError, match="no chapter .*01_distance_matrix"):
        find_chapter(text)


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_every_chapters_parameters_have_a_known_kind_and_a_comment(path):
    known = parameters(path)
    assert {"seed", "dataset", "device"} <= set(known)
    for parameter in known.values():
        assert type(parameter.default).__name__ == parameter.kind
        assert parameter.comment


def test_defaults_and_texts(tmp_path):
    path = tiny_chapter(tmp_path)
    given = {"first": "7", "second": "2", "word": "3", "fail": "true"}
    values = checked(path, given)
    assert values == {
        **{"seed": 0, "first": 7, "second": 2.0, "word": "3", "fail": True},
        **{"device": "cpu"},
    }
    assert type(values["second"]) is float


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"third": 1}, "tiny has no parameter 'third'; it has seed, first, second"),
        ({"first": "1.5"}, r"parameter first must be int; got 1.5"),
        ({"first": True}, "parameter first must be int; got True"),
        ({"second": "much"}, "parameter second must be float; got 'much'"),
        ({"second": None}, "parameter second must be float; got None"),
        ({"fail": "2"}, "parameter fail must be bool; got 2"),
        ({"word": 5}, "parameter word must be str; got 5"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        checked(tiny_chapter(tmp_path), given)


def test_no_notebook(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text("nothing")
    with pytest.raises(ValueError, match="a.ipynb is no notebook"):
        checked(path, {})
