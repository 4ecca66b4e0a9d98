"""Attribution: maps that add up, dreams that climb, components that are PCA's."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from snnl_tutorial.attribution import (
    class_activation_map,
    dream,
    dream_objective,
    grad_cam,
    paired_components,
)
from tests.helpers import rows_of


def pooled(inplace=False):
    """A network with nothing but a mean over space between its maps and its head."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        nn.ReLU(inplace),
        nn.Conv2d(5, 7, 3, stride=2),
        nn.ReLU(inplace),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(7, 4),
    ).double()


def flattened():
    """A network whose head sees every place by itself."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 3)
    ).double()


def images_of(seed, n=3, side=8, channels=3):
    rows = rows_of(seed, n, channels * side * side, torch.float64)
    return rows.view(n, channels, side, side)


IMAGES = images_of(0)


def hooks(model):
    return sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()
    )


# --- class activation maps ------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_mean_of_the_map_is_the_logit(bias, training):
    model = pooled()
    if not bias:
        model[8].bias = None
    model.train(training)
    maps = class_activation_map(model, IMAGES, "4", "8")
    assert maps.shape == (3, 4, 3, 3)
    assert not maps.requires_grad
    assert model.training == model[7].training == training
    logits = model.eval()(IMAGES)
    means = maps.mean(dim=(2, 3)) + (model[8].bias if bias else 0)
    assert torch.allclose(means, logits)


def test_the_map_is_that_of_the_loop():
    model = pooled().eval()
    maps = class_activation_map(model, IMAGES, "4", "8")
    features, weight = model[:5](IMAGES).detach(), model[8].weight.detach()
    for n in range(3):
        for c in range(4):
            for y in range(3):
                for x in range(3):
                    want = sum(
                        float(weight[c, k] * features[n, k, y, x]) for k in range(7)
                    )
                    assert float(maps[n, c, y, x]) == pytest.approx(want)


@pytest.mark.parametrize("between", [nn.AdaptiveMaxPool2d(1), nn.AvgPool2d(2)])
def test_more_than_a_mean_between_is_refused(between):
    model = pooled()
    model[5] = between  # the second one forgets the last row and column
    with pytest.raises(ValueError, match="nothing but a mean over space"):
        class_activation_map(model, IMAGES, "4", "8")


def test_bad_input_of_a_map_is_named():
    model, maps = pooled(), class_activation_map
    for images, error, says in [
        (
            IMAGES[0],
            ValueError,
            r"images must have shape \(N, chan.* \(3, 8, 8\)",
        ),
        (IMAGES[:0], ValueError, "images must have shape"),
        (IMAGES[:, :1], ValueError, r"images of shape \(3, 1, 8, 8\).* do not fit"),
        (IMAGES[..., :1, :1], ValueError, "do not fit the model"),
        (IMAGES.float(), ValueError, "torch.float32.* do not fit the model"),
        (IMAGES.long(), TypeError, "images must be real floating; got torch.int64"),
        (IMAGES.numpy(), TypeError, "images must be of type Tensor; got ndarray"),
        (IMAGES * math.nan, ValueError, "images must be finite"),
    ]:
        with pytest.raises(error, match=says):
            maps(model, images, "4", "8")
        with pytest.raises(error, match=says):
            grad_cam(model, images, "4")
    for layer, head, error, says in [
        ("none", "8", ValueError, "layer: the model has no 'none'; it has .*'0', '1'"),
        ("4", "none", ValueError, "head: the model has no 'none'"),
        ("4", 8, TypeError, "head must be of type str; got int"),
        ("4", "3", TypeError, "head must name a Linear layer; '3' is a Conv2d"),
        ("6", "8", ValueError, r"layer '6' must put out a spatial map.* \(3, 7\)"),
        ("2", "8", ValueError, "head '8' must take the 5 channels of layer '2'"),
    ]:
        with pytest.raises(error, match=says):
            maps(model, IMAGES, layer, head)
    with pytest.raises(TypeError, match="model must be of type Module; got function"):
        maps(lambda x: x, IMAGES, "4", "8")
    assert hooks(model) == 0


# --- Grad-CAM -------------------------------------------------------------------------


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("trainable", [False, True])
def test_behind_a_mean_it_is_the_positive_part_of_the_map(inplace, trainable):
    model = pooled(inplace).requires_grad_(trainable)
    classes = torch.tensor([2, 0, 3])
    maps = class_activation_map(model, IMAGES, "4", "8")
    want = torch.stack([maps[n, c].relu() / 9 for n, c in enumerate(classes)])
    got = grad_cam(model, IMAGES, "4", classes)
    assert torch.allclose(got, want)
    assert (want > 0).any()
    assert not got.requires_grad
    assert all(p.grad is None for p in model.parameters())
    assert hooks(model) == 0


def test_the_predicted_class_is_the_default():
    model = pooled().eval()
    predicted = model(IMAGES).argmax(dim=1)
    asked = grad_cam(model, IMAGES, "4", predicted)
    assert torch.equal(grad_cam(model, IMAGES, "4"), asked)


def test_in_any_network_it_is_that_of_finite_differences():
    model = flattened()
    got = grad_cam(model, IMAGES, "0", torch.tensor([1, 1, 1]))
    features = model[0](IMAGES).detach()  # before the tanh
    for n in range(3):
        weights = []
        for k in range(4):
            slopes = 0.0
            for y in range(6):
                for x in range(6):
                    nudged = features[n : n + 1].repeat(2, 1, 1, 1)
                    nudged[0, k, y, x] += 1e-5
                    nudged[1, k, y, x] -= 1e-5
                    up, down = model[1:](nudged)[:, 1].tolist()
                    slopes += (up - down) / 2e-5
            weights.append(slopes / 36)
        want = sum(w * features[n, k] for k, w in enumerate(weights)).relu()
        assert torch.allclose(got[n], want, atol=1e-7)


class Twice(nn.Module):
    """Runs its layer twice, or not at all, or hides it from the gradient."""

    def __init__(self, times, hidden=False):
        super().__init__()
        self.layer, self.times, self.hidden = nn.Conv2d(3, 3, 1), times, hidden
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        for _ in range(self.times):
            x = self.layer(x)
        return self.head((x.detach() if self.hidden else x).mean(dim=(2, 3)))


def test_bad_input_of_grad_cam_is_named():
    model, twice = pooled(), Twice(2).double()
    for layer, classes, error, says in [
        ("6", None, ValueError, "must put out a spatial map"),
        ("x", None, ValueError, "layer: the model has no 'x'"),
        ("4", torch.tensor([0, 1]), ValueError, r"classes must have shape \(3,\)"),
        ("4", torch.tensor([0, 1, 4]), ValueError, "classes must be from 0 to 3"),
        ("4", torch.tensor([0, 1, -1]), ValueError, "classes must be from 0 to 3"),
        ("4", torch.ones(3), TypeError, "classes must be integer"),
        ("4", [0, 1, 2], TypeError, "classes must be a torch.Tensor; got list"),
    ]:
        with pytest.raises(error, match=says):
            grad_cam(model, IMAGES, layer, classes)
    with pytest.raises(ValueError, match="must run once; it ran 2 times"):
        grad_cam(twice, IMAGES, "layer")
    with pytest.raises(ValueError, match="must run once; it ran 0 times"):
        grad_cam(Twice(0).double(), IMAGES, "layer")
    with pytest.raises(ValueError, match="layer 'layer': there is no gradient"):
        grad_cam(Twice(1, hidden=True).double(), IMAGES, "layer")
    with pytest.raises(ValueError, match=r"must put out \(N, classes\) logits"):
        grad_cam(model[:5], IMAGES, "2")
    assert hooks(model) == hooks(twice) == 0


# --- dreams ---------------------------------------------------------------------------


@pytest.mark.parametrize("channel", [None, 2])
def test_the_objective_is_that_of_the_loop(channel):
    model, image = pooled().eval(), IMAGES[0]
    features = model[:3](image[None])[0]
    values = features.flatten().tolist()
    want = sum(v * v for v in values) / len(values)
    if channel is not None:
        want = sum(features[2].flatten().tolist()) / 64
    assert dream_objective(model, image, "2", channel).item() == pytest.approx(want)
    assert dream_objective(model, image, "8", 1).item() == pytest.approx(
        model(image[None])[0, 1].item()
    )


def test_one_step_is_that_of_finite_differences():
    model, image = flattened(), IMAGES[0]
    got = dream(model, image, "1", steps=1, octaves=1, jitter=0, rate=0.1)
    gradient = torch.zeros_like(image)
    for place in range(image.numel()):
        nudged = image.repeat(2, 1, 1, 1)
        nudged[0].view(-1)[place] += 1e-5
        nudged[1].view(-1)[place] -= 1e-5
        up, down = model[:2](nudged).square().mean(dim=(1, 2, 3))
        gradient.view(-1)[place] = (up - down) / 2e-5
    want = image + 0.1 * gradient / gradient.abs().mean()
    assert torch.allclose(got, want, atol=1e-5)
    assert math.isclose(float((got - image).abs().mean()), 0.1)


@pytest.mark.parametrize("layer", ["0", "2", "4"])
def test_a_dream_beats_noise_of_the_same_size(layer):
    model, image = pooled().eval(), images_of(5, 1, side=24)[0]
    model.requires_grad_(False)
    before = image.clone()
    dreamed = dream(model, image, layer, steps=10, rate=0.05)
    assert torch.equal(image, before)
    change = (dreamed - image).square().mean().sqrt()
    start = dream_objective(model, image, layer)
    noise = [
        dream_objective(model, image + change * images_of(s, 1, side=24)[0], layer)
        for s in range(10)
    ]
    assert dream_objective(model, dreamed, layer) > max(*noise, 2 * start)


def test_a_channel_is_raised_and_the_seed_decides():
    model, image = pooled(), images_of(5, 1, side=24)[0]
    for channel in range(7):
        dreamed = dream(model, image, "3", channel, steps=9)
        risen = dream_objective(model, dreamed, "3", channel)
        assert risen > dream_objective(model, image, "3", channel)
    again, other = (dream(model, image, "3", 6, steps=9, seed=s) for s in (0, 1))
    assert torch.equal(again, dreamed)
    assert not torch.equal(other, dreamed)
    assert all(p.grad is None for p in model.parameters())
    assert model.training


def test_a_jittered_step_is_a_step_on_the_moved_image():
    """One step moves the image by what the seed draws, and the gradient back."""
    model, image = flattened(), IMAGES[0]
    draw = torch.Generator().manual_seed(3)
    dy, dx = torch.randint(-2, 3, (2,), generator=draw).tolist()
    assert dy or dx
    moved = image.roll((dy, dx), (1, 2))
    plain = dream(model, moved, "1", steps=1, octaves=1, jitter=0)
    got = dream(model, image, "1", steps=1, octaves=1, jitter=2, seed=3)
    assert torch.allclose(got, plain.roll((-dy, -dx), (1, 2)))


def test_bad_input_of_a_dream_is_named():
    model, image = pooled(), images_of(5, 1, side=16)[0]
    for arguments, error, says in [
        ({"layer": "x"}, ValueError, "layer: the model has no 'x'"),
        ({"channel": 7}, ValueError, r"channel must be one of layer '4'.*got 7"),
        ({"channel": -1}, ValueError, "channel must be at least 0; got -1"),
        ({"channel": 0.5}, TypeError, "channel must be an integer; got float"),
        ({"image": image[None]}, ValueError, r"image must have shape \(channels, h"),
        ({"image": image[:2]}, ValueError, "image of shape .* do not fit the model"),
        ({"image": image.numpy()}, TypeError, "image must be of type Tensor"),
        ({"octaves": 4}, ValueError, r"octaves must leave 8 pixels .*\(16, 16\)"),
        ({"octaves": 0}, ValueError, "octaves must be at least 1; got 0"),
        ({"steps": 0}, ValueError, "steps must be at least 1; got 0"),
        ({"jitter": -1}, ValueError, "jitter must be at least 0"),
        ({"rate": -1.0}, ValueError, "rate must be at least 0"),
        ({"rate": "1"}, TypeError, "rate must be a number; got str"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
    ]:
        usual = {"image": image, "layer": "4", "octaves": 2, "steps": 1}
        with pytest.raises(error, match=says):
            dream(model, **{**usual, **arguments})


# --- paired components ----------------------------------------------------------------

FEATURES = images_of(7, 2, side=4, channels=6)
OTHER = images_of(8, 1, side=5, channels=6)[0] + 0.5


@pytest.mark.parametrize("n", [1, 3, 6])
@pytest.mark.parametrize("b", [FEATURES[1], OTHER])
def test_components_are_those_of_scikit_learn(n, b):
    found = paired_components(FEATURES[0], b, n)
    rows = np.concatenate([x.flatten(1).T.numpy() for x in (FEATURES[0], b)])
    pca = PCA(n, svd_solver="full").fit(rows)
    scores = pca.transform(rows).T
    assert np.allclose(found.maps_a.flatten(1), scores[:, :16])
    assert np.allclose(found.maps_b.flatten(1), scores[:, 16:])
    assert found.maps_b.shape == (n, *b.shape[1:])
    assert np.allclose(found.variance, pca.explained_variance_ratio_)


def test_the_share_between_is_that_of_the_analysis_of_variance():
    found = paired_components(FEATURES[0], OTHER, 6)
    for a, b, share in zip(found.maps_a, found.maps_b, found.between, strict=True):
        groups = [a.flatten().tolist(), b.flatten().tolist()]
        everything = groups[0] + groups[1]
        middle = sum(everything) / len(everything)
        whole = sum((s - middle) ** 2 for s in everything)
        within = sum(sum((s - sum(g) / len(g)) ** 2 for s in g) for g in groups)
        assert float(share) == pytest.approx(1 - within / whole)


def test_what_only_tells_the_images_apart_is_all_between():
    shift = torch.zeros(6, 1, 1, dtype=torch.float64)
    shift[2] = 50.0
    found = paired_components(FEATURES[0], FEATURES[0] + shift, 2)
    assert found.between[0] > 0.99
    assert found.variance[0] > 0.95
    same = paired_components(FEATURES[0], FEATURES[0], 3)
    assert torch.allclose(same.between, torch.zeros(3).double(), atol=1e-12)
    assert torch.allclose(same.maps_a, same.maps_b)
    assert same.maps_a.dtype == torch.float64
    single = paired_components(FEATURES[0].float(), FEATURES[1].float(), 3)
    assert single.maps_a.dtype == single.between.dtype == torch.float32


def test_bad_input_of_components_is_named():
    a, b = FEATURES
    for arguments, error, says in [
        ((a[0], b, 1), ValueError, r"features_a must have shape \(K, h, w\)"),
        ((a, b[:5], 1), ValueError, "features_b must have the 6 features"),
        ((a, b.float(), 1), TypeError, "features_b must be torch.float64 on cpu"),
        ((a, b.long(), 1), TypeError, "features_b must be real floating"),
        ((a, [b], 1), TypeError, "features_b must be of type Tensor; got list"),
        ((a, b * math.nan, 1), ValueError, "features_b must be finite"),
        ((a, b, 7), ValueError, "n must be at most 6"),
        ((a[:, :1, :1], b[:, :1, :1], 2), ValueError, "n must be at most 1"),
        ((a, b, 0), ValueError, "n must be at least 1; got 0"),
        ((a, b, 1.5), TypeError, "n must be an integer; got float"),
        ((a * 0 + 3, b * 0 + 3, 1), ValueError, "must vary; got equal features"),
    ]:
        with pytest.raises(error, match=says):
            paired_components(*arguments)
