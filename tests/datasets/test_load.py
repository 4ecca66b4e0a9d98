"""The data that we ship, and the loader, against the published files."""

import gzip
import hashlib
import json
import os
import shutil
import string
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import make_data
import numpy as np
import pytest
import torch

from snnl_tutorial.datasets import load, downloads, files
from snnl_tutorial.datasets.load import class_names, load_dataset
from tests.datasets import fakes

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data"
NAMES = ["mnist", "fashion-mnist"]
SPLITS = {"train": 5000, "test": 1000}
# A folder as tools/make_data.py --from wants it, for instance SNNL_RAW_DATA=/tmp/raw.
RAW = Path(os.environ.get("SNNL_RAW_DATA", "not-given"))
# A folder with emnist-bymerge-test-{images-idx3,labels-idx1}-ubyte.gz and
# emnist47-real-subset.npz, whose x_eval is the test split of emnist-47.
EMNIST = Path(os.environ.get("SNNL_EMNIST_DATA", "not-given"))
MERGED = "cijklmopsuvwxyz"
KINDS = ("images", "labels")
ROWS = "emnist-47-test-rows.npz"


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
def test_class_names_are_distinct(name):
    names = class_names(name)
    assert len(set(names)) == 10
    if name == "mnist":
        assert [int(n) for n in names] == list(range(10))


@pytest.mark.parametrize("name", ["emnist-balanced", "emnist-47"])
def test_class_names_of_letters(name):
    """Small letters that look like their capitals share a class with them."""
    names = "".join(class_names(name))
    assert names[:36] == string.digits + string.ascii_uppercase
    assert names[36:] == "".join(sorted(set(string.ascii_lowercase) - set(MERGED)))


@pytest.mark.parametrize("n_labeled", [0, 1, 10, 57, 100, 4999, 5000])
def test_partial_labels_are_balanced_and_true(n_labeled):
    full = load_dataset("mnist", "train")
    part = load_dataset("mnist", "train", n_labeled=n_labeled, seed=3)
    told = part.labels != -100
    assert told.sum() == n_labeled
    assert torch.equal(part.labels[told], full.labels[told])
    assert torch.equal(part.images, full.images)
    counts = part.labels[told].bincount(minlength=10)
    assert counts.max() - counts.min() <= 1


def test_partial_labels_follow_the_seed_and_grow_by_adding():
    def rows(n_labeled, seed):
        labels = load_dataset("mnist", "train", n_labeled=n_labeled, seed=seed).labels
        return set((labels >= 0).nonzero().flatten().tolist())

    assert rows(100, 0) == rows(100, 0)
    assert rows(100, 0) != rows(100, 1)
    assert rows(57, 0) < rows(100, 0) < rows(1000, 0)


def test_partial_labels_take_a_numpy_integer():
    labels = load_dataset("mnist", "test", n_labeled=np.int64(20)).labels
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
        (
            {"name": "emnist-balanced"},
            ValueError,
            "size must be 'full' for 'emnist-balanced'; got 'small'",
        ),
        ({"name": "emnist-47"}, ValueError, "size must be 'full' for 'emnist-47'"),
        ({"n_labeled": -1}, ValueError, "n_labeled .*5000.*-1"),
        ({"n_labeled": 5001}, ValueError, "n_labeled .*5000.*5001"),
        ({"n_labeled": 10.0}, TypeError, "n_labeled .*integer.*float 10.0"),
        ({"n_labeled": "10"}, TypeError, "n_labeled .*integer.*str '10'"),
        ({"n_labeled": True}, TypeError, "n_labeled .*integer.*bool True"),
        ({"n_labeled": 10, "seed": 0.5}, TypeError, "seed .*integer.*float 0.5"),
        ({"n_labeled": 10, "seed": -1}, ValueError, "seed .*-1"),
    ],
)
def test_bad_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        load_dataset(**{"name": "mnist", "split": "train", **arguments})


def test_more_labels_than_a_class_has():
    labels = torch.tensor([0, 0, 0, 1])
    with pytest.raises(ValueError, match="n_labeled=4 asks for 2 labels of class 1"):
        datasets.keep_labels(labels, 4, seed=0, classes=2)


# --- damaged files --------------------------------------------------------------------


def use_data_folder(folder, monkeypatch):
    for module in (datasets, files):
        monkeypatch.setattr(module, "data_folder", lambda: folder)


@pytest.fixture
def data_copy(tmp_path, monkeypatch):
    for file in ("mnist-5000-1000.npz", "registry.json"):
        shutil.copy(DATA / file, tmp_path)
    use_data_folder(tmp_path, monkeypatch)
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


# --- full sets ------------------------------------------------------------------------


@pytest.fixture
def tiny_full(tmp_path, monkeypatch):
    """Tiny full sets in a cache; rows 0 and 3 of emnist-47 are its test split."""
    monkeypatch.setenv("SNNL_DATA", str(tmp_path / "cache"))
    use_data_folder(tmp_path, monkeypatch)
    np.savez(tmp_path / ROWS, rows=np.array([0, 3], "<i4"))
    fakes.write_full_json(tmp_path, "http://127.0.0.1:1/")
    sets = json.loads((tmp_path / "full.json").read_text())
    sha256 = fakes.sha256((tmp_path / ROWS).read_bytes())
    sets["emnist-47"]["test_rows"] = {"file": ROWS, "sha256": sha256}
    (tmp_path / "full.json").write_text(json.dumps(sets))
    source = tmp_path / "source"
    source.mkdir()
    for file, content in {**fakes.MNIST, **fakes.BALANCED, **fakes.BYMERGE}.items():
        (source / file).write_bytes(content)
    for name in sets:
        downloads.take(name, source)
    return tmp_path


# The five made-up images of 2 x 3 pixels hold 0, 1, 2, ... in the order of the file.
PIXELS = torch.arange(30).reshape(5, 2, 3) / 255


@pytest.mark.parametrize(
    ("name", "split", "rows"),
    [
        ("mnist", "train", [0, 1, 2, 3, 4]),
        ("mnist", "test", [0, 1, 2, 3, 4]),
        ("emnist-balanced", "train", [0, 1, 2, 3, 4]),
        ("emnist-balanced", "test", [0, 1, 2, 3, 4]),
        ("emnist-47", "train", [1, 2, 4]),
        ("emnist-47", "test", [0, 3]),
    ],
)
def test_a_full_set_is_read_as_published_and_upright(name, split, rows, tiny_full):
    images, labels = load_dataset(name, split, size="full")
    expected = PIXELS[rows] if name == "mnist" else PIXELS[rows].transpose(1, 2)
    assert torch.equal(images, expected)
    assert images.dtype == torch.float32
    assert images.is_contiguous()
    assert labels.tolist() == [fakes.LABELS[row] for row in rows]
    assert labels.dtype == torch.int64


def test_partial_labels_of_a_full_set(tiny_full):
    labels = load_dataset("mnist", "train", size="full", n_labeled=3).labels
    assert sorted(labels.tolist()) == [-100, -100, 0, 1, 2]


@pytest.mark.parametrize("name", ["mnist", "emnist-balanced", "emnist-47"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_full_file_is_named_with_the_commands(name, kind, tiny_full):
    file = files.full_sets()[name].splits["test"][kind]
    (tiny_full / "cache" / name / file).unlink()
    words = f"{file} is missing; `snnl data fetch {name}` .*`snnl data import {name} "
    with pytest.raises(FileNotFoundError, match=words):
        load_dataset(name, "test", size="full")


@pytest.mark.parametrize("name", ["mnist", "emnist-balanced", "emnist-47"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_full_file_is_never_read(name, kind, tiny_full, monkeypatch):
    file = files.full_sets()[name].splits["test"][kind]
    path = tiny_full / "cache" / name / file
    path.write_bytes(flip_a_bit(path.read_bytes()))
    words = f"{file} is damaged: .*`snnl data fetch {name}`"
    with pytest.raises(ValueError, match=words):
        load_dataset(name, "test", size="full")


def test_damaged_rows_of_the_test_split_are_never_used(tiny_full):
    np.savez(tiny_full / ROWS, rows=np.array([0, 2], "<i4"))
    with pytest.raises(ValueError, match=f"{ROWS} is damaged"):
        load_dataset("emnist-47", "train", size="full")


def published(folder, file):
    plain = folder / file
    return plain.read_bytes() if plain.exists() else gzip.open(f"{plain}.gz").read()


@pytest.mark.parametrize("name", NAMES)
def test_the_published_files_are_read_row_by_row(name, tmp_path, monkeypatch):
    """Read the idx files here in another way: fixed headers of 16 and 8 bytes."""
    skip_without_raw(name)
    monkeypatch.setenv("SNNL_DATA", str(tmp_path))
    downloads.take(name, RAW / name)
    for split, prefix, count in (("train", "train", 60_000), ("test", "t10k", 10_000)):
        images, labels = load_dataset(name, split, size="full")
        assert images.shape == (count, 28, 28)
        pixels = (images * 255).round().to(torch.uint8).numpy().tobytes()
        assert pixels == published(RAW / name, f"{prefix}-images-idx3-ubyte")[16:]
        classes = labels.to(torch.uint8).numpy().tobytes()
        assert classes == published(RAW / name, f"{prefix}-labels-idx1-ubyte")[8:]


def test_the_47_class_split_is_the_documented_one(tmp_path, monkeypatch):
    subset = EMNIST / "emnist47-real-subset.npz"
    if not subset.is_file():
        pytest.skip("SNNL_EMNIST_DATA has no emnist47-real-subset.npz")
    monkeypatch.setenv("SNNL_DATA", str(tmp_path))
    downloads.take("emnist-47", EMNIST)
    with np.load(subset, allow_pickle=False) as arrays:
        x_eval, y_eval = arrays["x_eval"], arrays["y_eval"]
        assert class_names("emnist-47") == tuple(arrays["class_chars"])
        seen_in_training = {image.tobytes() for image in arrays["x_train"]}
    test = load_dataset("emnist-47", "test", size="full")
    pixels = (test.images * 255).round().to(torch.uint8).numpy()
    assert np.array_equal(pixels, x_eval)
    assert np.array_equal(test.labels, y_eval)
    assert test.labels.bincount().tolist() == [300] * 47

    train = load_dataset("emnist-47", "train", size="full")
    assert train.images.shape == (102_223, 28, 28)
    assert train.labels.bincount(minlength=47).min() == 115
    rest = (train.images * 255).round().to(torch.uint8).numpy()
    tests = {image.tobytes() for image in pixels}
    assert len(tests) == 14_100
    assert not any(image.tobytes() in tests for image in rest)
    assert not tests & seen_in_training
    with pytest.raises(ValueError, match="class .*, which has 115"):
        load_dataset("emnist-47", "train", size="full", n_labeled=47 * 116)


# --- the files in data/ ---------------------------------------------------------------


def test_the_registry_lists_exactly_the_files_that_are_there():
    registry = json.loads((DATA / "registry.json").read_text())
    assert {*registry, ROWS} == {path.name for path in DATA.glob("*.npz")}
    for file, entry in registry.items():
        content = (DATA / file).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_both_registries_know_the_same_published_files(name):
    registry = json.loads((DATA / "registry.json").read_text())
    full = json.loads((DATA / "full.json").read_text())
    assert full[name]["sha256"] == registry[f"{name}-5000-1000.npz"]["raw_sha256"]


def test_every_address_hash_and_file_name_is_well_formed():
    sets = files.full_sets()
    assert set(sets) == set(datasets.CLASS_NAMES)
    for full in sets.values():
        assert full.urls
        for url in full.urls:
            assert url.startswith(("http://", "https://"))
            assert url.endswith(".zip" if full.archive_sha256 else "/")
        for sha256 in filter(None, (full.archive_sha256, *full.sha256.values())):
            assert len(bytes.fromhex(sha256)) == 32
        listed = {split[k] for split in full.splits.values() for k in KINDS}
        assert listed == set(full.sha256)


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
    pixels = published(RAW / name, f"{prefix}-images-idx3-ubyte")
    labels = published(RAW / name, f"{prefix}-labels-idx1-ubyte")
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
