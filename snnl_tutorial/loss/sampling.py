"""Sampling probabilities: whom would this row pick as its neighbor? (chapter 2)"""

import torch
from torch import Tensor

from snnl_tutorial.loss.checks import check_real
from snnl_tutorial.loss.temperature import check_temperature


def similarities(distances: Tensor, temperature: float | Tensor) -> Tensor:
    r"""Turn distances into weights between 0 and 1: :math:`e^{-d_{ij}/T}`.

    Args:
        distances: (N, M).
        temperature: T > 0, in the units of the distances. Small T: only the nearest
            rows count. Large T: all rows count alike.

    Returns:
        (N, M). Weights below the smallest float underflow to 0; `sampling_logits`
        keeps their logarithms.

    Example:
        >>> similarities(torch.tensor([0.0, 0.5, 1.0]), temperature=0.5)
        tensor([1.0000, 0.3679, 0.1353])

    Derived in chapter 2.
    """
    return torch.exp(sampling_logits(distances, temperature))


def sampling_logits(distances: Tensor, temperature: float | Tensor) -> Tensor:
    r"""Logarithms of the similarities: :math:`s_{ij} = -d_{ij}/T`.

    Args:
        distances: (N, M).
        temperature: T > 0, in the units of the distances: a number, or a tensor, 0-d or
            (N, 1) with one T a row. The values of a tensor are not checked.

    Returns:
        (N, M), finite where exp would underflow.

    Raises:
        ValueError, TypeError: T is neither a tensor nor a positive, finite number.

    Example:
        >>> sampling_logits(torch.tensor([0.0, 0.5, 500.0]), temperature=0.5)
        tensor([   -0.,    -1., -1000.])

    Derived in chapter 2.
    """
    if not isinstance(temperature, Tensor):
        temperature = check_temperature(temperature)
    return -distances / temperature


def masked_logsumexp(logits: Tensor, mask: Tensor) -> Tensor:
    r"""Logarithm of a row's sum over the allowed columns.

    .. math:: \log \sum_{j \in \text{mask}_i} e^{s_{ij}}

    The largest logit is taken out before the exponential, so nothing over- or
    underflows. A masked column is left out, not subtracted: no residue stays.

    Args:
        logits: (N, M).
        mask: (N, M) bool, True where the column counts.

    Returns:
        (N,); the lowest finite number where a row allows no column (a stand-in for
        log 0 that, unlike -inf, gives no NaN in the gradient).

    Example:
        >>> logits = torch.tensor([[0.0, -1000.0, -1000.0]])
        >>> masked_logsumexp(logits, torch.tensor([[False, True, True]]))
        tensor([-999.3068])

    Derived in chapter 2.
    """
    lowest = torch.finfo(logits.dtype).min
    return logits.masked_fill(~mask, lowest).logsumexp(dim=1).clamp(min=lowest)


def sampling_probability(
    distances: Tensor, temperature: float | Tensor, candidates: Tensor
) -> Tensor:
    r"""Probability that row i picks candidate j as its neighbor.

    .. math:: p_{ij} = \frac{e^{-d_{ij}/T}}{\sum_{k \ne i} e^{-d_{ik}/T}}

    Goldberger et al. (2004, equation 1), with the temperature of Frosst et al. (2019).

    Args:
        distances: (N, M).
        temperature: T > 0, in the units of the distances.
        candidates: (N, M) bool, whom a row may pick: see `masking.other_rows`.

    Returns:
        (N, M); a row sums to 1, or to 0 where it has no candidate.

    Example:
        >>> distances = torch.tensor([[0.0, 1.0, 2.0]])
        >>> candidates = torch.tensor([[False, True, True]])
        >>> sampling_probability(distances, 1.0, candidates)
        tensor([[0.0000, 0.7311, 0.2689]])

    Derived in chapter 2.
    """
    logits = sampling_logits(distances, temperature)
    log_probability = logits - masked_logsumexp(logits, candidates)[:, None]
    return log_probability.masked_fill(~candidates, -torch.inf).exp()


def published_sampling_probability(
    distances: Tensor, temperature: float | Tensor, epsilon: float = 1e-5
) -> Tensor:
    r"""The same probability as the published code computes it.

    .. math:: \hat p_{ij} = \frac{e^{-d_{ij}/T} - [i = j]}
                                 {\varepsilon + \sum_k (e^{-d_{ik}/T} - [i = k])}

    Agarap and Azcarraga (2020). Subtracting the identity leaves the diagonal's
    rounding residue behind, and a row whose weights underflow sums to 0. Kept for the
    chapters that show both; use `sampling_probability` for work.

    Args:
        distances: (N, N).
        temperature: T > 0, in the units of the distances.
        epsilon: keeps the division finite.

    Returns:
        (N, N).

    Example:
        >>> published_sampling_probability(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 1.0)
        tensor([[0.0000, 1.0000],
                [1.0000, 0.0000]])

    Derived in chapter 2.
    """
    epsilon = check_real(epsilon, "epsilon", least=0)
    identity = torch.eye(len(distances), dtype=distances.dtype, device=distances.device)
    weights = similarities(distances, temperature) - identity
    return weights / (weights.sum(dim=1, keepdim=True) + epsilon)
