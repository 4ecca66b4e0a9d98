"""Rename stored records of runs to the names that runs have today.

    python tools/rename_records.py           those in data/results/
    python tools/rename_records.py runs      those in another folder

The notebook of a run is renamed with its record. Records that have today's names stay
as they are, so a second call, also after an interruption, does only what is left.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from snnl_tutorial.runs.chapters import fill_defaults, read_chapter
from snnl_tutorial.runs.records import read_record, write_record
from snnl_tutorial.runs.runs import run_name

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
NOTEBOOKS = (".ipynb", ".partial.ipynb")


def current_name(record: dict[str, Any]) -> str:
    """Return the name that a run of this chapter with these values has today.

    Raises:
        ValueError, TypeError: the chapter or a parameter does not exist (any more).
    """
    chapter = read_chapter(record["chapter"])
    return run_name(chapter, fill_defaults(chapter, record["parameters"]))


def rename_record(path: Path, record: dict[str, Any]) -> bool:
    """Rename a record and its notebook; return whether anything changed.

    Raises:
        FileExistsError: another run has the new name.
        ValueError, TypeError: as in `current_name`.
    """
    renamed = {**record, "run": current_name(record)}
    target = path.with_name(f"{renamed['run']}.json")
    if target.exists() and read_record(target) not in (record, renamed):
        raise FileExistsError(f"{target.name} is another run")
    if target == path and record == renamed:
        return False
    for ending in NOTEBOOKS:  # before the record, so that no notebook is left behind
        notebook = path.with_name(path.stem + ending)
        if notebook.exists():
            notebook.rename(path.with_name(renamed["run"] + ending))
    write_record(path.parent, renamed)
    if target != path:
        path.unlink()
    return True


def main(arguments: list[str] | None = None) -> int:
    """Rename all records in a folder and its subfolders; 1 if any could not be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=RESULTS)
    folder = parser.parse_args(arguments).folder
    renamed = failed = 0
    for path in sorted(folder.rglob("*.json")):
        try:
            record = read_record(path)
            renamed += record is not None and rename_record(path, record)
        except (OSError, TypeError, ValueError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed += 1
    print(f"{folder}: {renamed} records renamed, {failed} left")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
