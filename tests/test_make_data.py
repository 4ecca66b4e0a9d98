"""tools/make_data.py on tiny data sets (the published: datasets/test_registry.py)."""

import gzip
import json
import struct
import zipfile
from collections import Counter

import make_data
import numpy as np
import pytest

from tests.datasets import fakes

NAMES = ["mnist", "fashion-mnist"]


@pytest.fixture
def tiny_raw(tmp_path, monkeypatch):
    """Folders of idx files, 40 training and 20 test images of 3 x 2, gzipped or not."""
    contents = {}
    for prefix, count in (("train", 40), ("t10k", 20)):
        pixels = bytes((5 * i) % 256 for i in range(6 * count))
        labels = bytes((7 * i) % 10 for i in range(count))
        images_header = struct.pack(">4I", 0x803, count, 3, 2)
        contents[f"{prefix}-images-idx3-ubyte"] = images_header + pixels
        contents[f"{prefix}-labels-idx1-ubyte"] = (
            struct.pack(">2I", 0x801, count) + labels
        )
    for name in NAMES:
        folder = tmp_path / "raw" / name
        folder.mkdir(parents=True)
        for file, content in contents.items():
            if name == "mnist":
                (folder / file).write_bytes(content)
            else:
                (folder / f"{file}.gz").write_bytes(gzip.compress(content))
    sets = {name: fakes.entry(contents, []) for name in NAMES}
    photographs = {
        f"{split}/{species}/{i}.jpg": f"{species} {i} of {split}".encode()
        for split in ("train", "test")
        for species in ("Maize", "Charlock")
        for i in range(5)
    }
    (tmp_path / "raw/plant-seedlings").mkdir()
    archive = fakes.archive_of(photographs)
    (tmp_path / "raw/plant-seedlings/all.zip").write_bytes(archive)
    sets["plant-seedlings"] = fakes.entry({"all.zip": archive, "": b""}, [])
    for part in ("sha256", "sizes"):
        del sets["plant-seedlings"][part][""]
    (tmp_path / "full.json").write_text(json.dumps(sets))
    fakes.use_data_folder(tmp_path, monkeypatch)
    monkeypatch.setattr(make_data, "PER_CLASS", {"train": 3, "test": 2})
    monkeypatch.setattr(make_data, "PHOTOGRAPHS_PER_CLASS", {"train": 3, "test": 1})
    return tmp_path / "raw"


def test_two_runs_write_the_same_bytes(tiny_raw, tmp_path, capsys):
    a, b = tmp_path / "a", tmp_path / "b"
    for out in (a, b):
        assert make_data.main(["--from", str(tiny_raw), "--out", str(out)]) == 0
    files = {path.name for path in a.iterdir()}
    assert files == {
        "mnist-30-20.npz",
        "fashion-mnist-30-20.npz",
        "plant-seedlings-6-2.zip",
        "registry.json",
    }
    for file in files:
        assert (a / file).read_bytes() == (b / file).read_bytes()
    assert "mnist-30-20.npz" in capsys.readouterr().out
    # The two sets hold the same images here: gzipped or not makes no difference.
    plain, zipped = ((a / f"{name}-30-20.npz").read_bytes() for name in NAMES)
    assert plain == zipped


def test_the_arrays_are_a_balanced_draw_of_the_rows(tiny_raw, tmp_path):
    make_data.make_data(tiny_raw, tmp_path / "out")
    pixels = np.array([(5 * i) % 256 for i in range(240)]).reshape(40, 3, 2)
    with np.load(tmp_path / "out" / "mnist-30-20.npz") as arrays:
        index = arrays["index_train"]
        assert np.array_equal(arrays["x_train"], pixels[index])
        assert np.array_equal(arrays["y_train"], 7 * index % 10)
        assert np.bincount(arrays["y_train"]).tolist() == [3] * 10


def test_the_photographs_are_a_balanced_draw_with_their_own_bytes(tiny_raw, tmp_path):
    make_data.make_data(tiny_raw, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out/plant-seedlings-6-2.zip") as archive:
        names = archive.namelist()
        for name in names:
            split, species, number = name.removesuffix(".jpg").split("/")
            assert archive.read(name) == f"{species} {number} of {split}".encode()
    kinds = Counter(name.rpartition("/")[0] for name in names)
    assert kinds == {
        "train/Maize": 3,
        "train/Charlock": 3,
        "test/Maize": 1,
        "test/Charlock": 1,
    }


@pytest.mark.parametrize("file", ["mnist-30-20.npz", "plant-seedlings-6-2.zip"])
def test_an_archive_carries_no_clock_and_no_compression(file, tiny_raw, tmp_path):
    make_data.make_data(tiny_raw, tmp_path)
    with zipfile.ZipFile(tmp_path / file) as archive:
        for member in archive.infolist():
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert member.compress_type == zipfile.ZIP_STORED
            assert member.create_system == 3


def test_the_old_files_stay_when_the_new_ones_fail(tiny_raw, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "registry.json").write_text("old")
    (tiny_raw / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    assert make_data.main(["--from", str(tiny_raw), "--out", str(out)]) == 1
    assert [path.name for path in out.iterdir()] == ["registry.json"]
    assert (out / "registry.json").read_text() == "old"


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("mnist/train-images-idx3-ubyte", None, "no train-images-idx3-ubyte or "),
        ("mnist/t10k-labels-idx1-ubyte", b"\0\0\x08\x01", "not the published t10k-lab"),
        (
            "fashion-mnist/train-labels-idx1-ubyte.gz",
            b"PK",
            "not the published train-l",
        ),
        (
            "fashion-mnist/train-labels-idx1-ubyte.gz",
            gzip.compress(b"labels", mtime=0)[:-9],
            "cannot be unzipped",
        ),
    ],
)
def test_a_bad_file_is_named_in_one_line(
    file, content, words, tiny_raw, tmp_path, capsys
):
    if content is None:
        (tiny_raw / file).unlink()
    else:
        (tiny_raw / file).write_bytes(content)
    out = tmp_path / "out"
    assert make_data.main(["--from", str(tiny_raw), "--out", str(out)]) == 1
    assert not out.exists()
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
