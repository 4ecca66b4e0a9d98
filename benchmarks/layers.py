"""A training step with the loss on every encoder layer, against the step without it.

python -m benchmarks.layers     the table in data/results/layers.csv

The network is the autoencoder of Agarap and Azcarraga (2020), x-500-500-2000-d and
back, at batch 256. The published way runs the encoder a second time to see its layers.
"""

import argparse
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.measure import medians, parse, print_table, store
from snnl_tutorial import (
    Autoencoder,
    LayerwiseSoftNearestNeighborLoss,
    load_dataset,
)
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
)

ENCODER = ["encoder.1", "encoder.3", "encoder.5", "encoder.7"]
"""The encoder's four activations, by name."""


def training_step(
    how: str, images: torch.Tensor, labels: torch.Tensor
) -> Callable[[], None]:
    """A step of Adam: "without" the loss, with "ours", or the "published" way."""
    torch.manual_seed(0)
    model = Autoencoder().to(images.device)
    optimizer = torch.optim.Adam(model.parameters())
    reconstruction = nn.BCELoss()
    objective = LayerwiseSoftNearestNeighborLoss(model, reconstruction, 1.0, ENCODER)

    def total() -> torch.Tensor:
        if how == "ours":
            return objective(images, images, labels).total
        loss = reconstruction(model(images), images)
        if how == "without":
            return loss
        rows = images
        for layer in model.encoder:
            rows = layer(rows)
            if not isinstance(layer, nn.Linear):
                loss = loss + published_soft_nearest_neighbor_loss(rows, labels)
        return loss

    def run() -> None:
        optimizer.zero_grad()
        total().backward()
        optimizer.step()

    return run


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=41, help="at least 7 to store")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dry-run", action="store_true", help="store nothing")
    options = parse(parser, arguments)
    data = load_dataset("mnist", "train")
    images = data.images[: options.rows].flatten(1).to(options.device)
    labels = data.labels[: options.rows].to(options.device)
    names = ("without", "ours", "published")
    contenders = {name: training_step(name, images, labels) for name in names}
    seconds = medians(contenders, options.repeats, "layers", options.device)
    table = [
        {
            "step": name,
            "N": options.rows,
            "repeats": options.repeats,
            "ms": 1e3 * seconds[name],
            "over_without": seconds[name] / seconds["without"],
        }
        for name in names
    ]
    print_table(table)
    if not options.dry_run:
        print(store("layers", table, options.device))


if __name__ == "__main__":
    main()
