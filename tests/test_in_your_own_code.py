"""The page "In your own code" says what runs: every snippet of it, executed."""

import importlib.util
import math
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch

from snnl_tutorial import SoftNearestNeighborLoss

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "in_your_own_code.md").read_text(encoding="utf-8")
SECTIONS = dict(
    part.split("\n", 1) for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
)


def snippets(section, language="python"):
    found = re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], re.M | re.S)
    assert found, section
    return found


SETUP = snippets("In a plain loop")[0]
"""What the page says that each section needs."""


def executed(*blocks):
    """The names that the blocks leave behind, run after the page's first block."""
    names = {"__name__": "page"}
    for block in (SETUP, *blocks):
        exec(compile(block, "in_your_own_code.md", "exec"), names)
    return names


def gradients(model):
    return [parameter.grad for parameter in model.parameters()]


def check_learns(history, least=0.7):
    """The loss is real, and its last third is clearly below its first."""
    third = len(history) // 3
    assert all(0 < loss < 10 for loss in history)
    assert sum(history[-third:]) < least * sum(history[:third])


def test_every_python_snippet_is_in_a_section_that_is_tested():
    tests = Path(__file__).read_text(encoding="utf-8")
    for section in SECTIONS:
        if "```python" in SECTIONS[section] or "```py" in SECTIONS[section]:
            assert f'snippets("{section}"' in tests, section


def test_code_fits_into_the_page():
    """A line of more than 78 columns would have to be scrolled."""
    for block in re.findall(r"^```\w+\n(.*?)^```", PAGE, re.M | re.S):
        assert max(map(len, block.splitlines())) <= 78, block


def test_three_lines_in_a_plain_loop():
    _, three_lines, unlabeled, balanced = snippets("In a plain loop")
    check_learns(executed(three_lines)["history"])

    names = executed(three_lines, unlabeled)
    alone = names["criterion"](
        names["model"](names["inputs"][:64]), names["labels"][:64]
    )
    assert (names["partly"] == -100).sum() == 192
    torch.testing.assert_close(names["loss"], alone)

    names = executed(three_lines, balanced)
    counts = names["labels"][names["rows"]].unique(return_counts=True)[1]
    assert counts.tolist() == [4] * 8
    assert len(names["rows"].unique()) == 32
    assert 0 < names["loss"] < 10
    with pytest.raises(ValueError, match="no partner"):
        names["criterion"](torch.eye(3), torch.tensor([0, 0, 1]))


def test_temperatures():
    start, kinds, training = snippets("Which temperature")
    names = executed(start, kinds)
    embeddings, labels = names["codes"], names["labels"][:500]
    colder, best, warmer = [
        SoftNearestNeighborLoss(factor * names["start"], "sqeuclidean")
        for factor in (0.5, 1, 2)
    ]
    at_best = best(embeddings, labels)
    assert at_best < colder(embeddings, labels)
    assert at_best < warmer(embeddings, labels)

    at_end = {}
    for kind in ("fixed", "annealed", "learned"):
        chosen = training.replace("criterion = learned", f"criterion = {kind}")
        names = executed(kinds, chosen)
        at_end[kind] = names["criterion"].temperature().item()
        assert names["loss"] < 1.5
    assert at_end["fixed"] == 0.1
    assert at_end["annealed"] == pytest.approx(3**-0.55)
    assert 0.0001 < abs(at_end["learned"] - 0.1) < 0.1


def test_the_layers(capsys):
    summed, other, recorded = snippets("On the layers of your model")
    names = executed(summed)
    assert list(names["terms"].per_layer) == ["1", "3"]
    assert all(gradient.abs().sum() > 0 for gradient in gradients(names["classifier"]))
    assert names["terms"].primary < math.log(10) - 0.1  # from guessing
    assert all(0 < loss < 2.2 for loss in names["terms"].per_layer.values())
    assert re.fullmatch(r"(layer [13]: [\d.]+\n){2}", capsys.readouterr().out)

    names = executed(other)
    hidden = names["model"][1](names["model"][0](names["inputs"][:256]))
    nca = names["NCALoss"](softmax_scale=5)(hidden, names["labels"][:256])
    torch.testing.assert_close(names["terms"].per_layer["1"], nca)
    assert names["loss"] < names["terms"].total

    names = executed(recorded)
    first, _, last, _ = gradients(names["model"])
    assert first.abs().sum() > 0
    assert last is None


def test_a_memory_of_earlier_batches():
    (block,) = snippets("With a memory of earlier batches")
    names = executed(block)
    assert names["history"][0] == 0
    check_learns(names["history"][1:])
    newest = names["labels"][names["rows"]]
    assert torch.equal(names["criterion"].labels[-32:], newest)


def test_few_labels():
    (block,) = snippets("With few labels")
    names = executed(block)
    shown = [(labels != -100).sum().item() for _, labels in names["loader"]]
    assert shown == [64] * len(names["history"])
    check_learns(names["history"])
    at_random = torch.randint(5000, (256,), generator=torch.Generator().manual_seed(0))
    assert 2 <= (names["few"][at_random] != -100).sum() <= 8  # "about five"


def test_pytorch_metric_learning():
    (block,) = snippets("With pytorch-metric-learning")
    names = executed(block)
    check_learns(names["history"])
    counts = names["targets"].unique(return_counts=True)[1]
    assert counts.tolist() == [16] * 5


@pytest.mark.parametrize("scale", [1.0, 5.0, 10.0])
def test_their_nca_loss_is_ours_as_the_list_says(scale):
    rows = re.findall(r"^- `(NCALoss.*?)` is `(.*?)`\.", PAGE, re.M)
    assert len(rows) == 2
    torch.manual_seed(0)
    embeddings = torch.randn(100, 8, dtype=torch.float64)
    labels = torch.randint(5, (100,))
    labels[0] = 77  # alone in its class: neither counts it
    for theirs, ours in rows:
        names = {"s": scale, "SoftNearestNeighborLoss": SoftNearestNeighborLoss}
        exec("from pytorch_metric_learning.losses import NCALoss", names)
        exec("from pytorch_metric_learning.distances import CosineSimilarity", names)
        torch.testing.assert_close(
            eval(ours, names)(embeddings, labels),
            eval(theirs, names)(embeddings, labels),
            rtol=1e-9,
            atol=0,
        )


def test_what_does_not_work_with_pytorch_metric_learning():
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.losses import CrossBatchMemory, NCALoss
    from pytorch_metric_learning.miners import MultiSimilarityMiner

    embeddings = torch.tensor([[1, 0], [0, 1], [0, 1], [1, 0.2], [-1, 0], [-1, 0]])
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    pairs = MultiSimilarityMiner()(embeddings, labels)
    ours = SoftNearestNeighborLoss(temperature=0.001)
    with pytest.raises(
        TypeError, match="got tuple; a miner's indices are not supported"
    ):
        ours(embeddings, labels, pairs)
    with pytest.raises(Exception, match="not supported for SoftNearest"):
        CrossBatchMemory(ours, embedding_size=2)
    # "theirs leaves out the rows whose probability has become 0, ours counts them"
    theirs = NCALoss(1000, distance=CosineSimilarity())
    assert theirs(embeddings, labels) < 1e-6  # of the last two rows
    assert ours(embeddings, labels) > 500


@pytest.mark.filterwarnings(
    # how Lightning uses torch, and its advice where there are more cores or a GPU
    "ignore:.*LeafSpec.*is deprecated:FutureWarning",
    "ignore:.*does not have many workers",
    "ignore:GPU available but not used",
)
def test_lightning(tmp_path, monkeypatch):
    pytest.importorskip("lightning", reason="the Lightning section needs it")
    monkeypatch.chdir(tmp_path)
    (block,) = snippets("With Lightning")
    names = executed(block)
    assert names["trainer"].global_step == 16
    assert names["encoder"].criterion.temperature.epoch == 1
    logged = names["trainer"].callback_metrics["soft nearest neighbor loss"]
    with torch.no_grad():
        before = executed()["model"](names["inputs"][:256])
        after = names["model"](names["inputs"][:256])
    criterion = SoftNearestNeighborLoss(0.1)
    labels = names["labels"][:256]
    assert criterion(after, labels) < 0.7 * criterion(before, labels)
    assert 0 < logged < 2.3
    # "the epoch of an annealed one is in its checkpoints"
    names["trainer"].save_checkpoint("lightning.ckpt")
    fresh = names["Encoder"](names["model"])
    state = torch.load("lightning.ckpt", weights_only=True)["state_dict"]
    fresh.load_state_dict(state)
    assert fresh.criterion.temperature.epoch == 1


def test_several_processes(tmp_path):
    (block,) = snippets("In several processes", "py")
    (command,) = snippets("In several processes", "sh")
    program, processes, *_, module = command.split()
    assert importlib.util.find_spec(module) is not None

    assert f"{program} {processes} train.py" in block
    script = tmp_path / "train.py"
    report = (
        "import os\n"
        "found = {'loss': loss.detach(), **model.state_dict()}\n"
        f"torch.save(found, '{tmp_path}/' + os.environ['RANK'])\n"
    )
    script.write_text(f"{SETUP}\n{block}\n{report}")
    done = subprocess.run(
        [Path(sys.executable).parent / program, "--standalone", processes, script],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / rank) for rank in "01")
    torch.testing.assert_close(first, second, rtol=0, atol=0)  # one loss, one gradient
    assert 0 < first["loss"] < 1


def test_memory_precision_and_devices(tmp_path, monkeypatch):
    half, compiled, checkpoint = snippets("Memory, precision, devices")
    names = executed(half)
    assert names["embeddings"].dtype == torch.bfloat16
    assert names["loss"].dtype == torch.float32
    assert all(gradient.isfinite().all() for gradient in gradients(names["model"]))

    # The default backend takes half a minute to build its first program.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    torch.compiler.reset()
    names = executed(compiled)
    assert "@torch.compile\n" in compiled
    eager = executed(compiled.replace("@torch.compile\n", ""))
    torch.testing.assert_close(names["loss"], eager["loss"])
    torch.testing.assert_close(gradients(names["model"]), gradients(eager["model"]))

    monkeypatch.chdir(tmp_path)
    assert executed(checkpoint)["resumed"].temperature.epoch == 7


def test_what_it_will_not_do():
    text = SECTIONS["What it will not do for you"]
    assert "from `snnl_tutorial.loss.distance`" in text
    from snnl_tutorial.loss.distance import cosine_distance

    rows = torch.randn(6, 2, requires_grad=True)
    labels = torch.arange(6) % 2

    def twice(distance):
        loss = SoftNearestNeighborLoss(0.5, distance)(rows, labels)
        (first,) = torch.autograd.grad(loss, rows, create_graph=True)
        return torch.autograd.grad(first.square().sum(), rows)[0]

    with pytest.raises(RuntimeError, match="second derivative"):
        twice("cosine")
    assert twice(cosine_distance).abs().sum() > 0


def test_a_training_goes_on_from_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = snippets("Training that goes on where it stopped")
    short, whole = code.replace("epochs=3", "epochs=2"), "epochs=3"
    assert short != code
    assert whole in code
    assert list(executed(short)["table"]["epoch"]) == [0, 1]
    resumed = executed(code)["table"]
    (tmp_path / "training.pt").unlink()
    pd.testing.assert_frame_equal(resumed, executed(code)["table"])


def test_scikit_learn_searches_temperature_and_factor():
    names = executed(*snippets("With scikit-learn"))
    assert set(names["search"].best_params_) == set(names["grid"])
    assert names["right"] > 0.5  # by chance: 0.1
