"""Importing from a folder, and where the cache is."""

import gzip
import os
import sys
from pathlib import Path

import pytest

from snnl_tutorial.datasets.cache import cache_folder, import_files
from snnl_tutorial.datasets.downloads import fetch
from tests.datasets import fakes

LAST = "t10k-labels-idx1-ubyte"


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder of published files, and an empty cache; no server is there."""
    fakes.use_data_folder(tmp_path, monkeypatch)
    fakes.write_full_json(tmp_path, "http://127.0.0.1:1/")
    folder = tmp_path / "source"
    folder.mkdir()
    for file, content in {**fakes.MNIST, **fakes.BALANCED}.items():
        (folder / file).write_bytes(content)
    for file, content in fakes.BYMERGE.items():
        (folder / f"{file}.gz").write_bytes(gzip.compress(content))
    return folder


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("mnist", fakes.MNIST),
        ("emnist-balanced", fakes.BALANCED),
        ("emnist-47", fakes.BYMERGE),
    ],
)
def test_import_accepts_files_as_they_are_or_gzipped(name, contents, source):
    paths = import_files(name, source)
    assert paths == [cache_folder() / name / file for file in contents]
    assert [path.read_bytes() for path in paths] == list(contents.values())
    assert sorted(cache_folder().rglob("*-ubyte*")) == sorted(paths)
    assert fetch(name) == []


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, FileNotFoundError, f"no {LAST} or {LAST}.gz in .*source"),
        (b"", ValueError, f"source/{LAST}: not the published {LAST}: 0 bytes"),
        (b"\x1f\x8bnot gzip", ValueError, f"source/{LAST}: cannot be unzipped"),
    ],
)
def test_import_names_the_bad_file_and_copies_none(content, error, words, source):
    path = source / LAST
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(error, match=words):
        import_files("mnist", source)
    assert not cache_folder().exists()


def test_import_says_that_unzipped_balanced_files_cannot_be_verified(source):
    file = "emnist-balanced-test-labels-idx1-ubyte"
    zipped = source / f"{file}.gz"
    (source / file).write_bytes(gzip.decompress(zipped.read_bytes()))
    zipped.unlink()
    words = f"no {file}.gz in .*unzipped file .* cannot be verified.*only .* .gz files"
    with pytest.raises(FileNotFoundError, match=words):
        import_files("emnist-balanced", source)


@pytest.mark.parametrize("name", ["MNIST", "kmnist", "", None])
def test_an_unknown_name_is_answered_with_the_known_ones(name, source):
    for call in (fetch, lambda name: import_files(name, source)):
        with pytest.raises(ValueError, match=r"name must be 'mnist' or .*; got "):
            call(name)


def test_the_cache_is_the_users_own_unless_it_is_moved(monkeypatch):
    monkeypatch.delenv("SNNL_DATA", raising=False)
    default = cache_folder()
    assert default.name == "snnl-tutorial"
    assert default.is_relative_to(Path.home()) or "XDG_CACHE_HOME" in os.environ
    monkeypatch.setenv("SNNL_DATA", "")
    assert cache_folder() == default
    monkeypatch.setenv("SNNL_DATA", "~/elsewhere")
    assert cache_folder() == Path.home() / "elsewhere"


def test_without_pooch_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.delenv("SNNL_DATA", raising=False)
    with pytest.raises(ImportError, match="pip install pooch, or set SNNL_DATA"):
        cache_folder()
    monkeypatch.setenv("SNNL_DATA", str(tmp_path))
    assert cache_folder() == tmp_path
