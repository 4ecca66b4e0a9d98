"""What installs, where, and with what: the files around the package."""

import ast
import email
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

import pytest
import yaml
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

# Google Colab in August 2026, with the Python of the runtimes still on offer. Its
# scikit-learn was not noted down.
COLAB_PYTHON = ["3.12", "3.13"]
COLAB = {
    "torch": "2.11",
    "numpy": "2.1.3",
    "matplotlib": "3.10.0",
    "seaborn": "0.13.2",
    "tqdm": "4.67",
}
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
    assert name in COLAB or name == "scikit-learn"
    if name in COLAB:
        assert Version(COLAB[name]) in CORE[name].specifier


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


def test_the_wheel_holds_the_package_the_data_and_the_licenses(built):
    with zipfile.ZipFile(built[0]) as archive:
        names = set(archive.namelist())
    tops = {name.split("/")[0] for name in names}
    info = f"snnl_tutorial-{PROJECT['version']}.dist-info"
    assert tops == {"snnl_tutorial", info}
    stored = [path for path in (ROOT / "data/results").rglob("*") if path.is_file()]
    results = {str(path.relative_to(ROOT / "data")) for path in stored}
    assert {"results/loss.csv", "results/papers.csv"} <= results
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
        f"snnl_tutorial/{p.relative_to(ROOT)}"
        for p in ROOT.glob("book/chapters/*.ipynb")
    }
    assert len(book) >= 8
    shipped = "snnl_tutorial/book/"
    assert {name for name in names if name.startswith(shipped)} == book
    sources = {str(p.relative_to(ROOT)) for p in ROOT.glob("snnl_tutorial/**/*.py")}
    assert sources <= names


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
