"""Several processes against one, for the same batch: the loss and all gradients.

`torchrun` starts this file as a worker, too: each process then runs all cases on its
part of the rows and writes down what came out, for the tests to compare.
"""

import functools
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode

import benchmarks.distributed
from snnl_tutorial import (
    AnnealedTemperature,
    LearnedTemperature,
    SoftNearestNeighborLoss,
    soft_nearest_neighbor_loss,
)
from snnl_tutorial.loss import distributed
from tests import oracle
from tests.helpers import rows_of

ROOT = Path(__file__).parents[2]
GUARD = timedelta(minutes=4)  # against hangs; nothing is timed
pytestmark = pytest.mark.skipif(not dist.is_available(), reason="no torch.distributed")


@dataclass
class Case:
    """One training step: who has which rows, and what is made of them."""

    sizes: tuple[int, ...] = (5, 11, 8)
    labels: str = "all"
    embed: str = "float32"
    ref_sizes: tuple[int, ...] = ()
    frozen_refs: bool = False
    learned: bool = False
    layers: int = 1
    factors: tuple[float, ...] = (1.0, 1.0, 1.0)
    settings: dict = field(default_factory=lambda: {"temperature": 0.3})


def settings(**changes):
    return {"temperature": 0.3, **changes}


SQUARED = settings(distance="sqeuclidean")
CASES = {
    "even": Case((8, 8, 8)),
    "uneven": Case(),
    "one row each": Case((1, 1, 1), labels="one class and another"),
    "a cold one": Case(settings=settings(temperature=1e-3)),
    "small tiles": Case(settings=settings(block_size=3)),
    "squared Euclidean": Case(settings=SQUARED),
    "a far cloud": Case(embed="far", settings=SQUARED),
    "callable": Case(settings=settings(distance=torch.cdist)),
    "float64": Case(embed="float64"),
    "complex": Case(embed="complex"),
    "complex, squared": Case(embed="complex", settings=SQUARED),
    "complex, conjugated by a callable": Case(
        embed="complex", settings=settings(distance=lambda a, b: (a @ b.mH).abs())
    ),
    "bfloat16": Case(embed="bfloat16"),
    "float16": Case(embed="float16", settings=SQUARED),
    "sum": Case(settings=settings(reduction="sum")),
    "none": Case(settings=settings(reduction="none")),
    "some unlabeled": Case(labels="some"),
    "ignoring a class": Case(settings=settings(ignore_index=2)),
    "a process without labels": Case(labels="none in process 1"),
    "a process without labels, callable": Case(
        labels="none in process 1", settings=settings(distance=torch.cdist)
    ),
    "a process without rows": Case((7, 0, 9)),
    "a process without rows, squared": Case((0, 9, 7), settings=SQUARED),
    "a process without rows, callable": Case(
        (7, 0, 9), settings=settings(distance=torch.cdist)
    ),
    "no rows": Case((0, 0, 0)),
    "no labels": Case(labels="none"),
    "no partners": Case(labels="different"),
    "partners far away": Case((2, 2, 2), labels="apart", settings=SQUARED),
    "int16 labels": Case(labels="int16"),
    "references": Case(ref_sizes=(9, 4, 6)),
    "references, squared": Case(ref_sizes=(9, 4, 6), settings=SQUARED),
    "references, callable": Case(
        ref_sizes=(9, 4, 6), settings=settings(distance=torch.cdist)
    ),
    "references without a gradient": Case(ref_sizes=(9, 4, 6), frozen_refs=True),
    "references in one process": Case((0, 6, 3), ref_sizes=(7, 0, 0)),
    "learned temperature": Case(learned=True),
    "learned temperature, squared": Case(
        learned=True, ref_sizes=(9, 4, 6), settings=SQUARED
    ),
    "learned temperature, no labels": Case(learned=True, labels="none in process 1"),
    "two layers": Case(layers=2),
    "another factor in each process": Case(factors=(1.0, 3.0, -1.5)),
}
EXACT = {"float32", "far", "float64", "complex"}


class Encoder(nn.Module):
    """Puts out both of its layers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.output = nn.Linear(5, 7), nn.Linear(7, 6)

    def forward(self, rows):
        hidden = self.hidden(rows).tanh()
        return hidden, self.output(hidden)


def embed(kind, rows):
    """What the loss is given: the same (N, 6) numbers in another dress."""
    if kind == "complex":
        return torch.complex(*rows.chunk(2, dim=1))
    if kind == "far":
        return rows + 100
    return rows.to(getattr(torch, kind))


def batch_labels(kind, sizes):
    """The labels of the whole batch."""
    total = sum(sizes)
    labels = torch.randint(3, (total,), generator=torch.Generator().manual_seed(1))
    process = torch.tensor([p for p, size in enumerate(sizes) for _ in range(size)])
    if kind == "int16":
        return labels.short()
    if kind == "some":
        labels[::3] = -100
    elif kind == "none in process 1":
        labels[process == 1] = -100
    elif kind == "none":
        labels.fill_(-100)
    elif kind == "different":
        labels = torch.arange(total)
    elif kind == "apart":  # each row's partners are in other processes
        labels = torch.arange(total) % 2
    elif kind == "one class and another":
        labels = (torch.arange(total) > 1).long()
    return labels


def whole_batch(case, world):
    """Rows, labels, sizes; and the same of the references."""
    parts = []
    for sizes, labels, seed in (
        (case.sizes[:world], case.labels, 3),
        (case.ref_sizes[:world], "some", 4),
    ):
        parts += [rows_of(seed, sum(sizes), 5), batch_labels(labels, sizes), sizes]
    return parts


def take_step(case, encoder, criterion, rows, labels, refs, ref_labels, objective):
    """What the loss returns; parameters have their gradients afterwards."""
    layers = encoder(torch.cat([rows, refs]))[-case.layers :]  # DDP likes one call
    values = []
    for layer in layers:
        inputs, targets = embed(case.embed, layer).split([len(rows), len(refs)])
        targets = targets.detach() if case.frozen_refs else targets
        pair = (targets, ref_labels) if case.ref_sizes else (None, None)
        values.append(criterion(inputs, labels, *pair))
    value = sum(values)
    objective(value).backward()
    return value.detach()


def parameters_of(*modules):
    return [p for module in modules for p in module.parameters()]


def gradient_of(parameters):
    return torch.cat([p.grad.flatten() for p in parameters]).double()


def row_weights(size):
    return torch.arange(1.0, size + 1)


def in_one_process(case, world):
    """Loss and gradient by the plain function, on everybody's rows."""
    rows, labels, _, refs, ref_labels, _ = whole_batch(case, world)
    encoder, learned = Encoder(), LearnedTemperature(0.3)

    def criterion(inputs, labels, refs, ref_labels):
        options = {"ref_embeddings": refs, "ref_labels": ref_labels, **case.settings}
        if case.learned:
            options["temperature"] = learned()
        return soft_nearest_neighbor_loss(inputs, labels, **options)

    def objective(value):
        if value.dim():
            return value @ row_weights(len(rows))
        return value * np.mean(case.factors[:world])

    value = take_step(
        case, encoder, criterion, rows, labels, refs, ref_labels, objective
    )
    modules = [encoder, learned] if case.learned else [encoder]
    return value, gradient_of(parameters_of(*modules))


# In the worker ------------------------------------------------------------------------


def in_this_process(case):
    """Loss and gradient by DistributedDataParallel, on this process's rows."""
    rank, world = dist.get_rank(), dist.get_world_size()
    rows, labels, sizes, refs, ref_labels, ref_sizes = whole_batch(case, world)

    def mine(whole, sizes):
        return whole.split(sizes)[rank] if sizes else whole

    options = dict(case.settings)
    if case.learned:
        options["temperature"] = LearnedTemperature(0.3)
    criterion = SoftNearestNeighborLoss(gather_distributed=True, **options)
    # A bucket for each parameter: their collectives mingle with ours.
    wrap = functools.partial(DistributedDataParallel, bucket_cap_mb=1e-6)
    encoder = wrap(Encoder())
    called = wrap(criterion) if case.learned else criterion

    def objective(value):
        if value.dim():
            return value @ mine(row_weights(len(rows)), sizes) * world
        return value * case.factors[rank]

    value = take_step(
        case,
        encoder,
        called,
        mine(rows, sizes),
        mine(labels, sizes),
        mine(refs, ref_sizes),
        mine(ref_labels, ref_sizes),
        objective,
    )
    return value, gradient_of(parameters_of(encoder, criterion))


class Largest(TorchDispatchMode):
    """Notes how many elements the largest tensor has."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def largest_tensor():
    """Elements of the largest tensor in a step with 300 rows here."""
    criterion = SoftNearestNeighborLoss(block_size=20, gather_distributed=True)
    rows = rows_of(dist.get_rank(), 300, 6).requires_grad_()
    with Largest() as largest:
        criterion(rows, torch.arange(300) % 3).backward()
    return torch.tensor(largest.elements)


def complaint(rows, labels, *references, **settings):
    """The error of a loss; the collective after it must still fit."""
    criterion = SoftNearestNeighborLoss(gather_distributed=True, **settings)
    try:
        criterion(rows, labels, *references)
    except ValueError as error:
        return str(error)
    return ""


def complaints():
    """What each process says when they are called with rows that do not fit."""
    first = dist.get_rank() == 0
    rows, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
    with torch.set_grad_enabled(first):
        no_grad = complaint(torch.eye(4, requires_grad=True), labels)
    return {
        "columns": complaint(rows if first else rows[:, :3], labels),
        "dtype": complaint(rows if first else rows.bfloat16(), labels),
        "references": complaint(rows, labels, *([] if first else [rows, labels])),
        "requires_grad": complaint(rows.clone().requires_grad_(first), labels),
        "no_grad": no_grad,
        "T": complaint(rows, labels, temperature=0.5 if first else 0.3),
        "learned": complaint(
            rows, labels, temperature=LearnedTemperature(1.0 if first else 1.0 + 1e-6)
        ),
        "annealed": complaint(rows, labels, temperature=annealed(epoch=3 - first)),
        "ignore_index": complaint(rows, labels, ignore_index=-100 if first else 1),
        "reduction": complaint(rows, labels, reduction="sum" if first else "none"),
        "distance": complaint(
            rows,
            labels,
            temperature=1.0,
            distance="sqeuclidean" if first else torch.cdist,
        ),
    }


def annealed(epoch):
    temperature = AnnealedTemperature()
    temperature.set_epoch(epoch)
    return temperature


def work(folder):
    """Run everything and save it; without a folder, fail on purpose in process 1."""
    dist.init_process_group("gloo", timeout=GUARD)
    rank = dist.get_rank()
    results = {}
    for name, case in CASES.items():
        value, gradient = in_this_process(case)
        results[f"{name}: loss"], results[f"{name}: gradient"] = value, gradient
    with torch.no_grad():
        criterion = SoftNearestNeighborLoss(gather_distributed=True)
        results["without gradients"] = criterion(
            torch.eye(4), torch.tensor([0, 0, 1, 1])
        )
    results["largest"] = largest_tensor()
    results |= complaints()
    np.savez(Path(folder) / f"{rank}.npz", **results)
    dist.destroy_process_group()


def work_until_failure(how):
    """One process fails, before the rows are gathered or after."""
    dist.init_process_group("gloo", timeout=GUARD)
    rank = dist.get_rank()
    rows, labels = rows_of(rank, 4, 3), torch.tensor([0, 0, 1, 1])
    if rank == 1 and how == "NaN":
        rows[2, 1] = torch.nan
    if rank == 1 and how == "singleton":
        labels[3] = 7
    criterion = SoftNearestNeighborLoss(gather_distributed=True, singletons="raise")
    print(f"process {rank} ended with {criterion(rows, labels)}")


# Starting it --------------------------------------------------------------------------


def torchrun(processes, *arguments):
    """Run a module in several processes, as a user would."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "error",
        "TQDM_DISABLE": "1",
    }
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={processes}",
            "-m",
            *map(str, arguments),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=GUARD.total_seconds(),
        check=False,
    )


@pytest.fixture(scope="module", params=[2, 3])
def results(request, tmp_path_factory):
    """What each of the processes found."""
    folder = tmp_path_factory.mktemp("processes")
    done = torchrun(request.param, "tests.loss.test_distributed", folder)
    assert done.returncode == 0, done.stdout
    files = [folder / f"{rank}.npz" for rank in range(request.param)]
    return [dict(np.load(file, allow_pickle=False)) for file in files]


@pytest.mark.parametrize("name", CASES)
def test_equal_to_one_process(results, name):
    case, world = CASES[name], len(results)
    want, want_gradient = in_one_process(case, world)
    losses = [result[f"{name}: loss"] for result in results]
    if case.settings.get("reduction") == "none":
        assert [len(loss) for loss in losses] == list(case.sizes[:world])
        losses = [np.concatenate(losses)]
    rough = max(1e-6, 1e-8 / case.settings["temperature"])
    for loss in losses:
        assert loss.dtype == want.numpy().dtype
        assert np.array_equal(loss, losses[0])  # to the last bit
        np.testing.assert_allclose(loss, want.numpy(), rtol=1e-6, atol=rough)
    want_gradient = want_gradient.numpy()
    size = np.abs(want_gradient).max()
    # A cosine in float32 is off by some 1e-7, a logit by 1e-7 / T.
    exact = max(1e-5, 3e-8 / case.settings["temperature"])
    slack = (exact if case.embed in EXACT else 1e-2) * size
    for result in results:
        gradient = result[f"{name}: gradient"]
        assert np.abs(gradient - want_gradient).max() <= slack


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, case in CASES.items()
        if case.embed in ("float32", "complex")
        and not callable(case.settings.get("distance"))
        and "reduction" not in case.settings
        and case.layers == 1
    ],
)
def test_equal_to_the_loop(results, name):
    case = CASES[name]
    rows, labels, _, refs, ref_labels, _ = whole_batch(case, len(results))
    with torch.no_grad():
        encoder = Encoder()
        inputs = embed(case.embed, encoder(rows)[1]).numpy()
        options = {"refs": None, "ref_labels": None}
        if case.ref_sizes:
            options["refs"] = embed(case.embed, encoder(refs)[1]).numpy()
            options["ref_labels"] = ref_labels
    options |= {k: v for k, v in case.settings.items() if k != "block_size"}
    want = oracle.loss(inputs, labels, **options)
    rough = max(1e-6, 1e-7 / case.settings["temperature"])
    for result in results:
        assert result[f"{name}: loss"] == pytest.approx(want, rel=2e-6, abs=rough)


@pytest.mark.parametrize("name", ["no rows", "no labels", "no partners"])
def test_without_an_anchor_the_loss_is_zero_and_so_is_its_gradient(results, name):
    for result in results:
        assert result[f"{name}: loss"] == 0
        assert not result[f"{name}: gradient"].any()


def test_equal_without_gradients(results):
    rows, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
    want = soft_nearest_neighbor_loss(
        rows.repeat(len(results), 1), labels.repeat(len(results))
    )
    for result in results:
        assert result["without gradients"] == pytest.approx(want.item(), rel=1e-6)


def test_memory_is_linear_in_the_whole_batch(results):
    batch = 300 * len(results)
    for result in results:
        assert batch * 6 <= result["largest"] < batch * 12 < 300 * batch


@pytest.mark.parametrize(
    ("what", "first", "second"),
    [
        ("columns", "with 4 columns", "with 3 columns"),
        ("dtype", "torch.float32", "torch.bfloat16"),
        ("references", "got embeddings", "ref_embeddings"),
        ("requires_grad", "with a gradient", "without a gradient"),
        ("no_grad", "with a gradient", "without a gradient"),
        ("T", "temperature=0.5", "temperature=0.3"),
        ("learned", "temperature=1.0", "temperature=1.00000"),
        ("annealed", r"temperature=0.54\d+", r"temperature=0.46\d+"),
        ("ignore_index", "ignore_index=-100", "ignore_index=1"),
        ("reduction", "reduction='sum'", "reduction='none'"),
        ("distance", "distance='sqeuclidean'", "distance='cdist'"),
    ],
)
def test_rows_and_settings_that_do_not_fit_together_raise_in_all(
    results, what, first, second
):
    for result in results:
        here, there = f"{first}.* in process 0", f"{second}.* in 1"
        wanted = f"gather_distributed needs .* rows in all processes.*{here}, .*{there}"
        assert re.search(wanted, str(result[what]))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("NaN", "ValueError: embeddings must be finite; row 2"),
        ("singleton", r"ValueError: labels: row 3 has no partner of its class 7 \(1 "),
    ],
)
def test_a_failing_process_ends_all(how, message):
    done = torchrun(2, "tests.loss.test_distributed", "--fail", how)
    assert done.returncode != 0
    assert re.search(message, done.stdout), done.stdout
    assert not re.search(r"process \d ended with", done.stdout), done.stdout


@pytest.mark.parametrize(
    ("gpus", "together", "rank", "wanted"),
    [(0, 1, 0, "cpu"), (1, 1, 0, "cuda:0"), (1, 2, 1, "cpu"), (2, 2, 1, "cuda:1")],
)
def test_a_process_takes_a_gpu_if_each_has_its_own(
    monkeypatch, gpus, together, rank, wanted
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(together))
    assert str(benchmarks.distributed.own_device()) == wanted


def test_the_benchmark_prints_the_same_from_one_process_and_from_two(
    monkeypatch, capsys
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    # Batches of 100, 100, 100 and 1 row: in the last, one process has none.
    options = ["--images", "301", "--batch-size", "100", "--epochs", "2"]
    done = torchrun(2, "benchmarks.distributed", *options)
    assert done.returncode == 0, done.stdout
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(sys, "argv", ["benchmarks.distributed", *options])
    benchmarks.distributed.main()
    alone = capsys.readouterr().out
    assert "torchrun --nproc-per-node=2 -m benchmarks.distributed" in alone
    assert "processes 2" in done.stdout
    for pattern in (
        r"epoch 0 loss (\d\.\d+)",
        r"epoch 1 loss (\d\.\d+)",
        r"entanglement of the test images (\d\.\d+)",
    ):
        (one,), (two,) = (re.findall(pattern, text) for text in (alone, done.stdout))
        assert float(two) == pytest.approx(float(one), abs=1e-3)


# One process --------------------------------------------------------------------------


def check_that_nothing_is_gathered():
    rows, labels = rows_of(0, 20, 4), torch.arange(20) % 3
    for reduction in ("mean", "sum", "none"):
        alone, gathering = (
            SoftNearestNeighborLoss(reduction=reduction, gather_distributed=gather)
            for gather in (False, True)
        )
        assert torch.equal(gathering(rows, labels), alone(rows, labels))


def test_no_group_no_difference():
    assert not dist.is_initialized()
    check_that_nothing_is_gathered()


def test_a_group_of_one_makes_no_difference():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        assert not distributed.has_peers()
        check_that_nothing_is_gathered()
    finally:
        dist.destroy_process_group()


def test_a_torch_without_distributed_makes_no_difference(monkeypatch):
    monkeypatch.setattr(dist, "is_available", lambda: False)
    monkeypatch.delattr(dist, "is_initialized")
    check_that_nothing_is_gathered()


if __name__ == "__main__":
    if sys.argv[1] == "--fail":
        work_until_failure(sys.argv[2])
    else:
        work(sys.argv[1])
