"""No product is rounded inside the block, and everything is as before after it."""

from contextlib import ExitStack

import pytest
import torch

from snnl_tutorial.loss.precision import (
    EXACT,
    float32_products,
    full_precision,
    set_float32_products,
)

PER_DEVICE = hasattr(torch.backends, "fp32_precision")
ROWS = torch.tensor([[1.0, 0.001]])


@pytest.fixture(params=["highest", "high", "medium"])
def setting(request):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


def test_float32_is_exact_inside_and_as_before_after_it(setting):
    before = float32_products("cpu")
    assert (before in EXACT) == (setting == "highest")
    with full_precision(ROWS):
        assert float32_products("cpu") in EXACT
    assert float32_products("cpu") == before
    assert torch.get_float32_matmul_precision() == setting


def test_an_error_inside_leaves_everything_as_before(setting):
    before = float32_products("cpu")
    with pytest.raises(KeyError), torch.autocast("cpu", torch.bfloat16):
        with full_precision(ROWS):
            raise KeyError
    assert float32_products("cpu") == before


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 2, 0), (0, 2, 1), (2, 1, 0)])
def test_products_are_exact_until_the_last_block_is_left(setting, order):
    """As when several threads are inside, each in a block of its own."""
    before = float32_products("cpu")
    blocks = [full_precision(ROWS) for _ in order]
    for block in blocks:
        block.__enter__()
    for number in order:
        assert float32_products("cpu") in EXACT
        blocks[number].__exit__(None, None, None)
    assert float32_products("cpu") == before
    assert torch.get_float32_matmul_precision() == setting


def test_a_block_that_begins_inside_another_outlasts_it(setting):
    before, first = float32_products("cpu"), ExitStack()
    for _ in range(3):
        first.enter_context(full_precision(ROWS))
        later = ExitStack()
        later.enter_context(full_precision(ROWS))
        first.close()
        assert float32_products("cpu") in EXACT
        first = later
    first.close()
    assert float32_products("cpu") == before


@pytest.mark.skipif(not PER_DEVICE, reason="torch before 2.9 has one setting")
def test_what_is_set_for_all_devices_later_is_not_pinned():
    for device in ("cpu", "cuda"):
        set_float32_products(device, "none")
    try:
        torch.backends.fp32_precision = "tf32"
        with full_precision(ROWS):
            assert float32_products("cpu") == "ieee"
        assert float32_products("cpu") == "tf32"
        torch.backends.fp32_precision = "ieee"
        assert float32_products("cpu") == float32_products("cuda") == "ieee"
    finally:
        torch.backends.fp32_precision = "none"


def test_autocast_is_off_inside_and_on_again_after_it():
    with torch.autocast("cpu", torch.bfloat16):
        with full_precision(ROWS):
            assert (ROWS @ ROWS.T).dtype == torch.float32
        assert (ROWS @ ROWS.T).dtype == torch.bfloat16
