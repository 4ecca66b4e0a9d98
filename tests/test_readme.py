"""The README's snippets run, its commands exist, its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import set_repository

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_snippets_run_one_after_the_other(capsys):
    snippets = blocks("python")
    assert len(snippets) >= 3
    names = {}
    for snippet in snippets:
        exec(compile(snippet, "README.md", "exec"), names)
    assert names["embeddings"].grad.abs().sum() > 0
    assert set(names["terms"].per_layer) == {"2"}
    assert names["measured"].value < names["measured"].chance
    assert "by chance: 2." in capsys.readouterr().out


def test_the_papermill_line_runs(tmp_path):
    (block,) = [b for b in blocks("sh") if "papermill" in b]
    folder, line = block.strip().splitlines()
    assert folder == "mkdir -p runs"
    words = line.replace("runs/", f"{tmp_path}/").split()
    scripts = Path(sys.executable).parent
    subprocess.run([scripts / words[0], *words[1:]], cwd=ROOT, check=True)
    ran = nbformat.read(tmp_path / "03.ipynb", as_version=4)
    assert ran.metadata.papermill.parameters == {"dataset": "fashion-mnist", "seed": 1}


@pytest.mark.parametrize("target", ["book", "test"])
def test_the_two_commands_exist(target):
    assert f"    make {target} " in README
    environment = {**os.environ, "MAKEFLAGS": ""}
    plan = subprocess.run(
        ["make", "--dry-run", target],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "jupyter-book build book" in plan
    assert "_build/html/index.html" in plan
    assert ("--nbval" in plan) == (target == "test")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_links_into_the_project_name_files_that_exist():
    """On GitHub, Colab and Binder, from any text file: chapters and pages, too."""
    home = "/".join(set_repository.current_home(ROOT))
    ref = set_repository.current_ref(ROOT)
    link = re.compile(rf"{home}/(?:blob/{ref}|{ref}\?urlpath=lab/tree)/([\w./-]*\w)")
    found = {
        (path.name, target)
        for path, text in set_repository.text_files(ROOT)
        for target in link.findall(text)
    }
    assert len(found) > 20
    assert [pair for pair in found if not (ROOT / pair[1]).exists()] == []


def test_the_map_of_the_project_names_what_is_there():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = re.findall(r"^\| `(.+?)` \| (.+) \|$", page, re.M)
    assert len(rooms) > 10
    for room, content in rooms:
        assert (ROOT / room).exists(), room
        for path in re.findall(r"`(\w+(?:/|\.\w+))`", content):
            assert (ROOT / room / path).exists(), path
