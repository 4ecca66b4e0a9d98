"""One plain loop that trains any objective with named terms."""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from snnl_tutorial.datasets.batches import ShuffledBatches
from snnl_tutorial.learning.checkpoint import Checkpoint
from snnl_tutorial.learning.models import restore_modes
from snnl_tutorial.loss.checks import check_integer, check_real, check_types
from snnl_tutorial.loss.temperature import Temperature

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def train(
    objective: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    labels: Tensor | None = None,
    *,
    epochs: int,
    batches: Iterable[Tensor | Sequence[int]] | None = None,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    augment: Augmentation | None = None,
    checkpoint: str | Path | None = None,
    after_epoch: Callable[[int], None] | None = None,
    verbose: bool = True,
) -> list[dict[str, float]]:
    """Train all parameters of an objective with Adam, on the device of the inputs.

    Args:
        objective: a module, such as a `LayerwiseLoss`. Called with the inputs and the
            targets of a batch (and its labels, if any), it returns a NamedTuple of
            terms; `total` is minimized. Its method `set_epoch(epoch)`, if it has one,
            is called before each epoch.
        inputs: (N, ...), on the device of the objective.
        targets: (N, ...), for the criterion.
        labels: (N,) integer, -100 where a row has none. Default: the objective gets
            none, and a `LayerwiseLoss` takes the targets.
        epochs: number of epochs, including those in the checkpoint.
        batches: an iterable of index tensors or lists; one iteration over it is one
            epoch. If it has a `generator`, augmentations are drawn from it, too, and a
            checkpoint stores its state, as it does torch's own; random state hidden
            deeper in the batches is not restored. Default: `ShuffledBatches`.
        batch_size: rows in a batch of the default `batches`.
        learning_rate: of Adam.
        seed: of the generator that draws the default `batches` and the augmentations.
            Dropout in a model draws from torch's own generator, which all threads of a
            process share: call `torch.manual_seed` and train in one thread.
        augment: (inputs of a batch, generator on the CPU) -> inputs.
        checkpoint: a file that is written after every epoch. If it exists, the training
            resumes from it; on a CPU it ends with the weights of an uninterrupted one.
        after_epoch: called with the number of finished epochs, to measure or draw.
        verbose: whether to show a progress bar, if stderr is a terminal.

    Returns:
        One dictionary for each epoch: "epoch" (from 0), the mean over its steps of each
        term that is a single number, and the "temperature" at its end if the objective
        has one.

    Raises:
        ValueError: the loss is not finite (the message names the epoch); there are no
            rows or batches; inputs, targets and labels differ in length; a number is
            out of range; the checkpoint is damaged, belongs to other data or settings,
            or has more epochs.
        TypeError: `batches` is an iterator, which would last for one epoch only; or an
            argument has a wrong type: inputs, targets and labels must be tensors.

    Example:
        >>> from snnl_tutorial import LayerwiseSoftNearestNeighborLoss
        >>> _ = torch.manual_seed(0)
        >>> rows, targets = torch.randn(60, 4), torch.arange(60) % 2
        >>> objective = LayerwiseSoftNearestNeighborLoss(
        ...     nn.Linear(4, 2), nn.functional.cross_entropy, factor=0.1
        ... )
        >>> history = train(objective, rows, targets, epochs=5)
        >>> history[-1]["total"] < history[0]["total"]
        True
    """
    check_types(
        objective=(objective, nn.Module),
        inputs=(inputs, Tensor),
        targets=(targets, Tensor),
        labels=(labels, Tensor | None),
        batches=(batches, Iterable | None),
        augment=(augment, Callable | None),
        checkpoint=(checkpoint, str | PathLike | None),
        after_epoch=(after_epoch, Callable | None),
    )
    data = [part for part in (inputs, targets, labels) if part is not None]
    check_lengths(data)
    epochs = check_integer(epochs, "epochs", least=0)
    batch_size = check_integer(batch_size, "batch_size", least=1)
    learning_rate = check_real(learning_rate, "learning_rate", least=0)
    seed = check_integer(seed, "seed")
    if isinstance(batches, Iterator):
        raise TypeError("batches must start anew in each epoch; got an iterator")
    if batches is None:
        batches = ShuffledBatches(len(inputs), batch_size, seed)
    generator = getattr(batches, "generator", None)
    if generator is None:  # as in a DataLoader without one
        generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(objective.parameters(), lr=learning_rate)
    settings = {
        "data": checkpoint is not None and [digest(part) for part in data],
        "batches": batches,
        "seed": seed,
        "learning_rate": learning_rate,
        "augment": augment,
        "objective": objective,
    }
    path = None if checkpoint is None else Path(checkpoint)
    saved = Checkpoint(path, objective, optimizer, generator, settings)
    history = saved.load(epochs)
    set_epoch = getattr(objective, "set_epoch", lambda epoch: None)
    for epoch in progress(len(history), epochs, verbose):
        set_epoch(epoch)
        steps = []
        for indices in batches:
            if len(indices) == 0:
                raise ValueError(f"batches must not be empty; epoch {epoch} has one")
            rows = torch.as_tensor(indices, device=inputs.device)
            batch = [part[rows] for part in data]
            if augment is not None:
                batch[0] = augment(batch[0], generator)
            terms = batch_terms(objective, batch, epoch)
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()
            steps.append(single_numbers(terms))
        history.append(epoch_record(epoch, steps, objective))
        saved.save(history)
        if after_epoch is not None:
            with restore_modes(objective):
                after_epoch(epoch + 1)
    return history


def check_lengths(data: list[Tensor]) -> None:
    """Raise unless inputs, targets and labels have as many rows, and at least one."""
    for name, part in zip(("inputs", "targets", "labels"), data, strict=False):
        if part.dim() == 0:
            raise ValueError(f"{name} must have rows; got a 0-d tensor")
    if len(data[0]) == 0:
        raise ValueError("inputs must have at least one row; got none")
    for name, part in zip(("targets", "labels"), data[1:], strict=False):
        if len(part) != len(data[0]):
            raise ValueError(
                f"{name} must have one row for each of the {len(data[0])} inputs; "
                f"got {len(part)}"
            )


def digest(tensor: Tensor) -> str:
    """Return type, shape and checksum of a tensor."""
    content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    checksum = hashlib.sha256(content.data).hexdigest()
    return f"{tensor.dtype} {tuple(tensor.shape)} {checksum}"


def progress(finished: int, epochs: int, verbose: bool) -> Iterable[int]:
    """Return the epochs that remain, with a progress bar if stderr is a terminal."""
    return tqdm(
        range(finished, epochs),
        "training",
        total=epochs,
        initial=finished,
        unit="epoch",
        leave=False,
        disable=None if verbose else True,  # None: tqdm looks for a terminal
    )


def batch_terms(objective: nn.Module, batch: list[Tensor], epoch: int) -> Any:
    """Return the terms of a batch; an error, as of a NaN, names the epoch."""
    try:
        return objective(*batch)
    except ValueError as error:
        raise ValueError(f"in epoch {epoch}: {error}") from error


def single_numbers(terms: Any) -> dict[str, Tensor]:
    """Return the 0-d tensors in a NamedTuple and in its dictionaries, by name."""
    numbers: dict[str, Any] = {}
    for name, value in terms._asdict().items():
        part = value if isinstance(value, Mapping) else {name: value}
        if taken := [key for key in part if key in (*numbers, "epoch", "temperature")]:
            raise ValueError(f"the name {taken[0]!r} of a layer is that of a term, too")
        numbers |= part
    return {
        name: number.detach()
        for name, number in numbers.items()
        if isinstance(number, Tensor) and number.dim() == 0
    }


def epoch_record(
    epoch: int, steps: list[dict[str, Tensor]], objective: nn.Module
) -> dict[str, float]:
    """Return the means over the steps, and the temperature after the last one."""
    if not steps:
        raise ValueError(
            f"batches must yield at least one batch; epoch {epoch} has none"
        )
    for step in steps:
        if step.keys() != steps[0].keys():
            raise ValueError(
                f"the terms must be the same in all steps; epoch {epoch} has "
                f"{sorted(steps[0])} and {sorted(step)}"
            )
    table = torch.stack([torch.stack(list(step.values())) for step in steps])
    means = table.mean(dim=0).tolist()
    record = {"epoch": epoch, **dict(zip(steps[0], means, strict=True))}
    temperature = getattr(objective, "temperature", None)
    if isinstance(temperature, Temperature):
        record["temperature"] = temperature().item()
    if not math.isfinite(record["total"]):
        raise ValueError(f"the loss is {record['total']} in epoch {epoch}")
    return record
