"""The contract that every chapter keeps, and its solutions, executed."""

import ast
import json
import re
from pathlib import Path

import nbformat
import papermill
import pytest
import refresh
import yaml
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

BOOK = Path(__file__).parents[1] / "book"
FOLDER = BOOK / "chapters"
CHAPTERS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
MAX_CELLS = 36
MAX_CELLS_OF_SECTIONS = 75  # from chapter 13 on, a chapter has several sections
MAX_LINES = 25  # of a code cell
MAX_COLUMNS = 80  # of a code cell
MAX_BYTES = 1_000_000  # of the notebook, outputs included
SOLUTION = re.compile(
    r'<details class="solution">\s*<summary>Solution (\d+\.\d+)</summary>'
    r".*?```python\n(.*?)```.*?</details>",
    re.DOTALL,
)

pytestmark = pytest.mark.filterwarnings(
    # ipykernel's and jupyter's own housekeeping, nothing that a chapter does
    "ignore::DeprecationWarning:jupyter_client",
    "ignore:Kernel is running over TCP:UserWarning",
)


def named(path):
    return path.stem


each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=named)


def cells(path, kind):
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def tagged(path, tag):
    return [c for c in cells(path, "code") if tag in c.metadata.get("tags", [])]


def prose(path):
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


def explained_module(first_cell_source):
    """The module that a chapter says it explains, from its link to the source."""
    found = re.search(r"explains\s+\[`([\w/]+)\.py`\]", first_cell_source)
    assert found, first_cell_source
    return "snnl_tutorial." + found[1].replace("/", ".")


def test_the_table_of_contents_names_every_chapter_once():
    contents = yaml.safe_load((BOOK / "_toc.yml").read_text())
    pages = [page["file"] for part in contents["parts"] for page in part["chapters"]]
    listed = [page for page in pages if page.startswith("chapters/")]
    assert sorted(listed) == [f"chapters/{path.stem}" for path in CHAPTERS]


@each_chapter
def test_the_notebook_is_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata == {
        "kernelspec": refresh.KERNEL,
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags", "mystnb"}


@each_chapter
def test_every_line_of_every_cell_ends(path):
    for cell in json.loads(path.read_text())["cells"]:
        assert isinstance(cell["source"], list)
        assert all(line.endswith("\n") for line in cell["source"][:-1])


def test_the_colab_cell_is_the_same_everywhere():
    # What one chapter needs alone, a line each.
    extra = re.compile(r"(\n    %pip install --quiet [A-Za-z0-9-]+)+$")
    setups = {
        path.stem: extra.sub("", tagged(path, "remove-cell")[0].source)
        for path in CHAPTERS
    }
    assert len(set(setups.values())) == 1, setups
    (setup,) = set(setups.values())
    assert "google.colab" in setup
    assert "torch=" not in setup  # Colab keeps its own


@each_chapter
def test_parameters_are_annotated_literals_with_a_comment(path):
    (cell,) = tagged(path, "parameters")
    names = []
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.AnnAssign)
        ast.literal_eval(statement.value)
        assert "  # " in cell.source.splitlines()[statement.lineno - 1]
        names.append(statement.target.id)
    assert {"seed", "dataset", "device"} <= set(names)


@each_chapter
def test_outputs_are_stored_and_sound(path):
    counts = []
    for cell in cells(path, "code"):
        counts.append(cell.execution_count)
        speaks = re.search(r"^(print|exercises\.check|plt\.show)\(", cell.source, re.M)
        assert cell.outputs or not speaks, cell.source
        for output in cell.outputs:
            assert output.output_type in ("stream", "display_data", "execute_result")
            assert output.get("name") != "stderr", output
    assert counts == list(range(1, len(counts) + 1))


@each_chapter
def test_figures_have_a_caption_a_name_and_alt_text(path):
    figures = []
    for cell in cells(path, "code"):
        pictures = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        assert len(pictures) == ("plt.show()" in cell.source)
        if pictures:
            display = cell.metadata.mystnb
            assert len(display.figure.caption) > 40
            assert len(display.image.alt) > 40
            figures.append(display.figure.name)
            assert "set_title(" in cell.source or "title" in cell.source
    assert len(figures) >= 3
    assert len(set(figures)) == len(figures)
    chapter = path.stem.split("_", 1)[1].replace("_", "")
    prefixes = {name.split("-")[1] for name in figures}
    assert len(prefixes) == 1
    assert chapter.startswith(prefixes.pop()[:4]), figures


@each_chapter
def test_it_imports_the_module_that_it_explains(path):
    code = "\n".join(cell.source for cell in cells(path, "code"))
    module = explained_module(cells(path, "markdown")[0].source)
    assert f"from {module} import" in code


@each_chapter
def test_it_fits_the_page(path):
    notebook = nbformat.read(path, as_version=4)
    limit = MAX_CELLS if path.stem < "13" else MAX_CELLS_OF_SECTIONS
    assert len(notebook.cells) <= limit
    for cell in cells(path, "code"):
        lines = cell.source.splitlines()
        assert len(lines) <= MAX_LINES, cell.source
        assert not cell.source.endswith(";")  # nbval shows what it hides
        assert max(map(len, lines)) <= MAX_COLUMNS, cell.source
    assert path.stat().st_size <= MAX_BYTES


@each_chapter
def test_it_has_the_parts_of_a_chapter(path):
    text = prose(path)
    first = cells(path, "markdown")[0].source
    assert re.match(r"# .+: .+\?\n", first)
    assert re.search(r"Reading \d+ minutes · running \d+ seconds", first)
    assert "**The question.**" in first
    assert len(re.findall(r"^\d\. ", first, re.M)) == 3  # goals
    order = [
        "## The idea in a picture",
        "## The formula",
        "Predict before you run",
        "## The step in plain code",
        "## Exercises",
        "## Three takeaways",
        "**Next:**",
    ]
    places = [text.find(part) for part in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    assert "pitfall" in text
    takeaways = text[text.index("## Three takeaways") :]
    assert len(re.findall(r"^\d\. ", takeaways, re.M)) == 3
    assert re.search(r"^\$\$ \(eq-[a-z-]+\)$", text, re.M)
    assert "neighbour" not in text
    assert "labelled" not in text


@each_chapter
def test_links_lead_somewhere(path):
    everything = "\n".join(prose(chapter) for chapter in CHAPTERS)
    figures = {
        cell.metadata.mystnb.figure.name
        for chapter in CHAPTERS
        for cell in cells(chapter, "code")
        if "mystnb" in cell.metadata
    }
    labels = set(re.findall(r"^\$\$ \(([\w-]+)\)", everything, re.M)) | figures
    captions = [
        cell.metadata.mystnb.figure.caption
        for cell in cells(path, "code")
        if "mystnb" in cell.metadata
    ]
    text = "\n".join([prose(path), *captions])
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in labels, target
        elif "://" not in target:
            assert (FOLDER / target).exists(), target
    for label in re.findall(r"{(?:numref|eq)}`([\w-]+)`", text):
        assert label in labels, label
    known = set(
        re.findall(r"^@\w+{(\w+),", (BOOK / "references.bib").read_text(), re.M)
    )
    for keys in re.findall(r"{cite(?::\w+)?}`([\w, ]+)`", text):
        assert {key.strip() for key in keys.split(",")} <= known, keys


def exercise_cells(notebook):
    """{"4.2": its cell}, of every exercise of a chapter."""
    found = {}
    for cell in notebook.cells:
        number = re.search(r'^exercises\.check\(\s*"(\d+\.\d+)"', cell.source, re.M)
        if cell.cell_type == "code" and number:
            found[number[1]] = cell
    return found


@each_chapter
def test_an_exercise_does_not_show_its_answer(path):
    stubs = exercise_cells(nbformat.read(path, as_version=4))
    assert len(stubs) >= 3
    assert set(stubs) == set(dict(SOLUTION.findall(prose(path))))
    for number, cell in stubs.items():
        *_, untouched, last = ast.parse(cell.source).body
        assert ast.unparse(untouched) == "answer = ..."
        # The answer's data by name, and no number among them.
        literals = [n.value for n in ast.walk(last) if isinstance(n, ast.Constant)]
        assert [value for value in literals if not isinstance(value, str)] == []
        assert ast.unparse(last).startswith(f"exercises.check('{number}', answer")
        assert all(keyword.arg for keyword in last.value.keywords)
        assert len(last.value.args) == 2
        assert cell.outputs[0].text == f"Exercise {number}: not tried yet.\n"


WRONG = (
    "0.0; -1; 10**400; float('nan'); 'text'; None; object(); torch; len; []; {'a': 1}; "
    "list(range(1000)); torch.ones(3); torch.ones(2, 3, 4); torch.nn.Identity(); "
    "torch.full((), torch.nan); torch.full((500, 1), torch.nan); "
    "(torch.eye(3), torch.arange(3)); (torch.eye(3), torch.arange(3), 1.0); "
    "(torch.eye(4) * torch.nan, torch.arange(4) % 2); lambda: 0; lambda *_: None; "
    "lambda *_: {}[_]; lambda *_: torch.full((500, 500), torch.nan)"
)


LIGHT = {
    "07": {"images": 300, "epochs": 1},
    "08": {"images": 300, "n_labeled": 20, "starts": 2, "steps": 3},
    "09": {"images": 300, "starts": 4, "epochs": 1},
    "10": {"images": 300, "starts": 2, "epochs": 1},
    "11": {"train_epochs": 1, "memory_steps": 5, "starts": 2},
    "12": {"images": 200, "starts": 2, "epochs": 1},
    "13": {"images": 300, "starts": 2, "epochs": 1},
    "14": {"images": 200, "starts": 2, "epochs": 1, "steps": 5},
    "15": {"images": 120, "yoked": 100, "epochs": 1},
    "16": {
        "images": 200,
        "starts": 2,
        "epochs": 1,
        "performers": 10,
        "photographs": 10,
    },
    "17": {"photographs": 4, "judged": 2, "epochs": 1, "steps": 2, "small_images": 100},
}
"""No solution needs a long training, and a chapter runs with any parameters."""


@each_chapter
def test_solutions_are_right_and_wrong_answers_get_one_line(path):
    """Each answer, pasted over the three dots, in a namespace of its own."""
    light = LIGHT.get(path.name[:2], {})
    notebook = parameterize_notebook(load_notebook_node(str(path)), light)
    solutions = dict(SOLUTION.findall(prose(path)))
    wrong = [f"answer = {value}" for value in WRONG.split("; ")]
    tried = {}
    for number, cell in exercise_cells(notebook).items():
        answers = [solutions[number], *wrong]
        pasted = [cell.source.replace("answer = ...", answer) for answer in answers]
        code = f"for code in {pasted!r}:\n    exec(code, dict(globals()))"
        tried[number] = nbformat.v4.new_code_cell(code)
        notebook.cells.insert(notebook.cells.index(cell) + 1, tried[number])
    run(notebook)
    for number, cell in tried.items():
        assert {output.name for output in cell.outputs} == {"stdout"}
        lines = "".join(output.text for output in cell.outputs).splitlines()
        solved, *hints = lines[-1 - len(wrong) :]  # the solution may print, too
        assert solved == f"Exercise {number}: right."
        for hint in hints:
            assert hint.startswith(f"Exercise {number}: not yet. ")
            assert len(hint) <= 200
            assert " at 0x" not in hint


def run(notebook):
    """Execute in place, as a reader would, in the chapters' folder."""
    where = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=300, resources=where).execute()


def test_papermill_runs_it_with_other_parameters(tmp_path):
    output = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        FOLDER / "04_log_mean.ipynb",
        output,
        parameters={"seed": 1, "images_in_batch": 300, "steps": 120},
        cwd=FOLDER,
        progress_bar=False,
    )
    (injected,) = tagged(output, "injected-parameters")
    for line in ("seed = 1", "images_in_batch = 300", "steps = 120"):
        assert line in injected.source.splitlines()


def test_executing_twice_gives_the_same_bytes():
    path = FOLDER / "01_distance_matrix.ipynb"
    assert refresh.execute(path) == refresh.execute(path)
