"""One plain loop that trains anything whose loss has named terms."""

import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from snnl_tutorial.learning.checkpoint import Checkpoint
from snnl_tutorial.learning.models import modes_restored
from snnl_tutorial.loss.layers import LayerwiseSoftNearestNeighborLoss

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def train(
    objective: LayerwiseSoftNearestNeighborLoss,
    inputs: Tensor,
    targets: Tensor,
    labels: Tensor | None = None,
    *,
    epochs: int,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    augment: Augmentation | None = None,
    autocast: bool = False,
    checkpoint: Path | None = None,
    after_epoch: Callable[[int], None] | None = None,
) -> list[dict[str, float]]:
    """Train the objective's model with Adam, on the device where the model lies.

    Args:
        objective: model, criterion and loss together; all its parameters are trained,
            a learned temperature included.
        inputs: (N, ...), on the model's device.
        targets: (N, ...), what the criterion compares the outputs with.
        labels: (N,) integer; the targets if not given. Rows labeled -100 count in the
            criterion only.
        epochs: how often each row is seen. A `Temperature` is told each epoch.
        batch_size: rows a step.
        learning_rate: of Adam.
        seed: decides the order of the rows, and what `augment` draws.
        augment: (inputs of a batch, generator on the CPU) -> inputs.
        autocast: whether products are taken in bfloat16.
        checkpoint: a file that is written after every epoch, and from which a training
            that was interrupted goes on, if it is there: on a CPU, to the same weights.
        after_epoch: called with the number of epochs done, to measure or draw.

    Returns:
        One dictionary an epoch: "epoch" (from 0), the means over its steps of
        "total", "primary", "snn" and of each layer, and the last "temperature".

    Raises:
        ValueError: the loss is not finite, with the epoch; there are no rows; or the
            checkpoint is of a training with other data or settings, or of more epochs.

    Example:
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> rows, targets = torch.randn(60, 4), torch.arange(60) % 2
        >>> objective = LayerwiseSoftNearestNeighborLoss(
        ...     nn.Linear(4, 2), nn.functional.cross_entropy, factor=0.1)
        >>> history = train(objective, rows, targets, epochs=5)
        >>> history[-1]["total"] < history[0]["total"]
        True
    """
    if len(inputs) == 0:
        raise ValueError("inputs must have at least one row; got none")
    labels = targets if labels is None else labels
    optimizer = torch.optim.Adam(objective.parameters(), lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    temperature = objective.soft_nearest_neighbor.temperature
    settings = {
        "data": checkpoint and [digest(data) for data in (inputs, targets, labels)],
        "batch_size": batch_size,
        "seed": seed,
        "learning_rate": learning_rate,
        "autocast": autocast,
        "factor": objective.factor,
        "layers": objective.layers,
        "layer_reduction": objective.layer_reduction,
        "layer_weights": dict(objective.layer_weights),
        "units": repr(objective.units),
        "criterion": getattr(
            objective.criterion, "__name__", repr(objective.criterion)
        ),
        "loss": repr(objective.soft_nearest_neighbor),
    }
    saved = Checkpoint(checkpoint, objective, optimizer, generator, settings)
    history = saved.load()
    done = len(history)
    if done > epochs:
        raise ValueError(f"checkpoint: {checkpoint} has {done} epochs; got {epochs=}")
    bar = tqdm(
        range(done, epochs),
        "training",
        total=epochs,
        initial=done,
        unit="epoch",
        leave=False,
    )
    for epoch in bar:
        temperature.set_epoch(epoch)
        steps = []
        order = torch.randperm(len(inputs), generator=generator, device="cpu")
        for batch in order.split(batch_size):
            rows = batch.to(inputs.device)
            images = inputs[rows]
            if augment is not None:
                images = augment(images, generator)
            with torch.autocast(inputs.device.type, torch.bfloat16, enabled=autocast):
                try:
                    terms = objective(images, targets[rows], labels[rows])
                except ValueError as error:  # such as a code that is not finite
                    raise ValueError(f"in epoch {epoch}: {error}") from error
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()
            named = [terms.total, terms.primary, terms.snn, *terms.per_layer.values()]
            steps.append(torch.stack([term.detach() for term in named]))
        means = torch.stack(steps).mean(dim=0).tolist()
        names = ["total", "primary", "snn", *terms.per_layer]
        record = {"epoch": epoch, **dict(zip(names, means, strict=True))}
        record["temperature"] = temperature().item()
        if not torch.isfinite(torch.tensor(record["total"])):
            raise ValueError(f"the loss is {record['total']} in epoch {epoch}")
        history.append(record)
        saved.save(history)
        if after_epoch is not None:
            with modes_restored(objective):
                after_epoch(epoch + 1)
    return history


def digest(tensor: Tensor) -> int:
    """A number that tells one tensor from another, by its bytes."""
    return zlib.crc32(
        tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
    )
