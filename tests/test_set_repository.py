"""Moving the project to another home, on a small copy of one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import set_repository

OLD, NEW = "ann/old-name", "bob/new.name"
HOME = f"https://github.com/{NEW}"


def write_project(root, home, ref="main"):
    owner, name = home.split("/")
    colab = f"https://colab.research.google.com/github/{home}/blob/{ref}/book/01.ipynb"
    at = "" if ref == "main" else f"@{ref}"
    texts = {
        "pyproject.toml": f'[project.urls]\nRepository = "https://github.com/{home}"\n'
        f'Homepage = "https://{owner}.github.io/{name}/"\n'
        f'Changelog = "https://github.com/{home}/blob/{ref}/CHANGELOG.md"\n'
        f'Issues = "https://github.com/{home}/issues"\n'
        f"replacement = '\\1https://raw.githubusercontent.com/{home}/{ref}/'\n",
        "README.md": f"![Map](https://raw.githubusercontent.com/{home}/{ref}/map.png) "
        f"[Run]({colab}), git clone https://github.com/{home}.git, "
        f"see https://{owner}.github.io/{name}/index.html and github.com/{home}.\n",
        "_config.yml": f"repository:\n  url: https://github.com/{home}\r\n"
        f"  branch: {ref}  # or a tag\r\n",
        "package/runs/records.py": f"# https://github.com/{home}\n",
        "CITATION.cff": f'repository-code: "https://github.com/{home}"\n',
        "book/01.ipynb": json.dumps(
            {
                "cell": f"!pip install git+https://github.com/{home}.git{at}\n",
                "quoted": f"'git+https://github.com/{home}{at}'",
                "link": f"https://mybinder.org/v2/gh/{home}/{ref}?urlpath=lab",
                "code": f"https://github.com/{home}/blob/{ref}/loss/tiles.py",
            }
        ),
    }
    for file, text in texts.items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


@pytest.fixture
def project(tmp_path):
    write_project(tmp_path, OLD)
    (tmp_path / "other.md").write_text(f"{OLD}-2 x{OLD} https://github.com/ann/other")
    (tmp_path / "binary.npz").write_bytes(b"\0" + OLD.encode())
    (tmp_path / "latin.txt").write_bytes(b"\xe9" + OLD.encode())
    for folder in (".venv", "runs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "copy.md").write_text(OLD)
    return tmp_path


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_every_link_moves_and_nothing_else(project, tmp_path_factory):
    before = contents(project)
    assert (
        set_repository.main([f"https://github.com/{NEW}/", "--root", str(project)]) == 0
    )
    expected = tmp_path_factory.mktemp("expected")
    write_project(expected, NEW)
    for path, content in contents(project).items():
        twin = expected / path.relative_to(project)
        assert content == (twin.read_bytes() if twin.exists() else before[path])
    assert set_repository.main(["--check", "--root", str(project)]) == 0


def test_there_and_back_again(project):
    before = contents(project)
    for home in (NEW, OLD):
        url = f"https://github.com/{home}"
        assert set_repository.main([url, "--root", str(project)]) == 0
    assert contents(project) == before


@pytest.mark.parametrize("ref", ["v1.0.0", "v2.0.0-rc.1", "release"])
def test_a_release_installs_and_shows_itself_and_the_way_leads_back(
    ref, project, tmp_path_factory
):
    before = contents(project)
    expected = tmp_path_factory.mktemp("expected")
    write_project(expected, OLD, ref)
    for start in ("main", "v0.9"):
        for step in (start, ref):
            assert set_repository.main(["--ref", step, "--root", str(project)]) == 0
        for path, content in contents(project).items():
            twin = expected / path.relative_to(project)
            assert content == (twin.read_bytes() if twin.exists() else before[path])
    assert set_repository.main(["--check", "--root", str(project)]) == 0
    assert set_repository.main(["--ref", "main", "--root", str(project)]) == 0
    assert contents(project) == before


@pytest.mark.parametrize("ref", ["feature/x", "v1 0", "a?b"])
def test_a_ref_that_no_link_can_hold_is_refused(ref, project, capsys):
    before = contents(project)
    assert set_repository.main(["--ref", ref, "--root", str(project)]) == 1
    assert "expected a tag or a branch without a slash" in capsys.readouterr().err
    assert contents(project) == before


def test_check_names_the_files_that_differ_and_changes_nothing(project, capsys):
    pyproject = project / "pyproject.toml"
    moved = pyproject.read_text().replace(f'"https://github.com/{OLD}"', f'"{HOME}"')
    pyproject.write_text(moved)
    before = contents(project)
    assert set_repository.main(["--check", "--root", str(project)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len([line for line in errors if "pyproject.toml" in line]) == 3
    assert len([line for line in errors if "README.md" in line]) == 2
    assert {line.split(" in ")[1].split(":")[0] for line in errors} == {
        "README.md",
        "pyproject.toml",
        "_config.yml",
        "CITATION.cff",
        str(Path("book", "01.ipynb")),
    }
    assert all(line.endswith(OLD) for line in errors)
    assert contents(project) == before


@pytest.mark.parametrize(
    "url",
    ["ann/name", "https://gitlab.com/ann/name", "https://github.com/ann", "x"],
)
def test_an_address_that_is_none_is_refused(url, project, capsys):
    before = contents(project)
    assert set_repository.main([url, "--root", str(project)]) == 1
    assert "expected https://github.com/OWNER/NAME" in capsys.readouterr().err
    assert contents(project) == before


def test_a_bare_clone_can_run_it(project):
    """With -I and -S, Python sees neither our environment nor this clone's install."""
    script = Path(__file__).parents[1] / "tools" / "set_repository.py"
    python = [sys.executable, "-I", "-S", script]
    words = [f"https://github.com/{NEW}", "--root", project]
    done = subprocess.run([*python, *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert NEW in (project / "README.md").read_text()


@pytest.mark.parametrize(
    "arguments",
    [[], ["https://github.com/a/b", "--check"], ["--ref", "v1", "--check"]],
)
def test_one_thing_at_a_time(arguments, project):
    with pytest.raises(SystemExit, match="2"):
        set_repository.main([*arguments, "--root", str(project)])


def test_this_project_names_one_home():
    assert set_repository.strangers(Path(__file__).parents[1]) == []
