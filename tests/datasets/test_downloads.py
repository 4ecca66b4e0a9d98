"""Fetching and importing, against a server on this machine that can misbehave."""

import gzip
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from snnl_tutorial.datasets import load, downloads, files
from tests.datasets import fakes

ROOT = Path(__file__).parents[2]
IMAGES = "train-images-idx3-ubyte"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of the tiny sets under first/ and second/; an empty cache."""
    monkeypatch.setenv("SNNL_DATA", str(tmp_path / "cache"))
    # A proxy that is set, as in many a company, must not be asked for this machine.
    for scheme in ("http", "HTTP", "https", "HTTPS"):
        monkeypatch.setenv(f"{scheme}_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:1")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    assert datasets.data_folder()  # loaded before: it keeps the true one
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    server = fakes.Server()
    fakes.write_full_json(tmp_path, server.address("first"), server.address("second"))
    yield server
    server.end()


def cached():
    """Every file under the cache, with its content."""
    cache = files.cache_folder()
    paths = (path for path in cache.rglob("*") if path.is_file())
    return {path.relative_to(cache).as_posix(): path.read_bytes() for path in paths}


GOOD = {f"mnist/{file}": content for file, content in fakes.MNIST.items()}


def test_fetch_puts_the_checked_files_in_the_cache(server):
    paths = downloads.fetch("mnist")
    assert cached() == GOOD
    assert paths == [files.cache_folder() / name for name in GOOD]
    assert server.requests == [f"/first/{file}.gz" for file in fakes.MNIST]
    assert [p.name for p in files.cache_folder().iterdir()] == ["mnist"]


def test_no_request_when_the_cache_is_good(server):
    downloads.fetch("mnist")
    server.requests.clear()
    assert downloads.fetch("mnist") == []
    assert server.requests == []


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", None])
def test_only_a_damaged_or_missing_file_is_fetched_again(content, server):
    downloads.fetch("mnist")
    path = files.cache_folder() / "mnist" / IMAGES
    path.unlink() if content is None else path.write_bytes(content)
    server.requests.clear()
    assert downloads.fetch("mnist") == [path]
    assert server.requests == [f"/first/{IMAGES}.gz"]
    assert cached() == GOOD


BAD = {
    fakes.not_found: "HTTPError: 404",
    fakes.web_page: "ValueError: not the published train-images-idx3-ubyte: 27 bytes",
    fakes.wrong: "ValueError: not the published train-images-idx3-ubyte: 54 bytes",
    fakes.cut: "IncompleteRead: ",
    fakes.cut_unannounced: "EOFError: Compressed file ended",
    fakes.flipped: "",  # which check sees it first is zlib's affair
    fakes.stall: "TimeoutError: timed out",
    fakes.trickle: "TimeoutError: not complete after 7200 s",
}


@pytest.fixture
def impatient(server, monkeypatch):
    """Wait half a second for a stalled server; let a trickling one set the clock."""
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.5)
    clock = SimpleNamespace(monotonic=lambda: server.clock, time=time.time)
    monkeypatch.setattr(downloads, "time", clock)


@pytest.mark.parametrize("answer", BAD, ids=lambda answer: answer.__name__)
def test_the_next_address_is_taken(answer, server, impatient):
    server.answers["first"] = answer
    downloads.fetch("mnist")
    assert cached() == GOOD
    assert server.requests[:2] == [f"/first/{IMAGES}.gz", f"/second/{IMAGES}.gz"]


@pytest.mark.parametrize(("answer", "words"), BAD.items(), ids=lambda a: str(a)[:20])
def test_a_bad_answer_everywhere_is_one_clear_line(answer, words, server, impatient):
    server.answers = {"first": answer, "second": answer}
    with pytest.raises(ConnectionError) as caught:
        downloads.fetch("mnist")
    message = str(caught.value)
    assert message.startswith("no address gave the right file: ")
    for folder in ("first", "second"):
        assert f"{server.address(folder)}{IMAGES}.gz: {words}" in message
    assert "\n" not in message
    assert list(files.cache_folder().iterdir()) == []


def test_the_limit_for_a_stall_is_handed_on(server, monkeypatch):
    limits, get = [], requests.get
    monkeypatch.setattr(
        requests, "get", lambda *a, **k: limits.append(k["timeout"]) or get(*a, **k)
    )
    downloads.fetch("mnist")
    assert limits == [downloads.STALL_SECONDS] * 4


def test_a_server_that_is_not_there_is_named(server, tmp_path):
    fakes.write_full_json(tmp_path, "http://127.0.0.1:1/")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:1/.* refused"):
        downloads.fetch("mnist")


def test_files_before_the_bad_one_stay(server):
    server.answers[f"{IMAGES.replace('train', 't10k')}.gz"] = fakes.not_found
    with pytest.raises(ConnectionError, match="t10k-images"):
        downloads.fetch("mnist")
    assert cached() == {f"mnist/{file}": c for file, c in fakes.TRAIN.items()}


def test_a_gzip_undone_on_the_way_is_taken(server):
    server.answers["first"] = fakes.decoded
    downloads.fetch("mnist")
    assert cached() == GOOD
    assert len(server.requests) == 4


def test_a_full_disk_is_not_blamed_on_the_server(server, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        downloads.fetch("mnist")
    assert not isinstance(caught.value, ConnectionError)
    assert cached() == {}


# --- the archive of EMNIST ------------------------------------------------------------


def test_only_the_wanted_members_of_an_archive_are_kept(server):
    downloads.fetch("emnist-balanced")
    balanced = {f"emnist-balanced/{file}": c for file, c in fakes.BALANCED.items()}
    assert cached() == balanced
    assert server.requests == ["/first/gzip.zip"]
    downloads.fetch("emnist-47")
    bymerge = {f"emnist-47/{file}": c for file, c in fakes.BYMERGE.items()}
    assert cached() == balanced | bymerge


@pytest.mark.parametrize("answer", [fakes.web_page, fakes.flipped, fakes.cut])
def test_a_bad_archive_is_never_opened(answer, server, monkeypatch):
    server.answers = {"first": answer, "second": answer}
    opened = []
    monkeypatch.setattr(downloads.zipfile, "ZipFile", opened.append)
    with pytest.raises(ConnectionError, match="published archive|IncompleteRead"):
        downloads.fetch("emnist-47")
    assert opened == []
    assert cached() == {}


def serve_archive(server, tmp_path, members):
    """Serve an archive with these members, and let its hash be the right one."""
    archive = fakes.archive_of(members)
    server.contents["gzip.zip"] = archive
    fakes.write_full_json(tmp_path, server.address("first"), archive=archive)


def test_a_hostile_archive_writes_nothing_outside(server, tmp_path):
    good = {f"{file}.gz": gzip.compress(c) for file, c in fakes.BYMERGE.items()}
    images, labels = good
    outside = tmp_path / "outside" / images
    serve_archive(
        server,
        tmp_path,
        {
            "../../evil.txt": b"evil",
            str(tmp_path / "evil.txt"): b"evil",
            str(outside): good[images],
            f"../../../{labels}": good[labels],
        },
    )
    before = set(tmp_path.rglob("*"))
    downloads.fetch("emnist-47")
    assert cached() == {f"emnist-47/{file}": c for file, c in fakes.BYMERGE.items()}
    after = set(tmp_path.rglob("*"))
    assert all(path.is_relative_to(tmp_path / "cache") for path in after - before)


def test_a_wrong_or_missing_member_is_named(server, tmp_path):
    images, labels = fakes.BYMERGE
    serve_archive(server, tmp_path, {f"gzip/{images}.gz": gzip.compress(b"wrong")})
    with pytest.raises(ConnectionError, match=f"not the published {images}: 5 bytes"):
        downloads.fetch("emnist-47")
    good = gzip.compress(fakes.BYMERGE[images])
    serve_archive(server, tmp_path, {f"gzip/{images}.gz": good})
    with pytest.raises(ConnectionError, match=f"no {labels} in the archive"):
        downloads.fetch("emnist-47")


# --- several processes, and killed ones -----------------------------------------------


def start_fetch(tmp_path):
    code = f"""
from pathlib import Path
from snnl_tutorial.datasets import downloads, files
files.data_folder = lambda: Path({str(tmp_path)!r})
downloads.fetch("mnist")
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def test_two_processes_at_once_do_no_harm(server, tmp_path):
    fetching = [start_fetch(tmp_path) for _ in range(2)]
    assert [process.wait(60) for process in fetching] == [0, 0]
    assert cached() == GOOD
    assert [p.name for p in files.cache_folder().iterdir()] == ["mnist"]


def test_a_killed_download_leaves_nothing_that_passes_for_good(server, tmp_path):
    server.answers[f"{IMAGES}.gz"] = fakes.stall
    process = start_fetch(tmp_path)
    assert server.half_sent.wait(60)
    process.kill()
    assert process.wait(60) != 0
    assert not (files.cache_folder() / "mnist").exists()
    (leftover,) = files.cache_folder().iterdir()
    server.answers.clear()

    downloads.fetch("mnist")
    assert GOOD.items() <= cached().items()
    assert leftover.exists()  # it could be that of a process that is at work
    os.utime(leftover, (0, 0))
    (files.cache_folder() / "mnist" / IMAGES).unlink()
    downloads.fetch("mnist")
    assert cached() == GOOD


def test_a_file_is_whole_or_absent_when_writing_breaks_off(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "file"
    files.write(path, b"old")

    def break_off(source, target):
        assert Path(source).parent == path.parent
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", break_off)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


# --- importing from a folder ----------------------------------------------------------


@pytest.fixture
def source(tmp_path):
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
def test_import_takes_files_as_they_are_or_gzipped(name, contents, server, source):
    paths = downloads.take(name, source)
    assert cached() == {f"{name}/{file}": c for file, c in contents.items()}
    assert paths == [files.cache_folder() / name / file for file in contents]
    assert downloads.fetch(name) == []
    assert server.requests == []


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, FileNotFoundError, f"no {IMAGES} or {IMAGES}.gz in .*source"),
        (b"", ValueError, f"source/{IMAGES}: not the published {IMAGES}: 0 bytes"),
        (b"\x1f\x8bnot gzip", ValueError, f"source/{IMAGES}: cannot be unzipped"),
    ],
)
def test_import_names_the_bad_file_and_takes_none(
    content, error, words, server, source
):
    path = source / IMAGES
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(error, match=words):
        downloads.take("mnist", source)
    assert cached() == {}


def test_import_says_that_unzipped_balanced_files_cannot_be_checked(server, source):
    file = "emnist-balanced-test-labels-idx1-ubyte"
    zipped = source / f"{file}.gz"
    (source / file).write_bytes(gzip.decompress(zipped.read_bytes()))
    zipped.unlink()
    words = f"no {file}.gz in .*unzipped file .* cannot be checked.*only .* .gz files"
    with pytest.raises(FileNotFoundError, match=words):
        downloads.take("emnist-balanced", source)


@pytest.mark.parametrize("name", ["MNIST", "kmnist", "", None])
def test_an_unknown_name_is_answered_with_the_known(name, server, tmp_path):
    for call in (downloads.fetch, lambda name: downloads.take(name, tmp_path)):
        with pytest.raises(ValueError, match=r"name must be 'mnist' or .*; got "):
            call(name)


# --- where the cache is ---------------------------------------------------------------


def test_the_cache_is_the_users_own_unless_it_is_moved(monkeypatch):
    monkeypatch.delenv("SNNL_DATA", raising=False)
    default = files.cache_folder()
    assert default.name == "snnl-tutorial"
    assert default.is_relative_to(Path.home()) or "XDG_CACHE_HOME" in os.environ
    monkeypatch.setenv("SNNL_DATA", "")
    assert files.cache_folder() == default
    monkeypatch.setenv("SNNL_DATA", "~/elsewhere")
    assert files.cache_folder() == Path.home() / "elsewhere"


def test_without_pooch_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.delenv("SNNL_DATA", raising=False)
    with pytest.raises(ImportError, match="pip install pooch, or set SNNL_DATA"):
        files.cache_folder()
    monkeypatch.setenv("SNNL_DATA", tempfile.gettempdir())
    assert files.cache_folder() == Path(tempfile.gettempdir())
