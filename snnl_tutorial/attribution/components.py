"""What varies in the features of two images. (chapter 17)"""

from typing import NamedTuple

import torch
from torch import Tensor

from snnl_tutorial.attribution.checks import check_map
from snnl_tutorial.loss.checks import check_integer


class PairedComponents(NamedTuple):
    """What varies in the features of two images, from `paired_components`.

    Attributes:
        maps_a: (n, h, w), where each component is in the first image.
        maps_b: (n, h', w'), and in the second one, on the same scale.
        variance: (n,) share of the whole variance, largest first.
        between: (n,) share of a component's variance that only tells the two images
            apart: 1 if the component is constant within each image, 0 if both images
            have the same mean.
    """

    maps_a: Tensor
    maps_b: Tensor
    variance: Tensor
    between: Tensor


def paired_components(
    features_a: Tensor, features_b: Tensor, n: int
) -> PairedComponents:
    r"""Principal components of the features of two images, as pairs of pictures.

    Every place of both images is a row of K features. The rows are joined and centered,
    and analyzed once; the scores are laid out as pictures again. Of the variance of a
    component with scores :math:`s`, the share

    .. math:: \frac{\sum_{g \in \{a, b\}} N_g\, \bar s_g^2}{\sum_i s_i^2}

    lies between the images: it only tells them apart.

    Args:
        features_a: (K, h, w), real floating, of one image.
        features_b: (K, h', w'), the same K features of the other.
        n: how many components, at most K and at most the number of rows less one.

    Returns:
        A `PairedComponents`, on the device and in the dtype of the features. The
        entry of a component that is largest in size is positive, as in scikit-learn.

    Raises:
        ValueError: other shapes, too many components, features that are all equal or
            not finite.
        TypeError: features that are no real floating tensors, or of different dtypes.

    Example:
        >>> features = torch.arange(8.0).view(2, 2, 2)
        >>> found = paired_components(features, features + 9, n=1)
        >>> found.maps_a.shape, [round(share.item(), 3) for share in found[2:]]
        (torch.Size([1, 2, 2]), [1.0, 0.942])

    Derived in chapter 17.
    """
    check_map(features_a, "features_a", "(K, h, w)")
    check_map(features_b, "features_b", "(K, h, w)")
    if features_a.shape[0] != features_b.shape[0]:
        raise ValueError(
            f"features_b must have the {len(features_a)} features of features_a; "
            f"got {len(features_b)}"
        )
    if (features_a.dtype, features_a.device) != (features_b.dtype, features_b.device):
        raise TypeError(
            f"features_b must be {features_a.dtype} on {features_a.device}, as "
            f"features_a; got {features_b.dtype} on {features_b.device}"
        )
    count = features_a[0].numel()
    rows = torch.cat([features_a.flatten(1), features_b.flatten(1)], dim=1).T
    rows = (rows - rows.mean(dim=0)).double()  # (h w + h' w', K)
    most = min(len(rows) - 1, rows.shape[1])
    if check_integer(n, "n", least=1) > most:
        raise ValueError(f"n must be at most {most}, for rows {rows.shape}; got {n}")
    total = rows.square().sum()
    if total == 0:
        raise ValueError("features_a and features_b must vary; got equal features")
    _, _, axes = torch.linalg.svd(rows, full_matrices=False)
    axes = axes[:n]
    largest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
    scores = (axes * largest.sign() @ rows.T).detach()  # (n, rows)
    parts = scores[:, :count], scores[:, count:]
    sizes = scores.square().sum(dim=1)
    means = sum(part.shape[1] * part.mean(dim=1).square() for part in parts)
    between = means / sizes.clamp(min=1e-300)
    maps = (
        part.reshape(-1, *features.shape[1:])
        for part, features in zip(parts, (features_a, features_b), strict=True)
    )
    return PairedComponents(
        *(x.to(features_a.dtype) for x in (*maps, sizes / total, between))
    )
