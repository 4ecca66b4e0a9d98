"""The benchmarks run at small sizes, and the stored tables say what is promised."""

import csv
import importlib
import math
from pathlib import Path

import pytest
import torch

from benchmarks import measure
from benchmarks.scaling import exponent

ON_A_GPU = ["loss-cuda", "memory-cuda", "scaling-cuda", "layers-cuda"]
RESULTS = Path(__file__).parents[2] / "data" / "results"
linux = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peak memory needs Linux's /proc"
)


def table(name):
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


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


def test_a_table_stored_before_does_not_make_the_code_dirty(monkeypatch, tmp_path):
    monkeypatch.setattr(measure, "ROOT", tmp_path)
    (tmp_path / "data" / "results").mkdir(parents=True)
    table, code = tmp_path / "data" / "results" / "loss.csv", tmp_path / "code.py"
    for file in (table, code):
        file.write_text("1")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "one"]):
        measure.git(*words)
    table.write_text("2")
    assert "dirty" not in measure.surroundings("cpu")["commit"]
    code.write_text("2")
    assert measure.surroundings("cpu")["commit"].endswith("-dirty")


@pytest.mark.parametrize("name", ["loss", "memory", "scaling", "layers", *ON_A_GPU])
def test_stored_tables_name_their_surroundings(name):
    for row in table(name):
        assert row["device"]
        assert row["torch"]
        assert row["python"]
        assert row["commit"]
        assert "dirty" not in row["commit"]
        assert int(row["cores"]) >= int(row["threads"]) >= 1
        assert int(row.get("repeats", 7)) >= 7


def test_the_stored_memory_is_what_the_readme_says():
    loss, published, found = table("memory")
    assert int(loss["N"]) == 65_536
    assert float(loss["peak_gib"]) < 1
    assert float(published["peak_gib"]) > 100
    assert "computed" in published["how"]
    assert int(found["N"]) == 60_000
    assert float(found["peak_gib"]) < 2
    assert int(found["threads"]) == 1
    assert round(float(found["seconds"]) / 60) == 29
    assert (
        float(found["value"])
        < float(found["chance"])
        == pytest.approx(math.log(10), abs=0.01)
    )


def test_the_stored_step_with_four_layers_costs_little():
    steps = {row["step"]: float(row["over_without"]) for row in table("layers")}
    assert steps["without"] == 1
    assert 1.15 < steps["ours"] < 1.25 < steps["published"]


def test_the_stored_ratios_are_what_the_readme_says():
    least = {30: (3, 2), 500: (2, 1.5), 2000: (1.3, 1.2)}
    rows = table("loss")
    assert {int(row["N"]) for row in rows} >= {128, 1024, 4096, 16_384}
    for row in rows:
        n, d = int(row["N"]), int(row["D"])
        published, nca = float(row["published/ours"]), float(row["nca/ours"])
        assert published > 0.95
        assert n < 1024 or published > least[d][0]
        assert n < 1024 or nca > least[d][1]
        assert n < 1024 or d == 30 or float(row["ours/floor"]) < 1.5


def test_the_stored_ratios_of_a_gpu_are_what_readme_and_page_say():
    for row in table("loss-cuda"):
        n, d = int(row["N"]), int(row["D"])
        if n <= 2048:
            assert float(row["published/ours"]) > 1 - 1 / 6
            assert 1.5 < float(row["ours_ms"]) < 2.5
        elif d >= 500 and row["published/ours"]:
            assert float(row["published/ours"]) > 1
    _, _, found = table("memory-cuda")
    assert round(float(found["seconds"])) == 4
    assert found["device"].startswith("NVIDIA H100")
    steps = {row["step"]: float(row["over_without"]) for row in table("layers-cuda")}
    assert round(steps["ours"]) == round(steps["published"]) == 3


@pytest.mark.parametrize("name", ["scaling", "scaling-cuda"])
def test_the_stored_exponents_are_near_one_and_two(name):
    rows = table(name)
    sizes = [int(row["N"]) for row in rows]
    memory = exponent(sizes, [float(row["peak_bytes"]) for row in rows])
    time = exponent(sizes, [float(row["seconds"]) for row in rows])
    assert max(sizes) >= 65_536
    assert memory < 1.1
    assert time < 2.1
