"""What every benchmark shares: medians in one run, peak memory, the stored table."""

import argparse
import csv
import hashlib
import io
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm.auto import tqdm

from snnl_tutorial.files import write_atomically
from snnl_tutorial.runs.environment import commit, device_name, versions

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
GIB = 2**30
Line = dict[str, Any]
"""One row of a table."""
LEAST_REPEATS = 7
"""Fewer give no median worth storing."""


class Folder(NamedTuple):
    """Where finished runs are kept."""

    path: Path

    def run(self, key: Line, measure: Callable[..., Line], *arguments: Any) -> Line:
        """A line of the table: measured now, unless it was before."""
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
        kept = self.path / f"{name}.json"
        if not kept.exists():
            measured = {k: round(v, 4) for k, v in measure(*arguments).items()}
            write_atomically(kept, json.dumps({**key, **measured}).encode())
        line: Line = json.loads(kept.read_text())
        return line


def medians(
    contenders: Mapping[str, Callable[[], Any]], repeats: int, label: str, device: str
) -> dict[str, float]:
    """Median seconds of each, taken in turns, so that all see the same machine.

    The order of a turn is drawn by chance: how fast new memory is had depends on what
    the one before gave back. One turn more warms up and does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    order, chance = list(contenders), random.Random(0)
    for turn in tqdm(range(repeats + 1), desc=label, leave=False, mininterval=1):
        chance.shuffle(order)
        for name in order:
            wait(device)
            start = time.perf_counter()
            contenders[name]()
            wait(device)
            if turn >= 1:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def parse(
    parser: argparse.ArgumentParser, arguments: list[str] | None
) -> argparse.Namespace:
    """The options; too few repeats are refused before they are measured."""
    options = parser.parse_args(arguments)
    if options.repeats < LEAST_REPEATS and not options.dry_run:
        parser.error(
            f"--repeats {options.repeats}: at least 7 are stored, or --dry-run"
        )
    return options


def wait(device: str) -> None:
    """A GPU works behind the program's back; this lets it finish."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def step(
    loss: Callable[..., torch.Tensor], rows: torch.Tensor, labels: torch.Tensor
) -> Callable[[], None]:
    """Forward and backward of a loss."""

    def run() -> None:
        loss(rows.detach().requires_grad_(), labels).backward()

    return run


def batch(
    rows: int, columns: int, device: str = "cpu", classes: int = 10
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gaussian rows with random labels."""
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(rows, columns, generator=generator)
    labels = torch.randint(classes, (rows,), generator=generator)
    return embeddings.to(device), labels.to(device)


def peak_memory(run: Callable[[], Any], device: str = "cpu") -> int:
    """Bytes that a call needs at most, above what the process held before it.

    On a CPU, only the first call in a process of its own tells the truth: what was
    freed before might be used again. See `in_own_process`.
    """
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not clear.exists():
        raise SystemExit(
            "peak memory is measured through Linux's /proc, not found here"
        )
    clear.write_text("5")  # the peak so far becomes what is held now

    def field(name: str) -> int:
        (line,) = [x for x in status.read_text().splitlines() if x.startswith(name)]
        return int(line.split()[1]) * 1024

    before = field("VmRSS")
    run()
    return field("VmHWM") - before


def in_own_process(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run `python -m module arguments`, which prints one line of JSON last."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(
            f"failed with exit code {done.returncode}: {' '.join(command)}"
        )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def environment(device: str) -> dict[str, str | int | None]:
    """Return the hardware, versions and commit that the figures depend on."""
    found = versions("torch")
    return {
        "device": device_name(device),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "python": found["python"],
        "torch": found["torch"],
        # Storing one table must not mark the code of the next one as changed.
        "commit": commit(ROOT / "pyproject.toml", ignore="data/results"),
    }


def store(name: str, rows: list[dict[str, Any]], device: str) -> Path:
    """Write the table to data/results/, with the environment in every row."""
    kind = torch.device(device).type
    target = RESULTS / (f"{name}.csv" if kind == "cpu" else f"{name}-{kind}.csv")
    around = environment(device)
    return write_table(target, [{**row, **around} for row in rows])


def write_table(target: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows of equal keys as CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(target, text.getvalue().encode())
    return target


def print_table(rows: list[dict[str, Any]]) -> None:
    """Columns of equal width, numbers with three digits."""
    text = [list(rows[0])] + [[shown(value) for value in row.values()] for row in rows]
    widths = [max(len(line[k]) for line in text) for k in range(len(text[0]))]
    for line in text:
        print(
            "  ".join(
                cell.rjust(width) for cell, width in zip(line, widths, strict=True)
            )
        )


def shown(value: Any) -> str:
    """A float with three digits, anything else as it is."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
