"""`load_dataset` on the shipped sets, on tiny full sets, and on the published files."""

import hashlib
import json
import os
import shutil
import string
from pathlib import Path

import numpy as np
import pytest
import torch

from snnl_tutorial.datasets.cache import import_files
from snnl_tutorial.datasets.load import class_names, load_dataset
from snnl_tutorial.datasets.registry import full_set
from tests.datasets import fakes

DATA = Path(__file__).parents[2] / "data"
NAMES = ["mnist", "fashion-mnist"]
SPLITS = {"train": 5000, "test": 1000}
# A folder with emnist-bymerge-test-{images-idx3,labels-idx1}-ubyte.gz and
# emnist47-real-subset.npz, whose x_eval is the test split of emnist-47.
EMNIST = Path(os.environ.get("SNNL_EMNIST_DATA", "not-given"))
MERGED = "cijklmopsuvwxyz"
ROWS = "emnist-47-test-rows.npz"


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
    assert (images.min(), images.max()) == (0, 1)
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
        ({"name": "emnist"}, ValueError, "name .*'mnist' or 'fashion-.*; got 'emnist'"),
        ({"name": "MNIST"}, ValueError, "name .*'MNIST'"),
        ({"name": None}, ValueError, "name .*None"),
        ({"split": "valid"}, ValueError, "split .*'train' or 'test'; got 'valid'"),
        ({"size": "large"}, ValueError, "size .*'small'.*'large'"),
        ({"name": "emnist-47"}, ValueError, "size must be 'full' for 'emnist-47'"),
        ({"n_labeled": -1}, ValueError, "n_labeled must be at least 0; got -1"),
        ({"n_labeled": 5001}, ValueError, "n_labeled .* at most 5000; got 5001"),
        ({"n_labeled": 10.0}, TypeError, "n_labeled must be an integer; got float"),
        ({"n_labeled": True}, TypeError, "n_labeled must be an integer; got bool"),
        ({"n_labeled": 10, "seed": 0.5}, TypeError, "seed .* integer; got float"),
        ({"n_labeled": 10, "seed": -1}, ValueError, "seed .* at least 0; got -1"),
        ({"n_labeled": 10, "seed": 2**32}, ValueError, "seed must be below 2"),
        ({"seed": "0"}, TypeError, "seed must be an integer; got str"),
        ({"seed": -1}, ValueError, "seed must be at least 0; got -1"),
    ],
)
def test_bad_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        load_dataset(**{"name": "mnist", "split": "train", **arguments})


# --- damaged files --------------------------------------------------------------------


@pytest.fixture
def data_copy(tmp_path, monkeypatch):
    for file in ("mnist-5000-1000.npz", "registry.json"):
        shutil.copy(DATA / file, tmp_path)
    fakes.use_data_folder(tmp_path, monkeypatch)
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
        lambda content: content + b"\0",
        lambda content: b"",
        lambda content: content + bytes(10**7),
    ],
    ids=["bit", "shorter", "longer", "empty", "far longer"],
)
def test_a_damaged_file_is_refused(damage, data_copy):
    path = data_copy / "mnist-5000-1000.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"mnist-5000-1000\.npz is damaged: \d+ bytes"):
        load_dataset("mnist", "train")


def test_a_pickle_is_never_loaded(data_copy):
    path = data_copy / "mnist-5000-1000.npz"
    np.savez(path, x_train=np.array([print], object), y_train=np.zeros(1))
    registry = json.loads((data_copy / "registry.json").read_text())
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    registry[path.name] |= {"sha256": sha256, "bytes": len(content)}
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
    fakes.use_data_folder(tmp_path, monkeypatch)
    np.savez(tmp_path / ROWS, rows=np.array([0, 3], "<i4"))
    fakes.write_full_json(tmp_path, "http://127.0.0.1:1/")
    sets = json.loads((tmp_path / "full.json").read_text())
    rows = (tmp_path / ROWS).read_bytes()
    listed = {"file": ROWS, "sha256": fakes.sha256(rows), "bytes": len(rows)}
    sets["emnist-47"]["test_rows"] = listed
    (tmp_path / "full.json").write_text(json.dumps(sets))
    source = tmp_path / "source"
    source.mkdir()
    for file, content in {**fakes.MNIST, **fakes.BALANCED, **fakes.BYMERGE}.items():
        (source / file).write_bytes(content)
    for name in sets:
        import_files(name, source)
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
    with pytest.raises(ValueError, match="n_labeled=4 needs 1 labels of class 3, .* 0"):
        load_dataset("mnist", "train", size="full", n_labeled=4)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mnist", "images"), ("emnist-balanced", "labels"), ("emnist-47", "images")],
)
def test_a_damaged_or_missing_full_file_is_named_with_the_commands(
    name, kind, tiny_full
):
    file = full_set(name).splits["test"][kind]
    path = tiny_full / "cache" / name / file
    remedy = f"`snnl data fetch {name}` .*`snnl data import {name} --from DIR`"
    path.write_bytes(flip_a_bit(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{file} is damaged: .* bytes .*{remedy}"):
        load_dataset(name, "test", size="full")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"{file} is missing; {remedy}"):
        load_dataset(name, "test", size="full")


def test_damaged_rows_of_the_test_split_are_never_used(tiny_full):
    np.savez(tiny_full / ROWS, rows=np.array([0, 2], "<i4"))
    with pytest.raises(ValueError, match=f"{ROWS} is damaged"):
        load_dataset("emnist-47", "train", size="full")


def test_the_47_class_split_is_the_documented_one(tmp_path, monkeypatch):
    subset = EMNIST / "emnist47-real-subset.npz"
    if not subset.is_file():
        pytest.skip("SNNL_EMNIST_DATA has no emnist47-real-subset.npz")
    monkeypatch.setenv("SNNL_DATA", str(tmp_path))
    import_files("emnist-47", EMNIST)
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
