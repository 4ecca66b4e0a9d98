"""The playground's script: made of its modules, up to date, and light."""

import gzip
from pathlib import Path

import bundle_playground
import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "book" / "playground" / "bundle" / "playground.js"
LIMIT = 40_000
"""Bytes of the compressed script."""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "book" / "playground"
    folder.mkdir(parents=True)
    (folder / "main.js").write_text(
        'import { twice } from "./math.js";\nimport { name } from "./names.js";\n'
        "window.result = [name, twice(21)];\n"
    )
    (folder / "math.js").write_text(
        'import { name } from "./names.js";\n'
        "const factor = 2;\nexport function twice(x) {\n  return factor * x;\n}\n"
    )
    (folder / "names.js").write_text('export const name = "two";\n')
    return tmp_path


def run(root, *options):
    return bundle_playground.main([*options, "--root", str(root)])


def test_a_module_stands_before_those_that_use_it_and_once(project):
    assert run(project) == 0
    script = (project / "book/playground/bundle/playground.js").read_text()
    places = [script.index(f"const module_{name} =") for name in ("names", "math")]
    assert places == sorted(places)
    assert script.count('const name = "two";') == 1
    assert "return { twice };" in script
    assert "const { twice } = module_math;" in script
    assert '"use strict";' in script
    lines = script.splitlines()
    assert not [line for line in lines if line.startswith(("import", "export"))]


def test_an_outdated_bundle_is_found(project, capsys):
    assert run(project, "--check") == 1  # there is none
    assert run(project) == 0
    assert run(project, "--check") == 0
    with (project / "book/playground/names.js").open("a") as file:
        file.write("// more\n")
    assert run(project, "--check") == 1
    assert "make playground" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('import { twice } from "./math.js";', "main > math > names > math"),
        ('import { x } from "./gone.js";', "names.js imports gone.js"),
        ('import * as all from "./math.js";', "cannot read 'import"),
        ("export default 3;", "cannot read 'export default"),
        ('import x from "react";', "cannot read 'import x"),
    ],
)
def test_what_it_cannot_bundle_it_names(project, capsys, line, message):
    path = project / "book/playground/names.js"
    path.write_text(f'{line}\nexport const name = "two";\n')
    assert run(project) == 1
    assert message in capsys.readouterr().err


def test_the_committed_bundle_is_up_to_date():
    assert run(ROOT, "--check") == 0


def test_the_committed_bundle_is_light():
    assert len(gzip.compress(SCRIPT.read_bytes(), 9)) <= LIMIT
