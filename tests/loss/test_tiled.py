"""Tiles against the whole matrix and against the float64 loop, for every tile size."""

import gc
import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from snnl_tutorial import SoftNearestNeighborLoss, soft_nearest_neighbor_loss
from snnl_tutorial.loss import ranges, tiles
from snnl_tutorial.loss.batch import Batch
from snnl_tutorial.loss.distance import NAMED_DISTANCES, as_real_rows, cosine_distance
from snnl_tutorial.loss.factors import distance_factors
from snnl_tutorial.loss.soft_nearest_neighbor import row_losses, whole_matrix_losses
from snnl_tutorial.loss.tiled import tiled_losses
from tests import oracle
from tests.helpers import labels_of, rows_of

DISTANCES = sorted(NAMED_DISTANCES)
SIZES = [100, 600]  # one tile, and several


@settings(max_examples=200)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(0, 23),
    m=st.integers(0, 17),
    block=st.one_of(st.none(), st.integers(1, 25)),
    distance=st.sampled_from(DISTANCES),
    with_refs=st.booleans(),
    log_t=st.sampled_from([-3, -2, -1, 0, 1, 2, 3]),
)
def test_equal_to_the_whole_matrix(seed, n, m, block, distance, with_refs, log_t):
    rows = rows_of(seed, n, 5, torch.float64).requires_grad_()
    refs = rows_of(seed + 1, m, 5, torch.float64).requires_grad_()
    batch = Batch(rows, labels_of(seed, n, ignored=True))
    if with_refs:
        ref_labels = labels_of(seed + 1, m, ignored=True)
        batch = batch._replace(ref_embeddings=refs, ref_labels=ref_labels)
    temperature = torch.tensor(10.0**log_t, dtype=torch.float64, requires_grad=True)
    weights = rows_of(seed + 2, n, 1, torch.float64)[:, 0]
    inputs = [rows, temperature, refs] if with_refs else [rows, temperature]
    want, want_anchors = whole_matrix_losses(batch, temperature, distance)
    got, anchors = tiled_losses(batch, temperature, distance, block_size=block)
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
def test_float32_close_to_the_whole_matrix(block, distance, temperature):
    results = []
    for compute in (whole_matrix_losses, tiled_losses):
        rows = rows_of(0, 100, 20).requires_grad_()
        settings = {} if compute is whole_matrix_losses else {"block_size": block}
        batch = Batch(rows, labels_of(0, 100, classes=5))
        losses, anchors = compute(batch, temperature, distance, **settings)
        loss = losses.sum() / anchors.sum()
        (gradient,) = torch.autograd.grad(loss, rows)
        results.append((loss.item(), gradient))
    (want, theirs), (got, ours) = results
    assert got == pytest.approx(want, rel=1e-6)
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("block", [1, 7, 24])
@pytest.mark.parametrize("temperature", [1e-3, 0.03, 1.0, 1e3])
@pytest.mark.parametrize("distance", DISTANCES)
def test_equal_to_the_loop(block, temperature, distance):
    rows, labels = rows_of(0, 24, 6, torch.float64), labels_of(0, 24)
    got, _ = tiled_losses(Batch(rows, labels), temperature, distance, block_size=block)
    want, _ = oracle.row_losses(rows, labels, temperature, distance)
    assert torch.allclose(got, torch.from_numpy(want), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("block", [None, 7])
@pytest.mark.parametrize("temperature", [1e-5, 1e-6, 1e-7, 1e-9, 1e-12])
@pytest.mark.parametrize("with_refs", [False, True])
def test_cosines_of_close_pairs_are_exact_at_the_lowest_temperatures(
    block, temperature, with_refs
):
    """All distances are near T, where float32 cosines are off by 1e-7."""
    labels, ref_labels = labels_of(0, 24), labels_of(1, 24)
    rows = torch.ones(24, 6, dtype=torch.float64)
    rows += 2 * temperature**0.5 * rows_of(0, 24, 6, torch.float64)
    rows, refs = (rows.float() * scale for scale in (1, 3))  # as float32 has them
    settings = {"refs": refs.double().numpy(), "ref_labels": ref_labels}
    want, _ = oracle.row_losses(
        rows.double().numpy(), labels, temperature, **(settings if with_refs else {})
    )
    settings = {"ref_embeddings": refs, "ref_labels": ref_labels}
    got = soft_nearest_neighbor_loss(
        rows,
        labels,
        temperature=temperature,
        reduction="none",
        block_size=block,
        **(settings if with_refs else {}),
    )
    near = max(1e-5, 1e-15 / temperature) if temperature < 1e-5 else 2e-2
    assert torch.allclose(got.double(), torch.from_numpy(want), rtol=near, atol=near)


def test_cosines_that_float64_rounds_are_warned_of():
    with pytest.warns(UserWarning, match=r"of up to 1.0e\+15, are rounded by 2.2e-01"):
        soft_nearest_neighbor_loss(rows_of(0, 8, 3), labels_of(0, 8), temperature=1e-15)


@pytest.mark.parametrize("temperature", [1e-9, 1.0, 1e6])
def test_distances_are_warned_of_from_a_rounding_of_a_hundredth(temperature):
    """Of two opposite points, whose distance is the bound itself."""
    eps = torch.finfo(torch.float64).eps
    for rounding in (0.009, 0.011):
        half = math.sqrt(temperature * rounding / eps) / 2
        rows = torch.tensor([[half, 0.0], [-half, 0.0]], dtype=torch.float64)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            soft_nearest_neighbor_loss(
                rows,
                torch.tensor([0, 0]),
                temperature=temperature,
                distance="sqeuclidean",
            )
        assert bool(warned) == (rounding > 0.01)


@pytest.mark.parametrize("temperature", [0.01, 0.5])
@pytest.mark.parametrize("distance", DISTANCES)
def test_gradcheck_across_tiles(temperature, distance):
    rows = rows_of(0, 7, 3, torch.float64).requires_grad_()
    temperature = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2, -100, 0])

    def loss(rows, temperature):
        return soft_nearest_neighbor_loss(
            rows, labels, temperature=temperature, distance=distance, block_size=3
        )

    assert torch.autograd.gradcheck(loss, (rows, temperature))


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("temperature", [1e-3, 1e-2, 0.1])
@pytest.mark.parametrize("rows", SIZES)
def test_the_gradient_in_t_survives_rows_that_are_much_alike(
    distance, temperature, rows
):
    """All cosines are near 1: what matters is what is left of 1."""
    labels, gradients = torch.arange(rows) % 10, []
    embeddings = 1 + 0.01 * rows_of(0, rows, 64)
    for dtype in (torch.float32, torch.float64):
        compute = tiled_losses if dtype == torch.float32 else whole_matrix_losses
        learned = torch.tensor(temperature, dtype=dtype, requires_grad=True)
        losses, _ = compute(Batch(embeddings.to(dtype), labels), learned, distance)
        gradients.append(torch.autograd.grad(losses.sum(), learned)[0].item())
    ours, true = gradients
    assert ours == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize(("n", "m"), [(600, 9), (9, 600), (513, 512)])
@pytest.mark.parametrize("distance", DISTANCES)
def test_rows_or_references_alone_may_need_several_tiles(n, m, distance):
    results = []
    for chosen in (distance, NAMED_DISTANCES[distance]):  # tiles, the whole matrix
        rows = rows_of(0, n, 5, torch.float64).requires_grad_()
        refs = rows_of(1, m, 5, torch.float64).requires_grad_()
        loss = soft_nearest_neighbor_loss(
            rows,
            labels_of(0, n),
            temperature=1.0,
            distance=chosen,
            ref_embeddings=refs,
            ref_labels=labels_of(1, m),
        )
        results.append([loss, *torch.autograd.grad(loss, [rows, refs])])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_tiles_kept_or_computed_anew_are_the_same():
    gradients = []
    for block in (None, 512):  # the same tiles, but a given block keeps none
        rows = rows_of(0, 600, 5).requires_grad_()
        loss = soft_nearest_neighbor_loss(
            rows, labels_of(0, 600), temperature=0.1, block_size=block
        )
        gradients.append(torch.autograd.grad(loss, rows)[0])
    assert torch.equal(*gradients)


def kept_numbers(rows, **settings):
    """How many numbers autograd keeps for backward, and the loss."""
    sizes = []

    def count(tensor):
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = soft_nearest_neighbor_loss(
            rows.requires_grad_(), labels_of(0, len(rows)), **settings
        )
    return sum(sizes), loss


@pytest.mark.parametrize("rows", SIZES)
def test_what_was_kept_for_backward_is_let_go_by_it(rows):
    kept, loss = kept_numbers(rows_of(0, rows, 5))
    assert kept >= rows * rows / 2  # torch's own keeping, which backward undoes
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second"):
        loss.backward()


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("size", SIZES)
def test_backward_lets_go_of_what_it_made_of_the_rows(distance, size):
    """Though the loss lives on, as it does in a training loop until the next step."""
    rows = rows_of(0, size, 40).requires_grad_()
    before = {id(thing) for thing in gc.get_objects()}
    loss = soft_nearest_neighbor_loss(
        rows, labels_of(0, size), temperature=1.0, distance=distance
    )
    loss.backward()
    new = [thing for thing in gc.get_objects() if id(thing) not in before]
    large = [x for x in new if isinstance(x, torch.Tensor) and x.numel() >= 40 * size]
    assert all(x is rows.grad for x in large)


@pytest.mark.parametrize("settings", [{"block_size": 512}, {"temperature": 1e-3}])
def test_memory_is_linear_where_no_tile_is_kept(settings):
    kept, _ = kept_numbers(rows_of(0, 1500, 5), **settings)
    assert kept < 50 * 1500


def test_no_more_is_kept_than_the_limit(monkeypatch):
    monkeypatch.setattr(tiles, "KEPT_BYTES", 3 * 4 * 512**2)  # of 6 tiles
    kept, _ = kept_numbers(rows_of(0, 1200, 5))
    assert kept < 50 * 1200
    monkeypatch.setattr(tiles, "KEPT_BYTES", 6 * 4 * 512**2)
    kept, _ = kept_numbers(rows_of(0, 1200, 5))
    assert 1200**2 / 2 < kept < 6 * 512**2 + 50 * 1200


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("what", ["rows", "temperature"])
@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("block", [None, 7])
def test_where_no_value_is_read_nan_comes_out_as_nan(
    monkeypatch, distance, what, cold, block
):
    """As on a GPU, whose values cannot be read without waiting for it."""
    for place in (
        "batch.check_finite",
        "soft_nearest_neighbor.check_temperature",
        "ranges.check_range",
    ):
        monkeypatch.setattr(f"snnl_tutorial.loss.{place}", lambda value, *_: value)
    if cold:
        monkeypatch.setattr(ranges, "exp_in_range", lambda *_: False)
    rows, labels = rows_of(0, 30, 5), labels_of(0, 30)
    temperature = torch.tensor(torch.nan if what == "temperature" else 0.5)
    if what == "rows":
        rows[3, 2] = torch.nan
    loss = soft_nearest_neighbor_loss(
        rows, labels, temperature=temperature, distance=distance, block_size=block
    )
    assert loss.isnan()


def test_sums_stay_finite_where_they_are_plain():
    """A partner on the other side, thousands of others here: O / S is e^(2/T) N."""
    temperature = 1 / 34.9
    assert ranges.exp_in_range(1 / temperature, torch.float32)
    rows = torch.tensor([[1.0, 0.0]]).repeat(12_000, 1)
    rows[1] = -rows[1]
    labels = torch.ones(12_000, dtype=torch.long)
    labels[:2] = 0
    rows.requires_grad_()
    loss = soft_nearest_neighbor_loss(rows, labels, temperature=temperature)
    loss.backward()
    others = 11_998
    # Row 0 has a partner at distance 2 and others at 0, row 1 all at 2; the other rows
    # have partners at 0, one more row at 0 and one at 2.
    first = 2 / temperature + math.log(others)
    second = math.log1p(others)
    rest = math.log1p((1 + math.exp(-2 / temperature)) / (others - 1))
    want = (first + second + others * rest) / 12_000
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


@pytest.mark.parametrize("block", [None, 7])
@pytest.mark.parametrize("with_refs", [False, True])
def test_labels_too_large_for_a_float_stay_apart(block, with_refs):
    rows, labels = rows_of(0, 20, 4), labels_of(0, 20, ignored=True)
    refs, ref_labels = rows_of(1, 15, 4), labels_of(1, 15, ignored=True)

    def loss(names):
        """With the classes 0, 1, 2 called by these names."""
        called = [
            torch.where(some < 0, some, names[some.clamp(min=0)])
            for some in (labels, ref_labels)
        ]
        settings = {"ref_embeddings": refs, "ref_labels": called[1]}
        return soft_nearest_neighbor_loss(
            rows, called[0], block_size=block, **(settings if with_refs else {})
        ).item()

    large = torch.tensor([2**62, 2**62 + 1, 2**24 + 1])  # one float for two of them
    assert loss(large) == loss(torch.tensor([0, 1, 2]))


@pytest.mark.parametrize("distance", [*DISTANCES, torch.cdist])
@pytest.mark.parametrize("temperature", [0.01, 1.0])
@pytest.mark.parametrize("block", [None, 4, 7])
def test_rows_among_their_references_are_not_their_own_neighbors(
    distance, temperature, block
):
    rows = rows_of(0, 20, 3, torch.float64).requires_grad_()
    labels = labels_of(0, 20, ignored=True)
    block = None if callable(distance) else block
    weights = rows_of(1, 20, 1, torch.float64)[:, 0]
    settings = {"temperature": temperature, "distance": distance}

    def losses(first, last):
        part = Batch(rows[first:last], labels[first:last], rows, labels, first)
        return row_losses(part, block_size=block, **settings)

    parts = [losses(0, 6), losses(6, 15), losses(15, 20)]
    got, anchors = (torch.cat(part) for part in zip(*parts, strict=True))
    want, want_anchors = row_losses(Batch(rows, labels), **settings)
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
@pytest.mark.parametrize("block", [None, 32])
def test_tiny_losses_and_their_gradients_are_exact(distance, dtype, temperature, block):
    """O is 1e-8 of S, or 1e-17: what is left of S + O - S would be noise."""
    labels = torch.arange(90) % 3
    rows = (torch.eye(3)[labels] + 3e-3 * rows_of(0, 90, 3)).to(dtype)
    want, _ = oracle.row_losses(rows.double(), labels, temperature, distance)
    assert 0 < want.max() < 1e-7
    wide = rows.double().requires_grad_()
    true, _ = whole_matrix_losses(Batch(wide, labels), temperature, distance)
    (expected,) = torch.autograd.grad(true.sum(), wide)
    rows.requires_grad_()
    got, _ = tiled_losses(Batch(rows, labels), temperature, distance, block_size=block)
    assert torch.allclose(got.double(), torch.from_numpy(want), rtol=2e-5, atol=0)
    (gradient,) = torch.autograd.grad(got.sum(), rows)
    assert (gradient - expected).abs().max() < 1e-4 * expected.abs().max()


def test_two_large_classes_are_summed_to_float32s_precision():
    rows, labels = rows_of(0, 1200, 8), torch.arange(1200) % 2
    losses = [
        soft_nearest_neighbor_loss(rows.to(dtype), labels, temperature=0.1).item()
        for dtype in (torch.float32, torch.float64)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("block", [None, 4])
def test_a_gradient_that_nobody_gives_is_none(block):
    class Stop(torch.autograd.Function):
        @staticmethod
        def forward(ctx, losses):
            return losses.clone()

        @staticmethod
        def backward(ctx, weights):
            return None

    rows = rows_of(0, 12, 3).requires_grad_()
    batch = Batch(rows, labels_of(0, 12))
    losses, _ = tiled_losses(batch, 0.1, "cosine", block_size=block)
    Stop.apply(losses).sum().backward()
    assert rows.grad is None


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("with_refs", [False, True])
def test_the_factors_multiply_to_the_distance(name, with_refs):
    rows = rows_of(0, 8, 3, torch.complex64)
    refs = rows_of(1, 5, 3, torch.complex64) if with_refs else None
    real_refs = None if refs is None else as_real_rows(refs)
    factors = distance_factors(as_real_rows(rows), real_refs, name)
    others = None if refs is None else refs.numpy()
    want = torch.from_numpy(oracle.distances(rows.numpy(), others, name))
    products = (factors.left @ factors.right.T).double()
    assert torch.allclose(factors.offset - products, want, atol=1e-6)
    assert products.abs().max() <= factors.largest + 1e-6


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("temperature", ["number", "tensor", "learned", "learned here"])
@pytest.mark.parametrize("kind", ["plain", "tiles", "cold", "references"])
def test_beside_the_cpu_no_value_is_read(distance, temperature, kind):
    """To read one, the program would wait for a GPU; on `meta` it raises."""
    with torch.device("meta"):
        rows = torch.empty(60, 4, requires_grad=True)
        labels = torch.empty(60, dtype=torch.long)
        refs = torch.empty(9, 4), torch.empty(9, dtype=torch.long)
        learned = torch.empty((), requires_grad=True)
    value = 1e-3 if kind == "cold" else 0.5
    here = torch.tensor(value, requires_grad=temperature == "learned here")
    with pytest.raises(RuntimeError, match="meta"):
        rows.sum().item()
    loss = soft_nearest_neighbor_loss(
        rows,
        labels,
        temperature={"number": value, "learned": learned}.get(temperature, here),
        distance=distance,
        ref_embeddings=refs[0] if kind == "references" else None,
        ref_labels=refs[1] if kind == "references" else None,
        block_size=20 if kind == "tiles" else None,
    )
    # (The gradient of a T that is learned on the CPU has to be fetched, of course.)
    inputs = [rows, learned] if temperature == "learned" else [rows]
    gradients = torch.autograd.grad(loss, inputs)
    assert [gradient.shape for gradient in gradients] == [x.shape for x in inputs]


def test_a_step_on_a_gpu_launches_at_most_fifty_operations():
    """What README and the page say; views and new memory launch nothing."""
    nothing = {"view", "t", "transpose", "expand", "slice", "unsqueeze", "detach"}
    nothing |= {"alias", "diagonal", "as_strided", "select", "squeeze", "permute"}
    nothing |= {"empty", "empty_like", "new_empty", "empty_strided", "_unsafe_view"}
    nothing |= {"unbind"}

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
    assert count.number <= 50


def test_lazily_conjugated_rows_are_like_any_others():
    rows, labels = rows_of(0, 12, 3, torch.complex128), labels_of(0, 12)
    lazy = soft_nearest_neighbor_loss(rows.conj(), labels)
    resolved = soft_nearest_neighbor_loss(rows.conj().resolve_conj(), labels)
    assert lazy.item() == resolved.item()


@pytest.mark.parametrize("block", [None, 3])
def test_a_second_derivative_is_refused_but_for_a_callable(block):
    rows, labels = rows_of(0, 8, 3, torch.float64).requires_grad_(), labels_of(0, 8)
    loss = soft_nearest_neighbor_loss(rows, labels, block_size=block)
    with pytest.raises(RuntimeError, match=r"no second derivative.*callable"):
        torch.autograd.grad(loss, rows, create_graph=True)

    def whole(rows):
        return soft_nearest_neighbor_loss(
            rows, labels, temperature=1.0, distance=cosine_distance
        )

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
            rows_of(0, 8, 3), labels_of(0, 8), distance=distance, block_size=block
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
    with pytest.raises(RuntimeError, match=r"setup_context|vmap"):
        {
            "grad": lambda: torch.func.grad(loss)(rows),
            "vmap": lambda: torch.vmap(loss)(rows.expand(2, 6, 3)),
            "jvp": lambda: torch.func.jvp(loss, (rows,), (rows,)),
        }[transform]()
