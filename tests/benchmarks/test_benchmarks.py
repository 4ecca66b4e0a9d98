"""The benchmarks run at small sizes, and pages quote the stored tables correctly."""

import csv
import importlib
import re
import subprocess
from pathlib import Path

import pytest
import torch

from benchmarks import measure
from benchmarks.scaling import exponent

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TABLES = ["loss", "memory", "scaling", "layers"]
linux = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peak memory needs Linux's /proc"
)


def read_table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def table(name):
    return read_table(ROOT / "data" / "results" / f"{name}.csv")


def test_the_exponent_of_a_power_is_the_power():
    sizes = [3, 10, 40, 100]
    assert exponent(sizes, [7 * n**1.5 for n in sizes]) == pytest.approx(1.5)


def test_contenders_take_turns_after_one_round_of_warming_up():
    order = []
    found = measure.medians(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 20, "", "cpu"
    )
    turns = [tuple(order[k : k + 2]) for k in range(0, len(order), 2)]
    assert len(turns) == 21
    assert set(turns) == {("a", "b"), ("b", "a")}
    assert set(found) == {"a", "b"}
    assert all(time >= 0 for time in found.values())


@linux
def test_the_peak_is_what_a_call_held_at_most_and_no_more():
    held = 64 * 2**20
    measure.peak_memory(lambda: torch.ones(100))

    def run():
        torch.ones(held // 4)  # freed at once
        torch.ones(held // 8)

    assert 0.9 * held < measure.peak_memory(run) < 1.5 * held


@linux
@pytest.mark.parametrize(
    ("name", "arguments", "ratio"),
    [
        ("loss", ["--rows", "64", "--columns", "8", "--repeats", "1"], "ours/floor"),
        ("layers", ["--rows", "32", "--repeats", "1"], "over_without"),
        ("scaling", ["--rows", "600", "1200", "--repeats", "1"], "peak_bytes: N^"),
        ("memory", ["--rows", "2048"], "published"),
    ],
)
def test_every_benchmark_runs(name, arguments, ratio, capsys):
    importlib.import_module(f"benchmarks.{name}").main([*arguments, "--dry-run"])
    assert ratio in capsys.readouterr().out


@pytest.mark.parametrize("name", ["loss", "layers", "scaling"])
def test_too_few_repeats_are_not_stored(name, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(f"benchmarks.{name}").main(["--repeats", "6"])
    assert "--repeats 6: at least 7 are stored" in capsys.readouterr().err


def test_a_benchmark_that_fails_elsewhere_ends_with_one_line(capfd):
    with pytest.raises(SystemExit, match=r"exit code 2: .* -m benchmarks.memory"):
        measure.in_own_process("benchmarks.memory", ["--rows", "many"])
    assert "invalid int value" in capfd.readouterr().err


def test_a_table_names_its_commit_and_other_tables_do_not_change_it(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(measure, "ROOT", tmp_path)
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "data" / "results")
    code = tmp_path / "pyproject.toml"
    code.write_text("1")
    measure.store("loss", [{"N": 1}], "cpu")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)

    def stored(name):
        (row,) = read_table(measure.store(name, [{"N": 2}], "cpu"))
        assert (row["N"], row["torch"]) == ("2", torch.__version__)
        return row["commit"]

    stored("loss")  # git sees that it has changed
    commit = stored("layers")
    assert re.fullmatch("[0-9a-f]{40}", commit)
    code.write_text("2")
    assert stored("layers") == f"{commit}-dirty"


# --- the stored tables, and what is quoted from them ----------------------------------


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("kind", ["", "-cuda"])
def test_a_stored_table_names_its_environment(name, kind):
    for row in table(name + kind):
        assert all(row[column] for column in ("device", "torch", "python", "commit"))
        assert "dirty" not in row["commit"]
        assert int(row["cores"]) >= int(row["threads"]) >= 1
        assert int(row.get("repeats", 7)) >= 7


@pytest.mark.parametrize("other", ["published", "nca"])
def test_the_readme_quotes_the_speed(other):
    name = {"published": "published form", "nca": "NCALoss"}[other]
    (line,) = re.findall(rf"\| faster than .*{name}.*", README)
    quoted = map(float, re.findall(r"([\d.]+) times or more", line))
    for columns, least in zip((30, 500, 2000), quoted, strict=True):
        ratios = [
            float(row[f"{other}/ours"])
            for row in table("loss")
            if int(row["D"]) == columns and int(row["N"]) >= 1024
        ]
        assert len(ratios) >= 3
        assert min(ratios) >= least


def test_the_readme_quotes_the_memory():
    loss, published, found = table("memory")
    rows, most, least = re.search(
        r"batch of ([\d,]+) rows takes less than (\d+) GiB, .* more than (\d+) GiB",
        " ".join(README.split()),
    ).groups()
    assert int(loss["N"]) == int(published["N"]) == int(rows.replace(",", ""))
    assert float(loss["peak_gib"]) < float(most)
    assert float(published["peak_gib"]) > float(least)
    assert f"{float(found['seconds']) / 60:.0f} minutes" in " ".join(README.split())


def test_in_your_own_code_quotes_the_step_with_four_layers():
    (ours,) = [row for row in table("layers") if row["step"] == "ours"]
    page = (ROOT / "book" / "in_your_own_code.md").read_text()
    quoted = f"On two CPU cores it takes {float(ours['over_without']):.1f} times as"
    assert quoted in " ".join(page.split())


@pytest.mark.parametrize("name", ["scaling", "scaling-cuda"])
def test_stored_memory_grows_with_the_rows_and_time_with_their_square(name):
    rows = table(name)
    sizes = [int(row["N"]) for row in rows]
    for column, power in {"peak_bytes": 1, "seconds": 2}.items():
        assert exponent(sizes, [float(row[column]) for row in rows]) < power + 0.1
