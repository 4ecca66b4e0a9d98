"""Re-execute chapters and store clean outputs, so that git shows what has changed.

    python tools/refresh.py                      every chapter
    python tools/refresh.py book/chapters/01*.ipynb  some
    python tools/refresh.py --check              store nothing; fail if bytes differ

A chapter is replaced only when all its cells ran, so an interruption loses nothing.
The picture on the front page is a figure of a chapter and is stored along with it.
"""

import argparse
import os
import re
import sys
from base64 import b64decode
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from tqdm import tqdm

from snnl_tutorial.files import write_atomically

BOOK = Path(__file__).resolve().parent.parent / "book"
# Stored outputs hold no progress bars, whose times differ. Kernels inherit this.
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
KEPT_METADATA = ("tags", "mystnb")
COVER = ("04_log_mean", "fig-logmean-untangle", BOOK / "_static" / "untangling.png")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def execute(path: Path) -> str:
    """The chapter's text with fresh outputs and nothing volatile in it."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    return clean(notebook)


def clean(notebook: nbformat.NotebookNode) -> str:
    """The notebook as text: no kernel versions, no widget state, no editor marks."""
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    for cell in notebook.cells:
        kept = {
            key: cell.metadata[key] for key in KEPT_METADATA if key in cell.metadata
        }
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def merge_streams(outputs: list) -> list:
    """Join what was printed in one go but arrived in pieces."""
    merged: list = []
    for output in outputs:
        if merged and is_stream(output) and is_stream(merged[-1], output.name):
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def is_stream(output: nbformat.NotebookNode, name: str | None = None) -> bool:
    """Whether this output was printed (to the named stream)."""
    return output.output_type == "stream" and name in (None, output.name)


def picture(text: str, name: str) -> bytes:
    """The PNG of the cell whose figure has this name."""
    for cell in nbformat.reads(text, as_version=4).cells:
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == name:
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    return b64decode(output.data["image/png"])
    raise ValueError(f"no figure {name!r}")


def main() -> int:
    """Refresh the chapters that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", type=Path, help="default: all")
    parser.add_argument("--check", action="store_true", help="store nothing")
    options = parser.parse_args()
    paths = options.chapters or sorted(BOOK.glob("chapters/*.ipynb"))
    differing = []
    progress = tqdm(paths, unit="chapter", disable=not sys.stderr.isatty())
    for path in progress:
        progress.set_description(path.stem)
        try:
            text = execute(path)
        except (
            AttributeError,  # JSON, but no notebook
            CellExecutionError,
            DeadKernelError,
            OSError,
            UnicodeDecodeError,
            nbformat.ValidationError,
            nbformat.reader.NotJSONError,
        ) as error:
            plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # without colors
            cause = plain.strip().splitlines()[-1]
            print(f"{path}: {cause}", file=sys.stderr)
            return 1
        if not options.check:
            write_atomically(path, text.encode())
            if path.stem == COVER[0]:
                write_atomically(COVER[2], picture(text, COVER[1]))
        elif text != path.read_text(encoding="utf-8"):
            differing.append(path.name)
    if differing:
        print(f"other bytes than stored: {', '.join(differing)}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
