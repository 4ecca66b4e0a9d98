"""Train one encoder in several processes, each with its part of every batch.

    torchrun --nproc-per-node=2 -m benchmarks.distributed

Each process takes a GPU of its own; where a machine has fewer GPUs than processes, they
work on the CPU. (Several machines have to be alike.) The batch is the same however many
processes share it, and so is the printed loss, to rounding: one process alone
(`python -m benchmarks.distributed`) prints it, too.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from snnl_tutorial import SoftNearestNeighborLoss, entanglement, load_dataset


def main() -> None:
    arguments = parse_arguments()
    with processes() as (rank, world, device):
        say = tqdm.write if rank == 0 else lambda line: None
        if world == 1:
            say(
                "One process. For two: "
                "torchrun --nproc-per-node=2 -m benchmarks.distributed"
            )
        say(f"processes {world}, device {device.type}")
        encoder = train(arguments, rank, world, device, say)
        if rank == 0:
            images, labels = load_dataset("mnist", "test")
            with torch.no_grad():
                codes = encoder(images.to(device))
            found = entanglement(codes, labels.to(device))
            say(
                f"entanglement of the test images {found.value:.4f} "
                f"(chance {found.chance:.4f})"
            )


def train(
    arguments: argparse.Namespace,
    rank: int,
    world: int,
    device: torch.device,
    say: Callable[[str], object],
) -> nn.Module:
    """The encoder, trained on this process's rows of each batch."""
    images, labels = (part.to(device) for part in load_dataset("mnist", "train"))
    images, labels = images[: arguments.images], labels[: arguments.images]
    torch.manual_seed(arguments.seed)
    encoder = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 32)
    ).to(device)
    model = DistributedDataParallel(encoder) if world > 1 else encoder
    criterion = SoftNearestNeighborLoss(arguments.temperature, gather_distributed=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=arguments.learning_rate)
    generator = torch.Generator().manual_seed(arguments.seed)
    epochs = range(arguments.epochs)
    for epoch in tqdm(epochs, unit="epoch", leave=False) if rank == 0 else epochs:
        losses = []
        # The same order everywhere, and of each batch every world-th row is ours.
        order = torch.randperm(len(images), generator=generator)
        for batch in order.split(arguments.batch_size):
            mine = batch[rank::world].to(device)
            loss = criterion(model(images[mine]), labels[mine])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        say(f"epoch {epoch} loss {torch.stack(losses).mean().item():.4f}")
    return encoder


def own_device() -> torch.device:
    """A GPU of this process's own if each has one: NCCL shares none among two."""
    together = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if torch.cuda.device_count() < together:
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    torch.cuda.set_device(device)
    return device


@contextmanager
def processes() -> Iterator[tuple[int, int, torch.device]]:
    """Join the processes that torchrun started; yields rank, world size and device."""
    device = own_device()
    if "LOCAL_RANK" not in os.environ:
        yield 0, 1, device
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield dist.get_rank(), dist.get_world_size(), device
    dist.destroy_process_group()  # not after an error: it might wait for the others


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--images", type=int, default=5000, help="of the training set")
    parser.add_argument("--batch-size", type=int, default=512, help="of all processes")
    parser.add_argument("--temperature", type=float, default=0.1)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
