"""How property tests run: however slow the machine, and the same in CI every time."""

import os

from hypothesis import settings

settings.register_profile("snnl", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("snnl")
