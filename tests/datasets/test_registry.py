"""The files in data/, their registries, and the published files that they are from."""

import gzip
import hashlib
import json
import os
import re
import zipfile
from pathlib import Path

import make_data
import numpy as np
import pytest
import torch
from PIL import Image

from snnl_tutorial.datasets.cache import import_files
from snnl_tutorial.datasets.load import CLASS_NAMES, load_dataset
from snnl_tutorial.datasets.registry import SMALL, full_sets

DATA = Path(__file__).parents[2] / "data"
NAMES = ["mnist", "fashion-mnist"]
SEEDLINGS = "plant-seedlings"
FULL_SEEDLINGS = full_sets()[SEEDLINGS]
ROWS = "emnist-47-test-rows.npz"
SPLITS = {"train": ("train", 60_000), "test": ("t10k", 10_000)}
# A folder as tools/make_data.py --from wants it, for instance SNNL_RAW_DATA=/tmp/raw.
RAW = Path(os.environ.get("SNNL_RAW_DATA", "not-given"))


def test_the_registry_lists_exactly_the_files_that_are_there():
    registry = json.loads((DATA / "registry.json").read_text())
    data = [*DATA.glob("*.npz"), *DATA.glob("*.zip")]
    assert {*registry, ROWS} == {path.name for path in data}
    for file, entry in registry.items():
        content = (DATA / file).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        counts = re.search(r"-(\d+)-(\d+)\.", file).groups()
        assert counts == (str(entry["train"]), str(entry["test"]))


@pytest.mark.parametrize("name", SMALL)
def test_both_registries_know_the_same_published_files(name):
    registry = json.loads((DATA / "registry.json").read_text())
    full = json.loads((DATA / "full.json").read_text())
    assert full[name]["sha256"] == registry[SMALL[name]]["raw_sha256"]


def test_every_address_hash_and_file_name_is_well_formed():
    sets = full_sets()
    assert set(sets) == set(CLASS_NAMES)
    assert [name for name, full in sets.items() if not full.urls] == [SEEDLINGS]
    for full in sets.values():
        for url in full.urls:
            assert url.startswith(("http://", "https://"))
            assert url.endswith(".zip" if full.archive_sha256 else "/")
        for sha256 in filter(None, (full.archive_sha256, *full.sha256.values())):
            assert len(bytes.fromhex(sha256)) == 32
        listed = {
            split[k]
            for split in full.splits.values()
            for k in ("images", "labels", "photographs")
            if k in split
        }
        assert listed == set(full.sha256)


def test_the_sizes_are_those_of_the_format():
    """The idx header has 16 bytes before images of 28 x 28, and 8 before labels."""
    for name, full in full_sets().items():
        assert set(full.sizes) == set(full.sha256)
        if name == SEEDLINGS:
            continue  # one archive of photographs
        for split in full.splits.values():
            labels = full.sizes[split["labels"]] - 8
            assert full.sizes[split["images"]] - 16 == 28 * 28 * labels
            if not full.test_rows:
                assert labels == split["count"]
        if full.test_rows:
            rows = (DATA / full.test_rows["file"]).read_bytes()
            assert full.test_rows["bytes"] == len(rows)
            assert labels == sum(split["count"] for split in full.splits.values())
        if full.archive_sha256:
            mib = float(full.download.removesuffix(" MiB"))
            assert full.archive_at_most > (mib + 1) * 2**20


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
        for split, (_, count) in SPLITS.items():
            index = arrays[f"index_{split}"]
            assert len(np.unique(index)) == len(index)
            assert index.min() >= 0
            assert index.max() < count


def test_the_seedlings_are_jpeg_files_that_pillow_reads_alike():
    """Read here file by file, in the order of the archive."""
    images, labels = load_dataset(SEEDLINGS, "test")
    assert images.shape == (120, 128, 128, 3)
    with zipfile.ZipFile(DATA / SMALL[SEEDLINGS]) as archive:
        names = [name for name in archive.namelist() if name.startswith("test/")]
        for name, image, label in zip(names, images, labels, strict=True):
            folder = CLASS_NAMES[SEEDLINGS][int(label)].replace(" ", "_")
            assert name.split("/")[1] == folder
            pixels = np.asarray(Image.open(archive.open(name)))
            assert as_bytes(image) == pixels.tobytes()


# --- against the published files ------------------------------------------------------


def skip_without_raw(*names):
    for name in names:
        if not (RAW / name).is_dir():
            pytest.skip(f"SNNL_RAW_DATA has no folder {name}/ of published idx files")


def published(name, split):
    """Pixels and labels, read in another way: fixed headers of 16 and 8 bytes."""
    contents = []
    for file, header in (("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8)):
        plain = RAW / name / f"{SPLITS[split][0]}-{file}"
        if plain.exists():
            whole = plain.read_bytes()
        else:
            whole = gzip.decompress(Path(f"{plain}.gz").read_bytes())
        contents.append(whole[header:])
    return contents


def as_bytes(images):
    return (images * 255).round().to(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_full_set_is_what_was_published(name, tmp_path, monkeypatch):
    skip_without_raw(name)
    monkeypatch.setenv("SNNL_DATA", str(tmp_path))
    import_files(name, RAW / name)
    for split, (_, count) in SPLITS.items():
        images, labels = load_dataset(name, split, size="full")
        assert images.shape == (count, 28, 28)
        pixels, classes = published(name, split)
        assert as_bytes(images) == pixels
        assert bytes(labels.tolist()) == classes


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", SPLITS)
def test_every_small_row_is_the_published_row_at_its_index(name, split):
    skip_without_raw(name)
    pixels, classes = published(name, split)
    with np.load(DATA / f"{name}-5000-1000.npz", allow_pickle=False) as arrays:
        index = arrays[f"index_{split}"].tolist()
    images, labels = load_dataset(name, split)
    for i, image, label in zip(index, images, labels, strict=True):
        assert as_bytes(image) == pixels[784 * i : 784 * (i + 1)]
        assert label == classes[i]


@pytest.mark.parametrize("split", SPLITS)
def test_every_seedling_is_in_the_same_folder_of_the_full_archive(split):
    skip_without_raw(SEEDLINGS)
    with (
        zipfile.ZipFile(RAW / SEEDLINGS / next(iter(FULL_SEEDLINGS.sha256))) as full,
        zipfile.ZipFile(DATA / SMALL[SEEDLINGS]) as small,
    ):
        chosen = [name for name in small.namelist() if name.startswith(f"{split}/")]
        assert len(chosen) == {"train": 288, "test": 120}[split]
        for name in chosen:
            assert small.read(name) == full.read(name)


def test_the_full_seedlings_are_all_photographs(tmp_path, monkeypatch):
    skip_without_raw(SEEDLINGS)
    monkeypatch.setenv("SNNL_DATA", str(tmp_path))
    import_files(SEEDLINGS, RAW / SEEDLINGS)
    for split, entry in FULL_SEEDLINGS.splits.items():
        images, labels = load_dataset(SEEDLINGS, split, size="full")
        assert images.shape == (entry["count"], 128, 128, 3)
        assert sorted(set(labels.tolist())) == list(range(12))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_rebuilt_byte_for_byte(name):
    skip_without_raw(name)
    content = make_data.npz_bytes(make_data.build(name, RAW / name))
    assert content == (DATA / SMALL[name]).read_bytes()


def test_the_archive_of_seedlings_is_rebuilt_byte_for_byte():
    skip_without_raw(SEEDLINGS)
    content, counts = make_data.build_photographs(RAW / SEEDLINGS)
    assert content == (DATA / SMALL[SEEDLINGS]).read_bytes()
    assert counts == {"train": 288, "test": 120}
