"""Save a training after each epoch, and resume it from there."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from snnl_tutorial.files import open_atomically


@dataclass
class Checkpoint:
    """The state of a training, and the file that stores it.

    Attributes:
        path: the file, or `None` to store nothing.
        objective: model, loss and temperature.
        optimizer: with its moments.
        generator: draws the order of the rows and the augmentations.
        settings: a resumed training must have the same. Their text is stored: numbers,
            names, and modules as `print` shows them.
    """

    path: Path | None
    objective: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    settings: dict[str, Any]

    def save(self, history: list[dict[str, float]]) -> None:
        """Write the state to a temporary file, then replace the checkpoint by it."""
        if self.path is None:
            return
        content = {
            "settings": self.description(),
            "history": history,
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),  # of dropout, for instance
        }
        with open_atomically(self.path) as file:
            torch.save(content, file)

    def load(self, epochs: int) -> list[dict[str, float]]:
        """Restore the state and return the history: [] if there is no file.

        Raises:
            ValueError: the file is not a checkpoint, belongs to another training, or
                has more than `epochs` epochs.
        """
        if self.path is None or not self.path.exists():
            return []
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            stored = content["settings"].splitlines()
            history: list[dict[str, float]] = content["history"]
        except Exception as error:
            raise ValueError(f"checkpoint: {self.path} is no checkpoint") from error
        ours = self.description().splitlines()
        if stored != ours:
            differences = list(difflib.unified_diff(stored, ours, n=0))[2:]
            theirs, mine = (
                "; ".join(line[1:].strip() for line in differences if line[0] == sign)
                for sign in "-+"
            )
            raise ValueError(
                f"checkpoint: {self.path} belongs to a training with {theirs}; "
                f"got {mine}"
            )
        if len(history) > epochs:
            raise ValueError(
                f"checkpoint: {self.path} has {len(history)} epochs; got {epochs=}"
            )
        try:
            self.objective.load_state_dict(content["objective"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.generator.set_state(content["generator"])
            torch.set_rng_state(content["random"])
        except (KeyError, RuntimeError, ValueError) as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise ValueError(
                f"checkpoint: {self.path} does not fit this training: {why}"
            ) from error
        return history

    def description(self) -> str:
        """Return the settings as text, one a line, without addresses in memory."""
        lines = [f"{name}={value!r}" for name, value in self.settings.items()]
        return re.sub(r" at 0x[0-9a-f]+", "", "\n".join(lines))
