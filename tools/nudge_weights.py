"""Run in each kernel by `make test-cpus`: every training starts a little elsewhere.

Another processor rounds otherwise. In a training where such differences grow, they end
as other digits, and a stored output does not come out again. So nudge the first weights
by far more than any rounding: what is stored must still come out.
"""

from typing import Any

import torch

NUDGE = 1e-14
adam_init = torch.optim.Adam.__init__


def nudged_init(self: torch.optim.Adam, *args: Any, **settings: Any) -> None:
    """Set up Adam, and move its weights by about a hundred roundings of float64."""
    adam_init(self, *args, **settings)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for group in self.param_groups:
            for weights in group["params"]:
                noise = torch.randn(
                    weights.shape, generator=generator, dtype=torch.float64
                )
                weights.mul_(1 + NUDGE * noise)


torch.optim.Adam.__init__ = nudged_init  # type: ignore[method-assign]
