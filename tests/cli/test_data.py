"""`snnl data`, against the tiny sets and a server on this machine."""

import gzip
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from snnl_tutorial.cli import main
from snnl_tutorial.datasets.load import load_dataset
from tests.datasets import fakes


@pytest.fixture
def server(tmp_path, monkeypatch):
    yield from fakes.serve(tmp_path, monkeypatch, "first")


@pytest.fixture
def snnl_data(monkeypatch, capsys):
    """Run `snnl data` as a user does."""

    def run(*arguments):
        words = ["snnl", "data", *(str(argument) for argument in arguments)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        status = ended.value.code or 0
        return SimpleNamespace(status=status, stdout=printed.out, stderr=printed.err)

    return run


def row(output, name, size):
    """The words of the row of a data set and size; later rows leave the name out."""
    current = None
    for line in output.splitlines():
        words = line.split()
        if not line.startswith(" ") and words:
            current = words.pop(0)
        if current == name and words and words[0] == size:
            return words
    raise AssertionError(f"no row for {name} {size} in {output}")


def test_list_says_what_is_there_and_how_to_get_the_rest(server, tmp_path, snnl_data):
    done = snnl_data("list")
    assert done.status == 0
    assert row(done.stdout, "mnist", "small")[1:3] == ["5,000", "1,000"]
    missing = "full 5 5 missing: snnl data fetch mnist (1 KiB)"
    assert row(done.stdout, "mnist", "full") == missing.split()
    assert str(tmp_path / "cache") in done.stdout
    assert "SNNL_DATA" in done.stdout
    assert server.requests == []

    assert snnl_data("fetch", "mnist").status == 0
    folder = tmp_path / "cache" / "mnist"
    good = row(snnl_data("list").stdout, "mnist", "full")
    assert good == ["full", "5", "5", str(folder)]

    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"")
    damaged = row(snnl_data("list").stdout, "mnist", "full")
    assert damaged == missing.replace("missing", "damaged").split()


def test_list_shows_the_real_sets(monkeypatch, tmp_path, snnl_data):
    monkeypatch.setenv("SNNL_DATA", str(tmp_path))
    output = snnl_data("list").stdout
    for name, size, *counts in (
        ("mnist", "full", "60,000", "10,000"),
        ("fashion-mnist", "small", "5,000", "1,000"),
        ("emnist-balanced", "full", "112,800", "18,800"),
        ("emnist-47", "full", "102,223", "14,100"),
        ("plant-seedlings", "small", "288", "120"),
        ("plant-seedlings", "full", "4,027", "723"),
    ):
        assert row(output, name, size)[1:3] == counts


def test_a_set_without_an_address_is_imported_only(monkeypatch, tmp_path, snnl_data):
    monkeypatch.setenv("SNNL_DATA", str(tmp_path))
    command = "snnl data import plant-seedlings --from DIR"
    assert f"missing: {command}" in snnl_data("list").stdout
    done = snnl_data("fetch", "plant-seedlings")
    assert (done.status, done.stdout) == (1, "")
    assert command in done.stderr
    assert done.stderr.count("\n") == 1
    with pytest.raises(FileNotFoundError, match=command):
        load_dataset("plant-seedlings", "test", "full")


def test_fetch_names_the_files_or_says_that_all_are_there(server, tmp_path, snnl_data):
    done = snnl_data("fetch", "mnist")
    assert done.status == 0
    folder = tmp_path / "cache" / "mnist"
    assert done.stdout.split() == [str(folder / file) for file in fakes.MNIST]
    again = snnl_data("fetch", "mnist")
    assert again.status == 0
    assert again.stdout == "mnist is complete already\n"
    assert len(server.requests) == 4


def test_import_names_the_files(server, tmp_path, snnl_data):
    for file, content in fakes.BYMERGE.items():
        (tmp_path / f"{file}.gz").write_bytes(gzip.compress(content))
    done = snnl_data("import", "emnist-47", "--from", tmp_path)
    assert done.status == 0
    folder = tmp_path / "cache" / "emnist-47"
    assert done.stdout.split() == [str(folder / file) for file in fakes.BYMERGE]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fetch", "mnist"], "no server sent the right file: http://127.0.0.1:"),
        (["fetch", "kmnist"], "name must be 'mnist' or "),
        (["import", "mnist", "--from", "nowhere"], "no folder nowhere"),
    ],
)
def test_what_goes_wrong_is_one_line_on_stderr(arguments, words, server, snnl_data):
    server.answers["first"] = fakes.not_found
    done = snnl_data(*arguments)
    assert done.status == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"snnl: {words}")
    assert done.stderr.count("\n") == 1


def test_a_missing_package_is_one_line(monkeypatch, snnl_data):
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    monkeypatch.delenv("SNNL_DATA", raising=False)
    done = snnl_data("list")
    assert done.status == 1
    assert done.stderr.startswith("snnl: the full data sets need platformdirs: ")
    assert done.stderr.count("\n") == 1


def taken_by_a_file(path):
    path.touch()


@pytest.mark.parametrize("make", [None, taken_by_a_file, os.mkfifo])
def test_what_is_no_folder_is_no_source(make, tmp_path, snnl_data):
    source = tmp_path / "source"
    if make:
        make(source)
    done = snnl_data("import", "mnist", "--from", source)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr == f"snnl: no folder {source}\n"


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
@pytest.mark.parametrize("file", list(fakes.MNIST)[:2])
def test_a_source_that_is_no_regular_file_is_one_line(
    make, file, server, tmp_path, snnl_data
):
    for name, content in fakes.MNIST.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / file).unlink()
    make(tmp_path / file)
    done = snnl_data("import", "mnist", "--from", tmp_path)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr == f"snnl: {tmp_path / file} is not a regular file\n"


COMMANDS = [["list"], ["fetch", "mnist"], ["import", "mnist", "--from", "."]]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("make", [taken_by_a_file, os.mkfifo, "~nosuchuser/data"])
def test_a_cache_that_is_no_folder_is_one_line(
    arguments, make, server, tmp_path, monkeypatch, snnl_data
):
    cache = make if isinstance(make, str) else str(tmp_path / "taken")
    if cache != make:
        make(tmp_path / "taken")
    monkeypatch.setenv("SNNL_DATA", cache)
    done = snnl_data(*arguments)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr.startswith(f"snnl: SNNL_DATA: {cache} is no")
    assert done.stderr.count("\n") == 1
    assert server.requests == []
