"""No product is rounded inside the block, and everything is as before after it."""

import pytest
import torch

from snnl_tutorial.loss.precision import EXACT, float32_products, full_precision

ROWS = torch.tensor([[1.0, 0.001]])


@pytest.fixture(params=["highest", "high", "medium"])
def setting(request):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


def test_float32_is_exact_inside_and_as_before_after_it(setting):
    before = float32_products()
    assert (before == EXACT) == (setting == "highest")
    with full_precision(ROWS):
        assert float32_products() == EXACT
    assert float32_products() == before
    assert torch.get_float32_matmul_precision() == setting


def test_an_error_inside_leaves_everything_as_before(setting):
    before = float32_products()
    with pytest.raises(KeyError), torch.autocast("cpu", torch.bfloat16):
        with full_precision(ROWS):
            raise KeyError
    assert float32_products() == before


def test_autocast_is_off_inside_and_on_again_after_it():
    with torch.autocast("cpu", torch.bfloat16):
        with full_precision(ROWS):
            assert (ROWS @ ROWS.T).dtype == torch.float32
        assert (ROWS @ ROWS.T).dtype == torch.bfloat16
