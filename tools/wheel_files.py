"""What the wheel holds of the book and of its results: a build hook of hatchling.

`snnl run` executes a chapter anew, so its chapters are without stored outputs, which
are most of their size. Of data/results, it holds the tables, and those folders of
records that a chapter reads.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

RECORDS = re.compile(r"data_folder\(\) / \"results\" / \"(\w+)\"")


def code(notebook: dict[str, Any]) -> str:
    """Return the source of a notebook's code cells, as one text."""
    cells = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    return "\n".join("".join(cell["source"]) for cell in cells)


def without_outputs(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook as if it had never been run.

    Example:
        >>> cell = {"cell_type": "code", "execution_count": 3, "outputs": ["3"]}
        >>> without_outputs({"cells": [cell]})
        {'cells': [{'cell_type': 'code', 'execution_count': None, 'outputs': []}]}
    """
    empty: dict[str, Any] = {"execution_count": None, "outputs": []}
    cells = [
        cell | empty if cell["cell_type"] == "code" else cell
        for cell in notebook["cells"]
    ]
    return notebook | {"cells": cells}


def wheel_files(root: Path, scratch: Path) -> dict[str, str]:
    """Return where each file of the book and of the results goes in the wheel.

    Args:
        root: the project.
        scratch: an empty folder, for the chapters without outputs.
    """
    files = {}
    read: set[str] = set()
    for path in sorted((root / "book" / "chapters").glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        read.update(RECORDS.findall(code(notebook)))
        text = json.dumps(without_outputs(notebook), ensure_ascii=False, indent=1)
        stripped = scratch / path.name
        stripped.write_text(text + "\n", encoding="utf-8", newline="\n")
        files[str(stripped)] = f"snnl_tutorial/book/chapters/{path.name}"
    results = root / "data" / "results"
    for path in sorted(results.rglob("*")):
        inside = path.relative_to(results)
        if path.is_file() and (len(inside.parts) == 1 or inside.parts[0] in read):
            files[str(path)] = f"snnl_tutorial/data/results/{inside.as_posix()}"
    return files


class WheelFiles(BuildHookInterface):
    """Called by hatchling before and after it builds a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":  # an editable install reads the clone's own files
            self.scratch = tempfile.TemporaryDirectory()
            files = wheel_files(Path(self.root), Path(self.scratch.name))
            build_data["force_include"].update(files)

    def finalize(
        self, version: str, build_data: dict[str, Any], artifact_path: str
    ) -> None:
        if version == "standard":
            self.scratch.cleanup()
