"""Attacks: small changes of an image that raise a classifier's loss. (chapter 12)"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from snnl_tutorial.learning.models import restore_modes
from snnl_tutorial.loss.batch import check_labels
from snnl_tutorial.loss.checks import check_integer, check_real


def fgsm(model: nn.Module, images: Tensor, labels: Tensor, radius: float) -> Tensor:
    r"""One step by the sign of the gradient: the fast gradient sign method.

    .. math:: x' = \mathrm{clip}_{[0, 1]}\left(x + r\, \mathrm{sign}\,
              \nabla_x L(x, y)\right)

    Goodfellow et al. (2015, section 4), with L the cross-entropy. No pixel moves by
    more than r.

    Args:
        model: images (N, ...) to logits (N, K); used in evaluation mode, whose weights
            and their gradients stay what they are.
        images: (N, ...) floating in [0, 1].
        labels: (N,) integer, the classes to lead away from.
        radius: r, the largest change of a pixel.

    Returns:
        The changed images (N, ...), in [0, 1].

    Raises:
        ValueError, TypeError: the images are not floating numbers in [0, 1], labels do
            not fit, or the radius is not a finite number of at least 0.

    Example:
        >>> model = nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -1.0], [0.0, 0.0]])
        >>> fgsm(model, torch.tensor([[0.5, 0.5]]), torch.tensor([0]), radius=0.25)
        tensor([[0.2500, 0.7500]])

    Derived in chapter 12.
    """
    radius = check_attack(images, labels, radius)
    moved = images + radius * gradient_sign(model, images, labels)
    return moved.clamp(0, 1).detach()


def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    radius: float,
    *,
    steps: int = 10,
    step_size: float | None = None,
    seed: int = 0,
) -> Tensor:
    r"""Many small steps by the sign of the gradient: projected gradient descent.

    .. math:: x_{t+1} = \Pi\left(x_t + s\, \mathrm{sign}\, \nabla_x L(x_t, y)\right)

    Madry et al. (2018, section 2.1). The projection moves every pixel back to [0, 1],
    and to a distance of r at most from where it was; the first x is drawn at random
    within both.

    Args:
        model: images (N, ...) to logits (N, K), as in `fgsm`.
        images: (N, ...) floating in [0, 1].
        labels: (N,) integer, the classes to lead away from.
        radius: r, the largest change of a pixel.
        steps: number of steps.
        step_size: s. Default: 2.5 r / steps, enough to cross the ball.
        seed: of the first x.

    Returns:
        The changed images (N, ...), in [0, 1].

    Raises:
        ValueError, TypeError: as in `fgsm`, or fewer than one step.

    Example:
        >>> model = nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -1.0], [0.0, 0.0]])
        >>> pgd(model, torch.tensor([[0.5, 0.5]]), torch.tensor([0]), radius=0.25)
        tensor([[0.2500, 0.7500]])

    Derived in chapter 12.
    """
    radius = check_attack(images, labels, radius)
    steps = check_integer(steps, "steps", least=1)
    step_size = 2.5 * radius / steps if step_size is None else step_size
    step_size = check_real(step_size, "step_size", least=0)
    seed = check_integer(seed, "seed")
    lowest, highest = (images - radius).clamp(0), (images + radius).clamp(max=1)
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(
        images.shape, generator=generator, dtype=torch.float64, device="cpu"
    )
    moved = lowest + share.to(images) * (highest - lowest)
    for _ in range(steps):
        moved = moved + step_size * gradient_sign(model, moved, labels)
        moved = moved.clamp(lowest, highest)
    return moved.detach()


def gradient_sign(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The sign of each pixel's slope of the cross-entropy, in evaluation mode."""
    with restore_modes(model), torch.enable_grad():
        model.eval()
        images = images.detach().requires_grad_()
        # The sum, so that each image's slope is its own, whatever the batch.
        loss = cross_entropy(model(images), labels, reduction="sum")
        return torch.autograd.grad(loss, images)[0].sign()


def check_attack(images: Tensor, labels: Tensor, radius: float) -> float:
    """The radius; raise unless there are images in [0, 1], and a label for each."""
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = getattr(images, "dtype", type(images).__name__)
        raise TypeError(f"images must be a floating tensor; got {kind}")
    if images.numel() == 0 or not ((images >= 0) & (images <= 1)).all():
        raise ValueError("images must be numbers in [0, 1], at least one of them")
    check_labels(labels, images)
    return check_real(radius, "radius", least=0)
