"""Property tests, the same in CI every time and in no hurry; a disk that fills up."""

import contextlib
import os

import pytest
from hypothesis import settings

settings.register_profile("snnl", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("fuzz", settings.get_profile("snnl"), max_examples=5000)
settings.load_profile("snnl")


@pytest.fixture
def disk_limit():
    """A block in which no file grows beyond `size`: writes fail as on a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextlib.contextmanager
    def limited(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture
def ordinary_user():
    """A block in which nobody runs the tests, if root does: root may read all files."""

    @contextlib.contextmanager
    def lowered():
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)

    return lowered
