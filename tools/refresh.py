"""Re-execute chapters and store clean outputs, so that git shows what has changed.

    python tools/refresh.py                      every chapter
    python tools/refresh.py book/01*.ipynb       some
    python tools/refresh.py --check              store nothing; fail if bytes differ

A chapter is replaced only when all its cells ran, so an interruption loses nothing.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

BOOK = Path(__file__).resolve().parent.parent / "book"
KEPT_METADATA = ("tags", "mystnb")
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
        last = merged[-1] if merged else None
        if last is not None and output.output_type == last.output_type == "stream":
            if output.name == last.name:
                last.text += output.text
                continue
        merged.append(output)
    return merged


def store(path: Path, text: str) -> None:
    """Write under a temporary name, then rename: never half a chapter."""
    temporary = path.with_suffix(".ipynb.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", type=Path, help="default: all")
    parser.add_argument("--check", action="store_true", help="store nothing")
    options = parser.parse_args()
    paths = options.chapters or sorted(BOOK.glob("*.ipynb"))
    differing = []
    progress = tqdm(paths, unit="chapter", disable=None)
    for path in progress:
        progress.set_description(path.stem)
        try:
            text = execute(path)
        except (CellExecutionError, OSError, nbformat.ValidationError) as error:
            cause = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[-1]
            print(f"{path}: {cause}", file=sys.stderr)
            return 1
        if not options.check:
            store(path, text)
        elif text != path.read_text(encoding="utf-8"):
            differing.append(path.name)
    if differing:
        print(f"other bytes than stored: {', '.join(differing)}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
