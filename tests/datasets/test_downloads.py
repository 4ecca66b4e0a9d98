"""Fetching from a server on this machine that can misbehave."""

import errno
import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from snnl_tutorial.datasets import transfer
from snnl_tutorial.datasets.cache import cache_folder
from snnl_tutorial.datasets.downloads import fetch
from tests.datasets import fakes

ROOT = Path(__file__).parents[2]
IMAGES = "train-images-idx3-ubyte"
GOOD = {f"mnist/{file}": content for file, content in fakes.MNIST.items()}
BYMERGE = {f"emnist-47/{file}": content for file, content in fakes.BYMERGE.items()}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of the tiny sets under first/ and second/; an empty cache."""
    yield from fakes.serve(tmp_path, monkeypatch, "first", "second")


def cached():
    """Every file under the cache, with its content."""
    cache = cache_folder()
    paths = (path for path in cache.rglob("*") if path.is_file())
    return {path.relative_to(cache).as_posix(): path.read_bytes() for path in paths}


def test_fetch_fills_the_cache_and_asks_no_server_twice(server):
    paths = fetch("mnist")
    assert cached() == GOOD
    assert paths == [cache_folder() / name for name in GOOD]
    assert server.requests == [f"/first/{file}.gz" for file in fakes.MNIST]
    server.requests.clear()
    assert fetch("mnist") == []
    assert server.requests == []


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", None])
def test_only_a_damaged_or_missing_file_is_fetched_again(content, server):
    fetch("mnist")
    path = cache_folder() / "mnist" / IMAGES
    path.unlink() if content is None else path.write_bytes(content)
    server.requests.clear()
    assert fetch("mnist") == [path]
    assert server.requests == [f"/first/{IMAGES}.gz"]
    assert cached() == GOOD


BAD = {
    fakes.not_found: "HTTPError: 404",
    fakes.web_page: "not the published train-images-idx3-ubyte: 27 bytes",
    fakes.wrong: "not the published train-images-idx3-ubyte: 24 bytes",
    fakes.cut: "IncompleteRead",
    fakes.cut_unannounced: "cannot be unzipped: Compressed file ended",
    fakes.other_length: "cannot be unzipped: Compressed file ended",
    fakes.flipped: "",  # zlib decides which of its checks sees it first
    fakes.stall: "TimeoutError: timed out",
    fakes.drip: "not complete after 0.4 s",
    fakes.drip_headers: "not complete after 0.4 s",
    fakes.endless: "more than 1070 bytes",
    fakes.bomb: "more than 46 bytes when unzipped",
    fakes.redirect_to_itself: "TooManyRedirects: more than 10",
}
LIMITS = {
    fakes.stall: "STALL_SECONDS",
    fakes.drip: "TRANSFER_SECONDS",
    fakes.drip_headers: "TRANSFER_SECONDS",
}


@pytest.mark.parametrize(("answer", "words"), BAD.items(), ids=lambda a: str(a)[:20])
def test_after_a_bad_answer_the_next_mirror_is_tried(
    answer, words, server, monkeypatch
):
    limit = LIMITS.get(answer)
    if limit:
        monkeypatch.setattr(transfer, limit, 0.4)
    server.answers = {"first": answer, "second": answer}
    with pytest.raises(ConnectionError) as caught:
        fetch("mnist")
    message = str(caught.value)
    assert message.startswith("no server sent the right file: ")
    for mirror in ("first", "second"):
        assert f"{server.address(mirror)}{IMAGES}.gz: {words}" in message
    assert "\n" not in message
    assert list(cache_folder().iterdir()) == []

    if not limit:  # a good server, too, may need more than such a limit
        server.answers = {f"first/{IMAGES}": answer}
        server.requests.clear()
        fetch("mnist")
        assert cached() == GOOD
        asked = [request for request in server.requests if IMAGES in request]
        assert asked[-1] == f"/second/{IMAGES}.gz"


def test_a_redirect_is_followed_however_long_its_body(server):
    server.answers["first"] = fakes.redirect_with_endless_body
    fetch("mnist")
    assert cached() == GOOD


def test_a_server_that_is_not_there_is_named(server, tmp_path):
    fakes.write_full_json(tmp_path, "http://127.0.0.1:1/")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:1/.* refused"):
        fetch("mnist")


def test_files_before_the_bad_one_stay(server):
    server.answers["t10k-images"] = fakes.not_found
    with pytest.raises(ConnectionError, match="t10k-images"):
        fetch("mnist")
    assert cached() == {f"mnist/{file}": c for file, c in fakes.TRAIN.items()}


def test_a_file_that_the_client_has_unzipped_is_accepted(server):
    server.answers["first"] = fakes.decoded
    fetch("mnist")
    assert cached() == GOOD
    assert len(server.requests) == 4


def test_an_error_on_this_machine_is_not_blamed_on_the_server(server):
    cache_folder().mkdir()
    (cache_folder() / "mnist").write_text("in the way")
    with pytest.raises(NotADirectoryError, match="cache/mnist"):
        fetch("mnist")
    assert server.requests == []


@pytest.mark.parametrize("name", ["mnist", "emnist-balanced", "emnist-47"])
def test_a_full_disk_is_not_blamed_on_the_server(name, server, disk_limit):
    content = gzip.compress(bytes(range(256)))
    server.contents = dict.fromkeys(server.contents, content) | {"gzip.zip": content}
    with disk_limit(100), pytest.raises(OSError, match=rf"{cache_folder()}") as caught:
        fetch(name)
    assert caught.value.errno == errno.EFBIG
    assert len(server.requests) == 1
    assert list(cache_folder().iterdir()) == []


# --- the archive of EMNIST ------------------------------------------------------------


def test_only_the_wanted_members_of_an_archive_are_kept(server):
    fetch("emnist-balanced")
    balanced = {f"emnist-balanced/{file}": c for file, c in fakes.BALANCED.items()}
    assert cached() == balanced
    assert server.requests == ["/first/gzip.zip"]
    fetch("emnist-47")
    assert cached() == balanced | BYMERGE


@pytest.mark.parametrize(
    "answer", [fakes.web_page, fakes.flipped, fakes.cut, fakes.endless]
)
def test_a_bad_archive_is_refused(answer, server):
    server.answers = {"first": answer, "second": answer}
    words = "not the published archive|Incomplete|more than "
    with pytest.raises(ConnectionError, match=words):
        fetch("emnist-47")
    assert cached() == {}


def serve_archive(server, members):
    archive = server.contents["gzip.zip"] = fakes.archive_of(members)
    return archive


def test_another_archive_is_refused_even_if_its_members_are_good(server):
    serve_archive(server, {f"{file}.gz": c for file, c in fakes.BYMERGE.items()})
    with pytest.raises(ConnectionError, match="not the published archive: [0-9]+ byte"):
        fetch("emnist-47")
    assert cached() == {}


def test_no_path_in_an_archive_is_followed(server, tmp_path):
    good = {f"{file}.gz": gzip.compress(c) for file, c in fakes.BYMERGE.items()}
    images, labels = good
    archive = serve_archive(
        server,
        {
            "../../evil.txt": b"evil",
            str(tmp_path / "evil.txt"): b"evil",
            str(tmp_path / "outside" / images): good[images],
            f"../../../{labels}": good[labels],
        },
    )
    fakes.write_full_json(tmp_path, server.address("first"), archive=archive)
    before = set(tmp_path.rglob("*"))
    fetch("emnist-47")
    assert cached() == BYMERGE
    after = set(tmp_path.rglob("*"))
    assert all(path.is_relative_to(tmp_path / "cache") for path in after - before)


def test_a_wrong_or_missing_member_is_named(server, tmp_path):
    images, labels = fakes.BYMERGE
    good = gzip.compress(fakes.BYMERGE[images])
    for content, words in (
        (gzip.compress(b"wrong"), f"not the published {images}: 5 bytes"),
        (good, f"no {labels} in the archive"),
    ):
        archive = serve_archive(server, {f"gzip/{images}.gz": content})
        fakes.write_full_json(tmp_path, server.address("first"), archive=archive)
        with pytest.raises(ConnectionError, match=words):
            fetch("emnist-47")


# --- two processes at once, and a killed one ------------------------------------------


@pytest.fixture
def fetch_elsewhere(server, tmp_path):
    """Start to fetch in another process."""
    code = f"""
from pathlib import Path
from snnl_tutorial.datasets import downloads, registry
registry.data_folder = lambda: Path({str(tmp_path)!r})
downloads.fetch("mnist")
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return lambda: subprocess.Popen([sys.executable, "-c", code], env=environment)


@pytest.mark.parametrize("killed", [False, True])
def test_an_unfinished_download_in_another_process_does_no_harm(
    killed, server, fetch_elsewhere
):
    server.answers["first"] = fakes.stall
    other = fetch_elsewhere()
    assert server.half_sent.wait(60)
    if killed:
        other.kill()
        assert other.wait(60) != 0
    assert list(cache_folder().iterdir()) == []  # nothing that could pass for good
    server.answers.clear()
    fetch("mnist")
    server.release.set()
    assert killed or other.wait(60) == 0
    assert cached() == GOOD
    assert [path.name for path in cache_folder().iterdir()] == ["mnist"]


def test_two_processes_fetch_the_same_files_at_once(server, fetch_elsewhere):
    both_ask = threading.Barrier(2, timeout=60)

    def together(handler, content):
        both_ask.wait()
        fakes.good(handler, content)

    server.answers[IMAGES] = together
    processes = [fetch_elsewhere(), fetch_elsewhere()]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert cached() == GOOD
