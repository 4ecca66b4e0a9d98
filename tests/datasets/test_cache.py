"""Importing from a folder, and where the cache is."""

import gzip
import os
import sys
import tempfile
from pathlib import Path

import pytest

from snnl_tutorial.datasets.cache import cache_folder, import_files
from snnl_tutorial.datasets.downloads import fetch
from snnl_tutorial.datasets.load import load_dataset
from tests.datasets import fakes

LAST = "t10k-labels-idx1-ubyte"


@pytest.fixture
def source(monkeypatch):
    """A folder of published files, and an empty cache; no server is there."""
    # Root's tmp_path is closed to the ordinary user of some tests.
    with tempfile.TemporaryDirectory() as given:
        top = Path(given).resolve()
        top.chmod(0o755)
        fakes.use_data_folder(top, monkeypatch)
        fakes.write_full_json(top, "http://127.0.0.1:1/")
        yield fill(top / "source")


def fill(folder):
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


GIB = 2**30


def sparse(path):
    """A file of 1 GiB that takes no room on the disk."""
    path.unlink(missing_ok=True)
    path.touch()
    os.truncate(path, GIB)


def pipe(path):
    """A named pipe: to open it would wait forever, as nobody writes to it."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


def device(path):
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def bomb(path):
    path.write_bytes(gzip.compress(bytes(500_000)))


STRANGE = {
    sparse: f"{GIB} bytes, expected at most 1037",
    pipe: "is not a regular file",
    folder: "is not a regular file",
    device: "is not a regular file",
}


@pytest.mark.parametrize("strange", [*STRANGE, bomb])
def test_import_reads_no_more_than_a_published_file_has(strange, source):
    strange(source / LAST)
    words = STRANGE.get(strange, "more than 13 bytes when unzipped")
    with pytest.raises((OSError, ValueError), match=f"source/{LAST}.* {words}"):
        import_files("mnist", source)
    assert not cache_folder().exists()


@pytest.mark.parametrize("strange", STRANGE)
def test_a_load_reads_no_more_than_a_published_file_has(strange, source):
    import_files("mnist", source)
    strange(cache_folder() / "mnist" / LAST)
    words = f"{LAST}.* {STRANGE[strange]}"
    with pytest.raises((OSError, ValueError), match=words):
        load_dataset("mnist", "test", size="full")


@pytest.mark.parametrize("forbidden", [".", LAST, "train-images-idx3-ubyte"])
def test_what_may_not_be_read_is_not_taken_for_missing(
    forbidden, source, ordinary_user
):
    (source / forbidden).chmod(0)
    with ordinary_user(), pytest.raises(PermissionError, match="source/t.*ubyte"):
        import_files("mnist", source)
    assert not cache_folder().exists()


@pytest.mark.parametrize("call", [fetch, load_dataset])
@pytest.mark.parametrize("forbidden", [".", LAST])
def test_what_may_not_be_read_in_the_cache_is_not_taken_for_missing(
    call, forbidden, source, ordinary_user
):
    import_files("mnist", source)
    (cache_folder() / "mnist" / forbidden).chmod(0)
    arguments = ["mnist"] if call is fetch else ["mnist", "test", "full"]
    with ordinary_user(), pytest.raises(PermissionError, match="cache/mnist/t.*ubyte"):
        call(*arguments)


@pytest.mark.parametrize("call", [fetch, lambda name: import_files(name, "source")])
def test_a_cache_that_may_not_be_written_is_named(
    call, source, monkeypatch, ordinary_user
):
    monkeypatch.chdir(source.parent)
    cache_folder().mkdir()
    cache_folder().chmod(0o555)
    words = str(cache_folder())
    with ordinary_user(), pytest.raises(PermissionError, match=words):
        call("mnist")
    assert list(cache_folder().iterdir()) == []


def test_import_takes_the_folder_as_a_string(source):
    assert import_files("mnist", str(source)) == import_files("mnist", source)


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


def test_a_home_folder_of_nobody_is_named(monkeypatch):
    monkeypatch.setenv("SNNL_DATA", "~nosuchuser/data")
    with pytest.raises(ValueError, match="SNNL_DATA: ~nosuchuser/data "):
        cache_folder()


def test_without_platformdirs_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    monkeypatch.delenv("SNNL_DATA", raising=False)
    with pytest.raises(ImportError, match="pip install platformdirs, or set SNNL_DATA"):
        cache_folder()
    monkeypatch.setenv("SNNL_DATA", str(tmp_path))
    assert cache_folder() == tmp_path


def test_without_any_home_the_variable_is_asked_for(monkeypatch):
    """As in a container whose user has no HOME and no entry in /etc/passwd."""
    for name in ("SNNL_DATA", "HOME", "XDG_CACHE_HOME", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    pwd = pytest.importorskip("pwd", reason="Windows knows its user's folder")

    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ValueError, match="SNNL_DATA must name a folder here"):
        cache_folder()
