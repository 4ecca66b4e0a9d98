"""Save a training after each epoch, and resume it from there."""

import copy
import difflib
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from snnl_tutorial.files import write_atomically

MAGIC = b"snnl_tutorial checkpoint 1\n"
"""How a file starts. The SHA-256 of the rest follows, then the rest: `torch.save`."""


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
        """Replace the file by the state, in one step."""
        if self.path is None:
            return
        content = {
            "settings": self.description(),
            "history": history,
            "state": self.state(),
        }
        write_atomically(self.path, pack(content))

    def load(self, epochs: int) -> list[dict[str, float]]:
        """Restore the state and return the history: [] if there is no file.

        Raises:
            ValueError: the file is not a checkpoint, is damaged, belongs to another
                training, or has more than `epochs` epochs; or its folder cannot be
                made. The state is left as it was.
        """
        if self.path is None:
            return []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)  # better now than later
            if not self.path.exists():
                return []
            content = unpack(self.path.read_bytes())
            stored, state = content["settings"].splitlines(), content["state"]
            history: list[dict[str, float]] = list(content["history"])
        except Exception as error:
            raise ValueError(
                f"checkpoint: {self.path} cannot be used: {in_one_line(error)}"
            ) from error
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
        before = copy.deepcopy(self.state())
        try:
            self.restore(state)
        except Exception as error:
            self.restore(before)
            raise ValueError(
                f"checkpoint: {self.path} does not fit this training: "
                f"{in_one_line(error)}"
            ) from error
        return history

    def state(self) -> dict[str, Any]:
        """Return all that a step changes."""
        return {
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),  # of dropout, for instance
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["random"])

    def description(self) -> str:
        """Return the settings as text, one a line, without addresses in memory."""
        lines = [f"{name}={value!r}" for name, value in self.settings.items()]
        return re.sub(r" at 0x[0-9a-f]+", "", "\n".join(lines))


def in_one_line(error: Exception) -> str:
    """Return the kind of an error and its message, without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def pack(content: dict[str, Any]) -> bytes:
    """Return the bytes of a file that tells whether it was changed.

    A torch file alone does not: it loads in silence with a flipped bit in a weight.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    body = buffer.getvalue()
    return MAGIC + hashlib.sha256(body).digest() + body


def unpack(file: bytes) -> Any:
    """Return the content that `pack` made into these bytes.

    Raises:
        ValueError: they were made by something else, or changed.
    """
    if not file.startswith(MAGIC):
        raise ValueError("it is no checkpoint; move it away to start anew")
    digest_size = hashlib.sha256().digest_size
    start = len(MAGIC) + digest_size
    digest, body = file[len(MAGIC) : start], file[start:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("it is damaged; move it away to start anew")
    return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
