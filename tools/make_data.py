"""Build the small data sets in data/ from the full MNIST and Fashion-MNIST files.

    python tools/make_data.py --from DIR [--out data]

DIR holds one folder for each data set, `mnist/` and `fashion-mnist/`, with the four
published idx files in each, as they are or gzipped. Their content is checked before
anything is written. Two runs write the same bytes, on any machine.
"""

import argparse
import gzip
import hashlib
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from snnl_tutorial.datasets.files import write

SEED = 20190205
CLASSES = 10
PER_CLASS = {"train": 500, "test": 100}
PREFIX = {"train": "train", "test": "t10k"}

# The sha256 of the raw idx bytes: whoever repacks these files gzips them anew.
SOURCES: dict[str, dict] = {
    "mnist": {
        "origin": "MNIST, by Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
        "url": "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "raw_sha256": {
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738"
            "ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5"
            "333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77"
            "db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351"
            "222c34898ecbeaf847f06e48f7ec33f2",
        },
    },
    "fashion-mnist": {
        "origin": "Fashion-MNIST, by Zalando SE",
        "url": "https://github.com/zalandoresearch/fashion-mnist",
        "raw_sha256": {
            "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f8388776"
            "8d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec29"
            "4ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe0"
            "87ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494"
            "c5af83dab82d92729df917d7dec38c34",
        },
    },
}


class DataError(Exception):
    """Something about the raw files that one line can say."""


def read_idx(folder: Path, name: str, expected: str) -> np.ndarray:
    """Read `name` or `name.gz` from the folder and check the sha256 of its content.

    An idx file is two zero bytes, the type (8: uint8), the number of dimensions, one
    big-endian 32-bit size for each dimension, and then the values.
    """
    candidates = (folder / name, folder / f"{name}.gz")
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise DataError(f"no {name} or {name}.gz in {folder}")
    raw = path.read_bytes()
    if path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} cannot be unzipped: {error}") from error
    found = hashlib.sha256(raw).hexdigest()
    if found != expected:
        raise DataError(
            f"{path} is not the published file: its content has sha256 {found}, "
            f"expected {expected}"
        )
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">u4", count=dimensions, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def draw(
    labels: np.ndarray, per_class: int, random: np.random.RandomState
) -> np.ndarray:
    """Choose `per_class` rows of each class and return their indices, in random order.

    In random order the first n rows are a fair sample, too. MNIST's own order is not:
    three nearest neighbors among our 5,000 training images get 9.3% of the first half
    of its test split wrong, and 3.7% of the second.
    """
    order = random.permutation(len(labels))
    chosen = [order[labels[order] == c][:per_class] for c in range(CLASSES)]
    return random.permutation(np.concatenate(chosen))


def build(name: str, folder: Path) -> dict[str, np.ndarray]:
    """Read one data set's raw files and return the arrays of its small version."""
    expected = SOURCES[name]["raw_sha256"]
    # RandomState, not default_rng: NumPy promises never to change what it draws.
    random = np.random.RandomState(SEED)
    arrays = {}
    for split, per_class in PER_CLASS.items():
        files = [f"{PREFIX[split]}-{k}-ubyte" for k in ("images-idx3", "labels-idx1")]
        images, labels = (read_idx(folder, file, expected[file]) for file in files)
        index = draw(labels, per_class, random)
        arrays[f"x_{split}"] = images[index]  # (classes * per_class, 28, 28)
        arrays[f"y_{split}"] = labels[index]
        arrays[f"index_{split}"] = index.astype("<i4")
    return arrays


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Pack the arrays as an .npz file whose bytes depend on nothing but the arrays.

    Not compressed, because zlib's output differs from version to version (git and
    wheels compress it anyway), and dated 1980, because a zip member has a date.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            member.create_system = 3  # else Windows writes another byte here
            content = io.BytesIO()
            np.lib.format.write_array(
                content,
                np.ascontiguousarray(array),
                version=(1, 0),
                allow_pickle=False,
            )
            archive.writestr(member, content.getvalue())
    return buffer.getvalue()


def make_data(raw: Path, out: Path) -> dict[str, dict]:
    """Build every data set and the registry; return the registry."""
    files, registry = {}, {}
    for name, source in SOURCES.items():
        content = npz_bytes(build(name, raw / name))
        train, test = (CLASSES * PER_CLASS[split] for split in ("train", "test"))
        file = f"{name}-{train}-{test}.npz"
        files[file] = content
        registry[file] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            **source,
        }
    out.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        write(out / file, content)
    write(out / "registry.json", (json.dumps(registry, indent=2) + "\n").encode())
    return registry


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Build data/*.npz and data/registry.json from the raw idx files."
    )
    parser.add_argument(
        "--from",
        dest="raw",
        metavar="DIR",
        type=Path,
        required=True,
        help="folder with mnist/ and fashion-mnist/, the four idx files in each",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path(__file__).parents[1] / "data",
        help="where to write (default: the data folder of this clone)",
    )
    options = parser.parse_args(arguments)
    try:
        registry = make_data(options.raw, options.out)
    except (DataError, OSError) as error:
        print(f"make_data.py: {error}", file=sys.stderr)
        return 1
    for file, entry in registry.items():
        print(f"{options.out / file}  {entry['bytes']:,} bytes  {entry['sha256']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
