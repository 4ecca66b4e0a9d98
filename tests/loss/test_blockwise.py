"""Tiles against the whole matrix and against the float64 loop, for every tile size."""

import math
import tracemalloc

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from snnl_tutorial import SoftNearestNeighborLoss, soft_nearest_neighbor_loss
from snnl_tutorial.loss import blockwise, few_classes, tiles
from snnl_tutorial.loss.blockwise import tiled_losses
from snnl_tutorial.loss.distance import (
    NAMED_DISTANCES,
    as_real_rows,
    cosine_distance,
    pairwise_distance,
)
from snnl_tutorial.loss.inner_product import inner_product_form
from snnl_tutorial.loss.masking import neighbor_masks
from snnl_tutorial.loss.sampling import sampling_logits
from snnl_tutorial.loss.soft_nearest_neighbor import anchor_losses, row_losses
from snnl_tutorial.loss.tiles import class_numbers, one_hot_classes
from tests import oracle
from tests.loss.test_distance import rows_of
from tests.loss.test_soft_nearest_neighbor import labels_of

DISTANCES = sorted(NAMED_DISTANCES)
LIMITS = [0, tiles.MOST_CLASSES]  # every batch has many classes, or few
TEMPERATURES = ["learned there", "learned here", "tensor here"]


def whole_matrix(rows, labels, temperature, distance, refs=None, ref_labels=None):
    """The same losses by autograd through the whole N x M matrix."""
    distances = pairwise_distance(rows, refs, distance)
    masks = neighbor_masks(labels, ref_labels)
    return anchor_losses(sampling_logits(distances, temperature), masks), masks.anchors


@settings(max_examples=120)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(0, 23),
    m=st.integers(0, 17),
    block=st.one_of(st.none(), st.integers(1, 25)),
    distance=st.sampled_from(DISTANCES),
    with_refs=st.booleans(),
    log_t=st.sampled_from([-3, -2, -1, 0, 1, 2, 3]),
    most=st.sampled_from(LIMITS),
)
def test_equal_to_the_whole_matrix(seed, n, m, block, distance, with_refs, log_t, most):
    rows = rows_of(seed, n, 5, torch.float64).requires_grad_()
    labels = labels_of(seed, n, ignored=True)
    refs = rows_of(seed + 1, m, 5, torch.float64).requires_grad_()
    both = (refs, labels_of(seed + 1, m, ignored=True)) if with_refs else (None, None)
    temperature = torch.tensor(10.0**log_t, dtype=torch.float64, requires_grad=True)
    weights = rows_of(seed + 2, n, 1, torch.float64)[:, 0]
    inputs = [rows, temperature, refs] if with_refs else [rows, temperature]
    want, want_anchors = whole_matrix(rows, labels, temperature, distance, *both)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "MOST_CLASSES", most)
        got, anchors = tiled_losses(
            rows, labels, temperature, distance, *both, block_size=block
        )
    assert torch.equal(anchors, want_anchors)
    scale = max(1.0, 1 / temperature.item())
    assert torch.allclose(got, want, rtol=1e-9, atol=1e-12 * scale)
    gradients = torch.autograd.grad(weights @ got, inputs)
    expected = torch.autograd.grad(weights @ want, inputs)
    for ours, theirs in zip(gradients, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-7, atol=1e-9 * scale**2)


@pytest.mark.parametrize("block", [None, 16, 50, 64, 100])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("most", LIMITS)
def test_float32_close_to_the_whole_matrix(
    monkeypatch, block, distance, temperature, most
):
    monkeypatch.setattr(tiles, "MOST_CLASSES", most)
    labels = labels_of(0, 100, classes=5)
    results = []
    for how in ("whole", "tiles"):
        rows = rows_of(0, 100, 20).requires_grad_()
        if how == "whole":
            losses, anchors = whole_matrix(rows, labels, temperature, distance)
            loss = losses.sum() / anchors.sum()
        else:
            loss = soft_nearest_neighbor_loss(
                *(rows, labels),
                temperature=temperature,
                distance=distance,
                block_size=block,
            )
        (gradient,) = torch.autograd.grad(loss, rows)
        results.append((loss.item(), gradient))
    (want, theirs), (got, ours) = results
    assert got == pytest.approx(want, rel=1e-6)
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("block", [1, 7, 24])
@pytest.mark.parametrize("temperature", [1e-3, 0.03, 1.0, 1e3])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("most", LIMITS)
def test_equal_to_the_loop(monkeypatch, block, temperature, distance, most):
    monkeypatch.setattr(tiles, "MOST_CLASSES", most)
    rows, labels = rows_of(0, 24, 6, torch.float64), labels_of(0, 24)
    got, _ = tiled_losses(rows, labels, temperature, distance, block_size=block)
    want, _ = oracle.row_losses(rows, labels, temperature, distance)
    assert torch.allclose(got, torch.from_numpy(want), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("temperature", [0.01, 0.5])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("most", LIMITS)
def test_gradcheck_across_tiles(monkeypatch, temperature, distance, most):
    monkeypatch.setattr(tiles, "MOST_CLASSES", most)
    rows = rows_of(0, 7, 3, torch.float64).requires_grad_()
    temperature = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2, -100, 0])

    def loss(rows, temperature):
        return soft_nearest_neighbor_loss(
            *(rows, labels), temperature=temperature, distance=distance, block_size=3
        )

    assert torch.autograd.gradcheck(loss, (rows, temperature))


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("temperature", [1e-3, 1e-2, 0.1])
@pytest.mark.parametrize("rows", [100, 600])  # one tile, and several
def test_the_gradient_in_t_survives_rows_that_are_much_alike(
    distance, temperature, rows
):
    """All cosines are near 1: what matters is what is left of 1."""
    labels, gradients = torch.arange(rows) % 10, []
    embeddings = 1 + 0.01 * rows_of(0, rows, 64)
    for dtype in (torch.float32, torch.float64):
        learned = torch.tensor(temperature, dtype=dtype, requires_grad=True)
        losses, _ = (tiled_losses if dtype == torch.float32 else whole_matrix)(
            embeddings.to(dtype), labels, learned, distance
        )
        gradients.append(torch.autograd.grad(losses.sum(), learned)[0].item())
    ours, true = gradients
    assert ours == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize("most", LIMITS)
def test_tiles_kept_or_computed_anew_are_the_same(monkeypatch, most):
    monkeypatch.setattr(tiles, "MOST_CLASSES", most)
    monkeypatch.setattr(blockwise, "BLOCK", 16)
    labels = labels_of(0, 60)
    gradients = []
    for limit in (0, 2**28):
        monkeypatch.setattr(blockwise, "KEPT_BYTES", limit)
        rows = rows_of(0, 60, 5).requires_grad_()
        loss = soft_nearest_neighbor_loss(rows, labels, temperature=0.1)
        gradients.append(torch.autograd.grad(loss, rows)[0])
    assert torch.equal(*gradients)


def test_what_was_kept_for_backward_is_let_go_by_it():
    sizes = []

    def seen(tensor):
        sizes.append(tensor.numel())
        return tensor

    for rows in (rows_of(0, 300, 5), rows_of(0, 600, 5)):  # one tile, and several
        sizes.clear()
        with torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
            loss = soft_nearest_neighbor_loss(
                rows.requires_grad_(), labels_of(0, len(rows))
            )
        assert max(sizes) >= 300 * 300 - 1  # torch's own keeping, which it can undo
        loss.backward()
        with pytest.raises(RuntimeError, match="backward through the graph a second"):
            loss.backward()


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("what", ["rows", "temperature"])
@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("block", [None, 7])
def test_where_nobody_looks_at_values_nan_comes_out_as_nan(
    monkeypatch, distance, what, cold, block
):
    """As on a GPU, whose values cannot be looked at without waiting for it."""
    for place in (
        "checks.check_finite",
        "soft_nearest_neighbor.check_temperature",
        "blockwise.check_reach",
    ):
        monkeypatch.setattr(f"snnl_tutorial.loss.{place}", lambda *_: None)
    if cold:
        monkeypatch.setattr(blockwise, "is_safe", lambda *_: False)
    rows, labels = rows_of(0, 30, 5), labels_of(0, 30)
    temperature = torch.tensor(torch.nan if what == "temperature" else 0.5)
    if what == "rows":
        rows[3, 2] = torch.nan
    loss = soft_nearest_neighbor_loss(
        *(rows, labels), temperature=temperature, distance=distance, block_size=block
    )
    assert loss.isnan()


def test_sums_stay_finite_where_they_are_plain():
    """A partner on the other side, thousands of strangers here: O / S is e^(2/T) N."""
    temperature = 1 / 34.9
    assert blockwise.is_safe(1.0, temperature, torch.float32)
    rows = torch.tensor([[1.0, 0.0]]).repeat(12_000, 1)
    rows[1] = -rows[1]
    labels = torch.ones(12_000, dtype=torch.long)
    labels[:2] = 0
    rows.requires_grad_()
    loss = soft_nearest_neighbor_loss(rows, labels, temperature=temperature)
    loss.backward()
    strangers = 11_998
    # Row 0 has a partner at distance 2 and strangers at 0, row 1 all at 2; the others
    # have partners at 0, a stranger at 0 and one at 2.
    first = 2 / temperature + math.log(strangers)
    second = math.log1p(strangers)
    rest = math.log1p((1 + math.exp(-2 / temperature)) / (strangers - 1))
    want = (first + second + strangers * rest) / 12_000
    assert loss.item() == pytest.approx(want, rel=1e-5)
    assert rows.grad.isfinite().all()


def test_the_lowest_integer_is_an_ignore_index_like_any_other():
    lowest = -(2**63)
    rows, labels = rows_of(0, 20, 4), labels_of(0, 20)
    chosen = torch.arange(20) % 4 > 0
    hidden = torch.where(chosen, labels, lowest)
    got = soft_nearest_neighbor_loss(rows, hidden, ignore_index=lowest)
    want = oracle.loss(rows[chosen].numpy(), labels[chosen])
    assert got.item() == pytest.approx(want, rel=1e-5)


def test_a_learned_temperature_gets_its_gradient_across_tiles():
    rows, labels = rows_of(0, 40, 5, torch.float64), labels_of(0, 40)
    slopes = []
    for block in (None, 7):
        temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
        soft_nearest_neighbor_loss(
            rows, labels, temperature=temperature, block_size=block
        ).backward()
        slopes.append(temperature.grad.item())
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-10)
    step = 1e-6
    ends = [
        soft_nearest_neighbor_loss(rows, labels, temperature=0.3 + sign * step).item()
        for sign in (1, -1)
    ]
    assert slopes[0] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("distance", [*DISTANCES, torch.cdist])
@pytest.mark.parametrize("temperature", [0.01, 1.0])
@pytest.mark.parametrize("block", [None, 4, 7])
@pytest.mark.parametrize("most", LIMITS)
def test_rows_among_their_references_are_not_their_own_neighbors(
    monkeypatch, distance, temperature, block, most
):
    monkeypatch.setattr(tiles, "MOST_CLASSES", most)
    rows = rows_of(0, 20, 3, torch.float64).requires_grad_()
    labels = labels_of(0, 20, ignored=True)
    block = None if callable(distance) else block
    weights = rows_of(1, 20, 1, torch.float64)[:, 0]

    def losses(first, last):
        return row_losses(
            *(rows[first:last], labels[first:last], temperature, distance),
            *(rows, labels, -100, block, first),
        )

    parts = [losses(0, 6), losses(6, 15), losses(15, 20)]
    got, anchors = (torch.cat(part) for part in zip(*parts, strict=True))
    want, want_anchors = row_losses(rows, labels, temperature, distance)
    assert torch.equal(anchors, want_anchors)
    assert torch.allclose(got, want, rtol=1e-9, atol=1e-12)
    (gradient,) = torch.autograd.grad(weights @ got, rows)
    (expected,) = torch.autograd.grad(weights @ want, rows)
    assert torch.allclose(gradient, expected, rtol=1e-7, atol=1e-9 / temperature)


@pytest.mark.parametrize(
    ("distance", "dtype", "temperature"),
    [
        ("cosine", torch.float32, 0.05),
        ("cosine", torch.float64, 0.02),
        ("sqeuclidean", torch.float64, 0.05),
    ],
)
def test_few_classes_are_as_exact_as_many(monkeypatch, distance, dtype, temperature):
    """O is 1e-8 of S, or 1e-17: what is left of S + O - S would be noise."""
    labels = torch.arange(90) % 3
    rows = (torch.eye(3)[labels] + 3e-3 * rows_of(0, 90, 3)).to(dtype)
    want, _ = oracle.row_losses(rows.double(), labels, temperature, distance)
    assert 0 < want.max() < 1e-7
    wide = rows.double().requires_grad_()
    true, _ = whole_matrix(wide, labels, temperature, distance)
    (expected,) = torch.autograd.grad(true.sum(), wide)
    for most in LIMITS:
        monkeypatch.setattr(tiles, "MOST_CLASSES", most)
        ours = rows.clone().requires_grad_()
        got, _ = tiled_losses(ours, labels, temperature, distance, block_size=32)
        assert torch.allclose(got.double(), torch.from_numpy(want), rtol=2e-5, atol=0)
        (gradient,) = torch.autograd.grad(got.sum(), ours)
        assert (gradient - expected).abs().max() < 1e-4 * expected.abs().max()


def test_few_classes_take_products_and_many_take_masks(monkeypatch):
    calls = []

    def seen(all_tiles, keep):
        calls.append(len(all_tiles.left))
        return few_classes.class_sums(all_tiles, keep)

    monkeypatch.setattr(blockwise, "class_sums", seen)

    def are_products(classes=20, temperature=0.1, block=16):
        calls.clear()
        labels = torch.arange(80) % (classes + 1)
        labels[labels == classes] = -100  # unlabeled rows are no class
        tiled_losses(
            *(rows_of(0, 80, 5), labels, temperature, "cosine"), block_size=block
        )
        return calls == [80]

    assert are_products()
    assert not are_products(classes=21)
    assert not are_products(temperature=1e-3)  # sums need a maximum
    assert not are_products(block=None)  # one tile


def test_two_large_classes_are_summed_to_float32s_precision():
    rows, labels = rows_of(0, 1200, 8), torch.arange(1200) % 2
    losses = []
    for dtype in (torch.float32, torch.float64):
        losses.append(
            soft_nearest_neighbor_loss(rows.to(dtype), labels, temperature=0.1).item()
        )
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("most", LIMITS)
@pytest.mark.parametrize("rows", [10, 37])
def test_the_limit_counts_what_is_kept(monkeypatch, most, rows):
    monkeypatch.setattr(blockwise, "BLOCK", 16)
    monkeypatch.setattr(tiles, "MOST_CLASSES", most)
    sizes = []

    def seen(all_tiles):
        sizes.append(size_in_bytes(all_tiles))
        return sizes[-1]

    size_in_bytes = tiles.Tiles.size_in_bytes
    monkeypatch.setattr(tiles.Tiles, "size_in_bytes", seen)
    saved = []

    def pack(tensor):
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        embeddings = rows_of(0, rows, 3).requires_grad_()
        soft_nearest_neighbor_loss(embeddings, labels_of(0, rows))
    # Nothing else that is saved has as many columns as a tile.
    kept = [tensor for tensor in saved if tensor.dim() > 1 and tensor.shape[-1] > 4]
    assert [sum(tensor.nbytes for tensor in kept)] == sizes


def test_no_list_of_tiles_is_ever_held():
    rows = torch.ones(500, 1)
    every = tiles.Tiles(rows, rows, rows, rows, None, None, 0, True, True, block=1)
    tracemalloc.start()
    assert sum(1 for _ in every.places()) == 500 * 501 / 2
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20  # a list would hold 8 MiB


def test_a_gradient_that_nobody_gives_is_none():
    class Stop(torch.autograd.Function):
        @staticmethod
        def forward(ctx, losses):
            return losses.clone()

        @staticmethod
        def backward(ctx, weights):
            return None

    rows = rows_of(0, 12, 3).requires_grad_()
    losses, _ = tiled_losses(rows, labels_of(0, 12), 0.1, "cosine")
    Stop.apply(losses).sum().backward()
    assert rows.grad is None


def test_labels_too_large_for_a_float_stay_apart():
    labels = torch.tensor([2**62, 2**62 + 1, 2**62, 2**62 + 1, -100])
    one = torch.ones(1)
    numbers, same_numbers, biases, _ = class_numbers(labels, None, -100, one)
    assert numbers.tolist() == same_numbers.tolist() == [1, 3, 1, 3, 0]
    assert biases.exp().tolist() == [1, 1, 1, 1, 0]
    refs = torch.tensor([2**62 + 1, 5])
    numbers, ref_numbers, _, biases = class_numbers(labels, refs, -100, one)
    equal = numbers[:, None] == ref_numbers
    assert equal.nonzero().tolist() == [[1, 0], [3, 0]]
    assert biases.exp().tolist() == [1, 1]
    mine, theirs = one_hot_classes(labels, refs, -100, one)
    assert (mine @ theirs.T).nonzero().tolist() == [[1, 0], [3, 0]]
    assert mine.sum(dim=1).tolist() == [1, 1, 1, 1, 0]  # unlabeled: of no class


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("with_refs", [False, True])
def test_the_inner_product_form_is_the_distance(name, with_refs):
    rows = rows_of(0, 8, 3, torch.complex64)
    refs = rows_of(1, 5, 3, torch.complex64) if with_refs else None
    given = None if refs is None else as_real_rows(refs)
    form = inner_product_form(as_real_rows(rows), given, name, 0.25)
    left, right, bound = form[:3]
    others = None if refs is None else refs.numpy()
    want = torch.from_numpy(oracle.distances(rows.numpy(), others, name))
    products = 0.25 * left @ right.T
    offset = 1 if name == "cosine" else 0
    assert torch.allclose(offset - products.double(), want, atol=1e-6)
    assert products.abs().max() <= bound + 1e-6


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(
    "kind", ["plain", "tiles", "cold", "references", *TEMPERATURES]
)
def test_beside_the_cpu_no_value_is_looked_at(distance, kind):
    """A look would make the program wait for a GPU; on `meta` it raises."""
    with torch.device("meta"):
        rows = torch.empty(60, 4, requires_grad=True)
        labels = torch.empty(60, dtype=torch.long)
        refs = torch.empty(9, 4), torch.empty(9, dtype=torch.long)
        learned = torch.empty((), requires_grad=True)
    here = torch.tensor(0.5, requires_grad=kind == "learned here")
    with pytest.raises(RuntimeError, match="meta"):
        rows.sum().item()
    loss = soft_nearest_neighbor_loss(
        *(rows, labels),
        temperature={
            "cold": 1e-3,
            "learned there": learned,
            "learned here": here,
            "tensor here": here,
        }.get(kind, 1.0),
        distance=distance,
        ref_embeddings=refs[0] if kind == "references" else None,
        ref_labels=refs[1] if kind == "references" else None,
        block_size=20 if kind == "tiles" else None,
    )
    # (The gradient of a T that is learned on the CPU has to be fetched, of course.)
    inputs = [rows, learned] if kind == "learned there" else [rows]
    gradients = torch.autograd.grad(loss, inputs)
    assert [gradient.shape for gradient in gradients] == [x.shape for x in inputs]


def test_a_step_beside_the_cpu_takes_some_fifty_operations():
    """What README and the page say; views and new memory launch nothing."""
    nothing = {"view", "t", "transpose", "expand", "slice", "unsqueeze", "detach"}
    nothing |= {"alias", "diagonal", "as_strided", "select", "squeeze", "permute"}
    nothing |= {"empty", "empty_like", "new_empty", "empty_strided", "_unsafe_view"}

    class Count(TorchDispatchMode):
        number = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            name = function._schema.name.removeprefix("aten::")
            self.number += name not in nothing
            return function(*args, **(kwargs or {}))

    with torch.device("meta"):
        rows = torch.empty(256, 30, requires_grad=True)
        labels = torch.empty(256, dtype=torch.long)
    with Count() as count:
        soft_nearest_neighbor_loss(rows, labels, temperature=0.1).backward()
    assert 40 < count.number < 60


def test_lazily_conjugated_rows_are_like_any_others():
    rows, labels = rows_of(0, 12, 3, torch.complex128), labels_of(0, 12)
    lazy = soft_nearest_neighbor_loss(rows.conj(), labels)
    resolved = soft_nearest_neighbor_loss(rows.conj().resolve_conj(), labels)
    assert lazy.item() == resolved.item()


def test_a_second_derivative_is_refused_but_for_a_callable():
    rows, labels = rows_of(0, 8, 3, torch.float64).requires_grad_(), labels_of(0, 8)
    loss = soft_nearest_neighbor_loss(rows, labels)
    with pytest.raises(RuntimeError, match="no second derivative.*callable"):
        torch.autograd.grad(loss, rows, create_graph=True)

    def whole(rows):
        return soft_nearest_neighbor_loss(rows, labels, distance=cosine_distance)

    assert torch.autograd.gradgradcheck(whole, rows)


@pytest.mark.parametrize(
    ("block", "distance", "error", "message"),
    [
        (0, "cosine", ValueError, "block_size must be at least 1; got 0"),
        (2.5, "cosine", TypeError, "block_size.*float"),
        (True, "cosine", TypeError, "block_size.*bool"),
        (4, torch.cdist, ValueError, "block_size needs.*callable"),
    ],
)
def test_a_bad_block_size_is_named(block, distance, error, message):
    with pytest.raises(error, match=message):
        soft_nearest_neighbor_loss(
            *(rows_of(0, 8, 3), labels_of(0, 8)), distance=distance, block_size=block
        )


def test_the_module_hands_on_its_block_size():
    rows, labels = rows_of(0, 20, 3), labels_of(0, 20)
    module = SoftNearestNeighborLoss(temperature=0.2, block_size=6)
    want = soft_nearest_neighbor_loss(rows, labels, temperature=0.2)
    assert module(rows, labels).item() == pytest.approx(want.item(), rel=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, in jvp
@pytest.mark.parametrize("transform", ["grad", "vmap", "jvp"])
def test_the_transforms_of_torch_func_are_refused(transform):
    def loss(rows):
        return soft_nearest_neighbor_loss(rows, torch.arange(6) % 2)

    rows = rows_of(0, 6, 3)
    with pytest.raises(RuntimeError, match="setup_context|vmap"):
        {
            "grad": lambda: torch.func.grad(loss)(rows),
            "vmap": lambda: torch.vmap(loss)(rows.expand(2, 6, 3)),
            "jvp": lambda: torch.func.jvp(loss, (rows,), (rows,)),
        }[transform]()
