"""A training on disk, so that an interruption costs one epoch at most."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from snnl_tutorial.files import open_atomically


@dataclass
class Checkpoint:
    """What a training needs to go on as if nothing had happened.

    Attributes:
        path: the file, or `None` to keep nothing.
        objective: model, loss and temperature.
        optimizer: with its moments.
        generator: that draws the order of the rows.
        settings: that must be the same when the training goes on.
    """

    path: Path | None
    objective: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    settings: dict[str, Any]

    def save(self, history: list[dict[str, float]]) -> None:
        """Write all of it, and replace the file only when that is done."""
        if self.path is None:
            return
        content = {
            "settings": self.settings,
            "history": history,
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),  # of dropout, for instance
        }
        with open_atomically(self.path) as file:
            torch.save(content, file)

    def load(self) -> list[dict[str, float]]:
        """Restore all of it, and return the history; nothing happens without a file.

        Raises:
            ValueError: the file is no checkpoint, or one of another training.
        """
        if self.path is None or not self.path.exists():
            return []
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            settings = content["settings"]
        except Exception as error:
            raise ValueError(f"checkpoint: {self.path} is no checkpoint") from error
        if settings != self.settings:
            names = [n for n, now in self.settings.items() if settings.get(n) != now]
            theirs, ours = (
                {name: some.get(name) for name in names}
                for some in (settings, self.settings)
            )
            raise ValueError(
                f"checkpoint: {self.path} belongs to a training with {theirs}; "
                f"got {ours}"
            )
        try:
            self.objective.load_state_dict(content["objective"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.generator.set_state(content["generator"])
            torch.set_rng_state(content["random"])
            history: list[dict[str, float]] = content["history"]
        except (KeyError, RuntimeError, ValueError) as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise ValueError(
                f"checkpoint: {self.path} does not fit this training: {why}"
            ) from error
        return history
