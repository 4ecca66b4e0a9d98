"""The data that we ship, and the loader, against the published files."""

import gzip
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import make_data
import numpy as np
import pytest
import torch

from snnl_tutorial.experiment import datasets
from snnl_tutorial.experiment.datasets import class_names, load_dataset

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data"
NAMES = ["mnist", "fashion-mnist"]
SPLITS = {"train": 5000, "test": 1000}
# A folder as tools/make_data.py --from wants it, for instance SNNL_RAW_DATA=/tmp/raw.
RAW = Path(os.environ.get("SNNL_RAW_DATA", "not-given"))


def skip_without_raw(*names):
    for name in names:
        if not (RAW / name).is_dir():
            pytest.skip(f"SNNL_RAW_DATA has no folder {name}/ of published idx files")


# --- the loader -----------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", SPLITS)
def test_shapes_ranges_and_balance(name, split):
    images, labels = load_dataset(name, split)
    count = SPLITS[split]
    assert images.shape == (count, 28, 28)
    assert images.dtype == torch.float32
    assert labels.shape == (count,)
    assert labels.dtype == torch.int64
    assert images.min() == 0
    assert images.max() == 1
    assert images.is_contiguous()
    assert labels.bincount().tolist() == [count // 10] * 10
    # Class after class in blocks would make every mini-batch a batch of one class.
    assert (labels[1:] == labels[:-1]).float().mean() < 0.2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", SPLITS)
def test_the_head_of_the_file_is_a_fair_sample(name, split):
    counts = load_dataset(name, split).labels[:500].bincount(minlength=10)
    chi_square = ((counts - 50.0) ** 2 / 50).sum()
    assert chi_square < 27.9  # 9 degrees of freedom, p = 0.001


@pytest.mark.parametrize("name", NAMES)
def test_no_test_image_is_a_training_image(name):
    train = {image.numpy().tobytes() for image in load_dataset(name, "train").images}
    test = {image.numpy().tobytes() for image in load_dataset(name, "test").images}
    assert not train & test


def test_each_call_returns_memory_of_its_own():
    first = load_dataset("mnist", "test").images
    first.zero_()
    assert load_dataset("mnist", "test").images.max() == 1


@pytest.mark.parametrize("name", NAMES)
def test_class_names(name):
    names = class_names(name)
    assert len(set(names)) == 10
    if name == "mnist":
        assert [int(n) for n in names] == list(range(10))


@pytest.mark.parametrize("labelled", [0, 1, 10, 57, 100, 4999, 5000])
def test_partial_labels_are_balanced_and_true(labelled):
    full = load_dataset("mnist", "train")
    part = load_dataset("mnist", "train", labelled=labelled, seed=3)
    told = part.labels != -100
    assert told.sum() == labelled
    assert torch.equal(part.labels[told], full.labels[told])
    assert torch.equal(part.images, full.images)
    counts = part.labels[told].bincount(minlength=10)
    assert counts.max() - counts.min() <= 1


def test_partial_labels_follow_the_seed_and_grow_by_adding():
    def rows(labelled, seed):
        labels = load_dataset("mnist", "train", labelled=labelled, seed=seed).labels
        return set((labels >= 0).nonzero().flatten().tolist())

    assert rows(100, 0) == rows(100, 0)
    assert rows(100, 0) != rows(100, 1)
    assert rows(57, 0) < rows(100, 0) < rows(1000, 0)


def test_partial_labels_take_a_numpy_integer():
    labels = load_dataset("mnist", "test", labelled=np.int64(20)).labels
    assert (labels >= 0).sum() == 20


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            {"name": "emnist"},
            ValueError,
            "name .*'mnist'.*'fashion-mnist'.*'emnist'",
        ),
        ({"name": "MNIST"}, ValueError, "name .*'MNIST'"),
        ({"name": None}, ValueError, "name .*None"),
        (
            {"split": "valid"},
            ValueError,
            "split .*'train' or 'test'; got 'valid'",
        ),
        ({"size": "large"}, ValueError, "size .*'small'.*'large'"),
        ({"size": "full"}, ValueError, "size .*'small'.*'full'"),
        ({"labelled": -1}, ValueError, "labelled .*5000.*-1"),
        ({"labelled": 5001}, ValueError, "labelled .*5000.*5001"),
        ({"labelled": 10.0}, TypeError, "labelled .*integer.*float 10.0"),
        ({"labelled": "10"}, TypeError, "labelled .*integer.*str '10'"),
        ({"labelled": True}, TypeError, "labelled .*integer.*bool True"),
        ({"labelled": 10, "seed": 0.5}, TypeError, "seed .*integer.*float 0.5"),
        ({"labelled": 10, "seed": -1}, ValueError, "seed .*-1"),
    ],
)
def test_bad_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        load_dataset(**{"name": "mnist", "split": "train", **arguments})


def test_more_labels_than_a_class_has():
    labels = torch.tensor([0, 0, 0, 1])
    with pytest.raises(ValueError, match="labelled=4 asks for 2 labels of class 1"):
        datasets.keep_labels(labels, 4, seed=0, classes=2)


# --- damaged files --------------------------------------------------------------------


@pytest.fixture
def data_copy(tmp_path, monkeypatch):
    for file in ("mnist-5000-1000.npz", "registry.json"):
        shutil.copy(DATA / file, tmp_path)
    monkeypatch.setattr(datasets, "data_folder", lambda: tmp_path)
    load_dataset("mnist", "test")
    return tmp_path


def flip_a_bit(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_bit,
        lambda content: content[:-1],
        lambda content: content[:1000],
        lambda content: content + b"\0",
        lambda content: b"",
        lambda content: b"<html>404</html>",
    ],
    ids=["bit", "last byte", "head only", "longer", "empty", "web page"],
)
def test_a_damaged_file_is_never_unpacked(damage, data_copy, monkeypatch):
    path = data_copy / "mnist-5000-1000.npz"
    path.write_bytes(damage(path.read_bytes()))
    monkeypatch.setattr(np, "load", lambda *a, **k: pytest.fail("unpacked"))
    with pytest.raises(ValueError, match=r"mnist-5000-1000\.npz is damaged: \d+ bytes"):
        load_dataset("mnist", "train")


def test_a_pickle_is_never_loaded(data_copy):
    path = data_copy / "mnist-5000-1000.npz"
    np.savez(path, x_train=np.array([print], object), y_train=np.zeros(1))
    registry = json.loads((data_copy / "registry.json").read_text())
    registry[path.name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (data_copy / "registry.json").write_text(json.dumps(registry))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_dataset("mnist", "train")


@pytest.mark.parametrize("file", ["mnist-5000-1000.npz", "registry.json"])
def test_a_missing_file_is_named(file, data_copy):
    (data_copy / file).unlink()
    with pytest.raises(FileNotFoundError, match=f"{file} is missing"):
        load_dataset("mnist", "train")


@pytest.mark.parametrize("content", ["", "{", "{}"])
def test_a_damaged_registry_is_named(content, data_copy):
    (data_copy / "registry.json").write_text(content)
    with pytest.raises(ValueError, match=r"registry\.json is damaged"):
        load_dataset("mnist", "train")


# --- the files in data/ ---------------------------------------------------------------


def test_the_registry_lists_exactly_the_files_that_are_there():
    registry = json.loads((DATA / "registry.json").read_text())
    assert set(registry) == {path.name for path in DATA.glob("*.npz")}
    for file, entry in registry.items():
        content = (DATA / file).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_the_files_hold_plain_arrays(name):
    with np.load(DATA / f"{name}-5000-1000.npz", allow_pickle=False) as arrays:
        assert {key: (a.dtype.str, a.shape) for key, a in arrays.items()} == {
            "x_train": ("|u1", (5000, 28, 28)),
            "y_train": ("|u1", (5000,)),
            "index_train": ("<i4", (5000,)),
            "x_test": ("|u1", (1000, 28, 28)),
            "y_test": ("|u1", (1000,)),
            "index_test": ("<i4", (1000,)),
        }
        for split, published in (("train", 60_000), ("test", 10_000)):
            index = arrays[f"index_{split}"]
            assert len(np.unique(index)) == len(index)
            assert index.min() >= 0
            assert index.max() < published


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_every_row_is_the_published_row_at_its_index(name, split, prefix):
    """Read the idx files here in another way: fixed headers of 16 and 8 bytes."""
    skip_without_raw(name)

    def content(file):
        plain = RAW / name / file
        return plain.read_bytes() if plain.exists() else gzip.open(f"{plain}.gz").read()

    pixels = content(f"{prefix}-images-idx3-ubyte")
    labels = content(f"{prefix}-labels-idx1-ubyte")
    with np.load(DATA / f"{name}-5000-1000.npz", allow_pickle=False) as arrays:
        index = arrays[f"index_{split}"].tolist()
    ours = load_dataset(name, split)
    for i, image, label in zip(index, ours.images, ours.labels, strict=True):
        row = (image * 255).round().to(torch.uint8).numpy().tobytes()
        assert row == pixels[16 + 784 * i : 16 + 784 * (i + 1)]
        assert label == labels[8 + i]


def test_the_files_are_rebuilt_byte_for_byte(tmp_path):
    skip_without_raw(*NAMES)
    make_data.make_data(RAW, tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (DATA / path.name).read_bytes()
    assert len(list(tmp_path.iterdir())) == 3


# --- tools/make_data.py on a small set of our own -------------------------------------


@pytest.fixture
def tiny_raw(tmp_path, monkeypatch):
    """Folders of idx files, 40 training and 20 test images of 3 x 2, gzipped or not."""
    sources = {}
    for name in NAMES:
        folder = tmp_path / "raw" / name
        folder.mkdir(parents=True)
        hashes = {}
        for prefix, count in (("train", 40), ("t10k", 20)):
            labels = bytes((7 * i) % 10 for i in range(count))
            pixels = bytes((5 * i) % 256 for i in range(6 * count))
            labels = struct.pack(">2I", 0x801, count) + labels
            pixels = struct.pack(">4I", 0x803, count, 3, 2) + pixels
            idx = {
                f"{prefix}-labels-idx1-ubyte": labels,
                f"{prefix}-images-idx3-ubyte": pixels,
            }
            for file, content in idx.items():
                hashes[file] = hashlib.sha256(content).hexdigest()
                if name == "mnist":
                    (folder / file).write_bytes(content)
                else:
                    (folder / f"{file}.gz").write_bytes(gzip.compress(content))
        sources[name] = {"origin": "made up", "raw_sha256": hashes}
    monkeypatch.setattr(make_data, "SOURCES", sources)
    monkeypatch.setattr(make_data, "PER_CLASS", {"train": 3, "test": 2})
    return tmp_path / "raw"


def test_make_data_twice_gives_the_same_bytes(tiny_raw, tmp_path, capsys):
    a, b = tmp_path / "a", tmp_path / "b"
    for out in (a, b):
        assert make_data.main(["--from", str(tiny_raw), "--out", str(out)]) == 0
    files = {path.name for path in a.iterdir()}
    assert files == {
        "mnist-30-20.npz",
        "fashion-mnist-30-20.npz",
        "registry.json",
    }
    for file in files:
        assert (a / file).read_bytes() == (b / file).read_bytes()
    assert "mnist-30-20.npz" in capsys.readouterr().out
    # The two sets hold the same images here: gzipped or not makes no difference.
    plain, zipped = ((a / f"{name}-30-20.npz").read_bytes() for name in NAMES)
    assert plain == zipped


def test_make_data_draws_what_it_says(tiny_raw, tmp_path):
    make_data.make_data(tiny_raw, tmp_path)
    pixels = np.array([(5 * i) % 256 for i in range(240)]).reshape(40, 3, 2)
    with np.load(tmp_path / "mnist-30-20.npz") as arrays:
        index = arrays["index_train"]
        assert np.array_equal(arrays["x_train"], pixels[index])
        assert np.array_equal(arrays["y_train"], 7 * index % 10)
        assert np.bincount(arrays["y_train"]).tolist() == [3] * 10


def test_the_archive_carries_no_clock_and_no_compression(tiny_raw, tmp_path):
    make_data.make_data(tiny_raw, tmp_path)
    with zipfile.ZipFile(tmp_path / "mnist-30-20.npz") as archive:
        for member in archive.infolist():
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert member.compress_type == zipfile.ZIP_STORED
            assert member.create_system == 3


def test_make_data_leaves_the_old_files_when_the_new_ones_fail(tiny_raw, tmp_path):
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
        (
            "mnist/train-images-idx3-ubyte",
            None,
            "no train-images-idx3-ubyte or",
        ),
        ("mnist/train-images-idx3-ubyte", b"", "is not the published file"),
        (
            "mnist/t10k-labels-idx1-ubyte",
            b"\0\0\x08\x01",
            "is not the published file",
        ),
        (
            "fashion-mnist/train-labels-idx1-ubyte.gz",
            b"PK",
            "cannot be unzipped",
        ),
        (
            "fashion-mnist/train-labels-idx1-ubyte.gz",
            gzip.compress(b"labels", mtime=0)[:-9],
            "cannot be unzipped",
        ),
    ],
)
def test_make_data_says_in_one_line_what_is_wrong(
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


def test_make_data_as_a_command(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "tools" / "make_data.py",
            "--from",
            tmp_path / "none",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("make_data.py: no train-images-idx3-ubyte or ")
