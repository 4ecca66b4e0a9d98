"""What installs, where, and with what: the files around the package."""

import ast
import email
import importlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from itertools import chain
from pathlib import Path

import nbformat
import pytest
import wheel_files
import yaml
from markdown_it import MarkdownIt
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from rattler import MatchSpec
from rattler.exceptions import InvalidMatchSpecError

import snnl_tutorial

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CORE = {r.name: r for r in map(Requirement, PROJECT["dependencies"])}
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())

ROOMS = (
    "files",
    "hooks",
    "loss",
    "datasets",
    "learning",
    "maps",
    "triplets",
    "vision",
    "attribution",
    "runs",
    "view",
    "cli",
)

# Google Colab in August 2026, with the Python of the runtimes still on offer.
COLAB_PYTHON = ["3.12", "3.13"]
COLAB = {
    canonicalize_name(name): Version(version)
    for name, version in re.findall(
        r"(?m)^([\w.-]+)==(\S+)$", (ROOT / ".github" / "colab.txt").read_text()
    )
}
COLAB_EXTRAS = ["run", "maps", "vision"]
# What conda-forge calls otherwise. The -base packages leave out what nobody needs here.
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
}


def run(*command, **options):
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


# --- versions and bounds --------------------------------------------------------------


@pytest.mark.parametrize("name", CORE)
def test_the_core_has_lower_bounds_only_and_colab_meets_them(name):
    operators = {clause.operator for clause in CORE[name].specifier}
    assert operators == {">="}
    assert COLAB[name] in CORE[name].specifier


def readers_extras():
    """The extras that the README or a chapter installs, by their name or piecemeal."""
    readme = (ROOT / "README.md").read_text()
    extras = {
        extra
        for listed in re.findall(r"snnl-tutorial\[([\w,]+)\]", readme)
        for extra in listed.split(",")
    }
    extras |= set(re.findall(r"the extra `(\w+)`", readme))
    for path in (ROOT / "book" / "chapters").glob("*.ipynb"):
        for line in re.findall(r"%pip install ([^\"\\]+)", path.read_text("utf-8")):
            names = set(map(canonicalize_name, line.split()))
            for extra in COLAB_EXTRAS:
                brought = map(Requirement, EXTRAS[extra])
                if names & {canonicalize_name(r.name) for r in brought}:
                    extras.add(extra)
    return extras


def demands(texts, asked_by, extras=("",)):
    """Yield (who, requirement) for all that pip has to look at on Colab.

    What Colab has stays as it is, so its own requirements are met; what it lacks is
    installed, and is looked into in the version that is installed here.
    """
    seen = set()
    queue = [(asked_by, Requirement(text), extras) for text in texts]
    while queue:
        who, requirement, asked = queue.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in asked):
            continue
        name = canonicalize_name(requirement.name)
        yield who, requirement
        if name in COLAB or name in seen:
            continue
        seen.add(name)
        inner = tuple(requirement.extras) or ("",)
        for text in importlib.metadata.requires(name) or []:
            queue.append((name, Requirement(text), inner))


def test_the_extras_that_readers_install_are_found():
    assert readers_extras() == set(COLAB_EXTRAS)


@pytest.mark.parametrize("extra", COLAB_EXTRAS)
def test_an_extra_replaces_nothing_on_colab(extra):
    """Neither do its own bounds, nor those of the packages that it brings."""
    met = set()
    for who, requirement in demands(EXTRAS[extra], extra):
        name = canonicalize_name(requirement.name)
        if name in COLAB:
            assert COLAB[name] in requirement.specifier, (who, str(requirement))
            met.add(name)
    assert met >= {"run": {"ipykernel", "pandas", "click"}}.get(extra, set())


def test_colabs_list_holds_what_colab_pins():
    """Colab breaks where these are replaced; the monthly run installs the same list."""
    assert str(COLAB["ipykernel"]) == "6.17.1"
    assert str(COLAB["ipython"]) == "7.34.0"
    assert str(COLAB["scikit-learn"]) == "1.6.1"
    workflow = (ROOT / ".github" / "workflows" / "colab.yml").read_text()
    assert f"--constraint .github/colab.txt '.[{','.join(COLAB_EXTRAS)}]'" in workflow


@pytest.mark.parametrize("python", COLAB_PYTHON)
def test_colabs_python_is_allowed(python):
    assert python in SpecifierSet(PROJECT["requires-python"])


def imports(path):
    """Every module that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            yield node.module


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_downwards(room):
    above = ROOMS[ROOMS.index(room) + 1 :]
    forbidden = tuple(f"snnl_tutorial.{name}" for name in above)
    package = ROOT / "snnl_tutorial"
    for path in [*package.glob(f"{room}.py"), *package.glob(f"{room}/*.py")]:
        assert not [m for m in imports(path) if m.startswith(forbidden)], path


def test_the_loss_needs_torch_and_numpy_only():
    allowed = {"torch", "numpy", "snnl_tutorial", *sys.stdlib_module_names}
    for path in (ROOT / "snnl_tutorial" / "loss").glob("*.py"):
        assert {module.split(".")[0] for module in imports(path)} <= allowed, path


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == snnl_tutorial.__version__
    assert PROJECT["version"] == str(citation["version"])
    assert f"## {PROJECT['version']} " in (ROOT / "CHANGELOG.md").read_text()


def test_the_citation_file_has_what_the_format_demands():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["license"] == PROJECT["license"].split(" AND ")[0]  # of the code
    for reference in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)


# --- constraints.txt ------------------------------------------------------------------


def read_constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_constraints_pin_every_requirement_to_one_allowed_version():
    pins = {canonicalize_name(r.name): str(r.specifier) for r in read_constraints()}
    for text in chain(PROJECT["dependencies"], *EXTRAS.values()):
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            continue
        pin = pins[canonicalize_name(requirement.name)]
        assert Version(pin.removeprefix("==")) in requirement.specifier


def test_constraints_are_exact_public_and_free_of_cuda():
    constraints = read_constraints()
    for constraint in constraints:
        assert re.fullmatch(r"==[^+*,]+", str(constraint.specifier)), str(constraint)
        assert not re.match("nvidia|cuda|triton|snnl", constraint.name), str(constraint)
    names = [canonicalize_name(c.name) for c in constraints]
    assert len(names) == len(set(names))


# --- environment.yml ------------------------------------------------------------------


def conda_entries():
    return [entry for entry in ENVIRONMENT["dependencies"] if isinstance(entry, str)]


def test_the_checker_of_conda_entries_refuses_a_wrong_one():
    with pytest.raises(InvalidMatchSpecError):
        MatchSpec("python >=>3", strict=True)


@pytest.mark.parametrize("entry", conda_entries())
def test_a_conda_entry_parses(entry):
    name, *bound = entry.split()
    parsed = MatchSpec(entry, strict=True)
    assert parsed.name.normalized == name
    assert (parsed.version or "") == "".join(bound)


def test_conda_brings_the_core_with_the_same_bounds():
    entries = dict((*entry.split(), "")[:2] for entry in conda_entries())
    assert entries.pop("python") == PROJECT["requires-python"]
    del entries["pip"], entries["make"]
    expected = {CONDA_NAMES.get(n, n): str(r.specifier) for n, r in CORE.items()}
    assert entries == expected
    assert ENVIRONMENT["channels"] == ["conda-forge"]
    assert ENVIRONMENT["name"] == PROJECT["name"]


def test_pip_brings_this_clone_and_every_extra():
    (pip,) = (e["pip"] for e in ENVIRONMENT["dependencies"] if isinstance(e, dict))
    (line,) = pip
    assert line.startswith("-e .[")
    requirement = Requirement(line.replace("-e .", PROJECT["name"]))
    assert requirement.extras == set(EXTRAS)


def test_type_checkers_see_the_public_names_where_they_live():
    """`py.typed` says that they may look; without imports, all names would be Any."""
    source = (ROOT / "snnl_tutorial" / "__init__.py").read_text()
    (block,) = (node for node in ast.parse(source).body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen.keys() == set(snnl_tutorial.__all__)
    for name, module in seen.items():
        ours = getattr(snnl_tutorial, name)
        assert getattr(importlib.import_module(module), name) is ours


# --- importing, and the wheel ---------------------------------------------------------


def test_importing_loads_neither_matplotlib_nor_scikit_learn():
    code = (
        "import sys, snnl_tutorial as s; "
        "s.soft_nearest_neighbor_loss, s.load_dataset; "
        "print({'matplotlib', 'seaborn', 'sklearn', 'pandas'} & set(sys.modules))"
    )
    assert run(sys.executable, "-c", code) == "set()\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the sdist, and the wheel from the sdist, as a release would."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def records_read(path):
    """The folders of records that a chapter reads."""
    return wheel_files.RECORDS.findall(chapter_code(path))


def chapter_code(path):
    return wheel_files.code(json.loads(path.read_text("utf-8")))


def test_the_wheel_holds_the_package_the_data_and_the_licenses(built):
    with zipfile.ZipFile(built[0]) as archive:
        names = set(archive.namelist())
    tops = {name.split("/")[0] for name in names}
    info = f"snnl_tutorial-{PROJECT['version']}.dist-info"
    assert tops == {"snnl_tutorial", info}
    tables = {f"results/{path.name}" for path in ROOT.glob("data/results/*.csv")}
    assert {"results/loss.csv", "results/papers.csv"} <= tables
    folders = {name.split("/")[3] for name in names if "data/results/" in name}
    records = folders - {Path(table).name for table in tables}
    assert records == set(chain(*map(records_read, ROOT.glob("book/chapters/*.ipynb"))))
    assert {"few_labels", "gpu", "papers"} <= records
    results = tables | {
        path.relative_to(ROOT / "data").as_posix()
        for folder in records
        for path in (ROOT / "data" / "results" / folder).iterdir()
    }
    data = "snnl_tutorial/data/"
    assert {name.removeprefix(data) for name in names if name.startswith(data)} == {
        "mnist-5000-1000.npz",
        "fashion-mnist-5000-1000.npz",
        "plant-seedlings-288-120.zip",
        "registry.json",
        "full.json",
        "emnist-47-test-rows.npz",
        *results,
    }
    book = {
        f"snnl_tutorial/{p.relative_to(ROOT).as_posix()}"
        for p in ROOT.glob("book/chapters/*.ipynb")
    }
    assert len(book) >= 8
    shipped = "snnl_tutorial/book/"
    assert {name for name in names if name.startswith(shipped)} == book
    sources = {
        p.relative_to(ROOT).as_posix() for p in ROOT.glob("snnl_tutorial/**/*.py")
    }
    assert sources | {"snnl_tutorial/py.typed"} <= names


def test_the_wheels_chapters_are_the_books_without_what_they_printed(built):
    """Cell for cell, read by another library than the one that wrote them."""
    with zipfile.ZipFile(built[0]) as archive:
        for path in ROOT.glob("book/chapters/*.ipynb"):
            name = f"snnl_tutorial/book/chapters/{path.name}"
            shipped = nbformat.reads(archive.read(name).decode(), as_version=4)
            nbformat.validate(shipped)
            ours = nbformat.read(path, as_version=4)
            assert [(c.cell_type, c.source, c.metadata) for c in shipped.cells] == [
                (c.cell_type, c.source, c.metadata) for c in ours.cells
            ]
            assert not any(cell.get("outputs") for cell in shipped.cells)
            assert shipped.metadata == ours.metadata


def test_every_folder_of_records_that_a_chapter_reads_is_found():
    """Written in another form, it would be missing in the wheel only."""
    for path in ROOT.glob("book/chapters/*.ipynb"):
        found = records_read(path)
        assert len(found) == chapter_code(path).count('"results"'), path.name
        assert all((ROOT / "data" / "results" / name).is_dir() for name in found)


def test_the_wheel_is_no_larger_than_its_images_demand(built):
    assert built[0].stat().st_size < 8_000_000


def test_pypi_takes_the_metadata_and_finds_no_link_without_a_host(built):
    done = run(sys.executable, "-m", "twine", "--no-color", "check", "--strict", *built)
    assert done.count("PASSED") == 2
    with zipfile.ZipFile(built[0]) as archive:
        info = f"snnl_tutorial-{PROJECT['version']}.dist-info"
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
    assert metadata["Description-Content-Type"] == "text/markdown"
    shown = MarkdownIt("commonmark").enable("table").render(metadata.get_payload())
    targets = re.findall(r"""(?:href|src)=["']([^"']*)["']""", shown)
    assert len(targets) > 20
    assert [target for target in targets if not target.startswith("https://")] == []
    images = re.findall(r"""<img src=["']([^"']*)""", shown)
    home = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")
    raw = f"https://raw.githubusercontent.com/{home}/"
    assert images
    assert all(image.startswith(raw) for image in images)
    for image in images:
        assert (ROOT / image.removeprefix(raw).partition("/")[2]).is_file(), image


def test_the_project_page_has_its_links_and_classifiers():
    home = PROJECT["urls"]["Repository"]
    assert set(PROJECT["urls"]) == {
        "Repository",
        "Homepage",
        "Documentation",
        "Changelog",
        "Issues",
    }
    owner, name = home.removeprefix("https://github.com/").split("/")
    for url in PROJECT["urls"].values():
        assert url.startswith((home, f"https://{owner}.github.io/{name}/")), url
    assert "Typing :: Typed" in PROJECT["classifiers"]
    for python in ("3.11", "3.12", "3.13", "3.14"):
        assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]
        matrix = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
        assert f'"{python}"' in matrix


def test_binder_installs_what_chapters_need_and_no_more():
    lines = (ROOT / ".binder" / "requirements.txt").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("-e "))
    requirement = Requirement(line.replace("-e .", PROJECT["name"]))
    assert requirement.extras == set(COLAB_EXTRAS)
    (python,) = (ROOT / ".binder" / "runtime.txt").read_text().split()
    assert python.removeprefix("python-") in SpecifierSet(PROJECT["requires-python"])


def test_the_wheel_states_the_licenses_of_all_that_it_holds(built):
    """Code under MIT, chapters under CC BY 4.0, MNIST under CC BY-SA 3.0."""
    info = f"snnl_tutorial-{PROJECT['version']}.dist-info"
    with zipfile.ZipFile(built[0]) as archive:
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        texts = {
            file: archive.read(f"{info}/licenses/{file}").decode()
            for file in metadata.get_all("License-File")
        }
    assert metadata["License-Expression"] == (
        "MIT AND CC-BY-4.0 AND CC-BY-SA-3.0 AND CC-BY-SA-4.0"
    )
    assert texts == {
        file: (ROOT / file).read_text()
        for file in ("LICENSE", "book/LICENSE.md", "data/LICENSES.md")
    }
    assert "(CC BY 4.0)" in texts["book/LICENSE.md"]
    assert "CC BY-SA 3.0" in texts["data/LICENSES.md"]


def test_the_sdist_holds_the_sources_and_nothing_built(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for file in (
        "data/registry.json",
        "tests/test_packaging.py",
        "LICENSE",
        "Makefile",
    ):
        assert file in names
    for folder in (".venv", "_build", ".git", ".ci", "dist"):
        assert not any(name.startswith(f"{folder}/") for name in names)


def test_the_installed_wheel_loads_its_own_data(built, tmp_path):
    """A new environment that sees our dependencies, but not this clone."""
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = environment / scripts / Path(sys.executable).name
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
    ]
    run(*pip, "--no-deps", "--no-index", built[0])
    # A line in a .pth file adds a folder, but does not follow the .pth files in it:
    # the editable install of this clone stays out of sight.
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    Path(site.strip(), "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    code = f"""
import socket, sys

def watch(event, arguments):
    if event == "open" and str(arguments[0]).startswith({str(ROOT / "data")!r}):
        raise RuntimeError("the clone's data was opened")
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError("the network was used")

sys.addaudithook(watch)
import snnl_tutorial
assert snnl_tutorial.__file__.startswith({str(environment)!r}), snnl_tutorial.__file__
for name in ("mnist", "fashion-mnist"):
    for split, count in (("train", 5000), ("test", 1000)):
        images, labels = snnl_tutorial.load_dataset(name, split)
        assert images.shape == (count, 28, 28) and labels.shape == (count,)
print("loaded")
"""
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    assert run(python, "-c", code, cwd=tmp_path, env=clean) == "loaded\n"
