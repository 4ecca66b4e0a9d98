"""How property tests run: however slow the machine, and the same in CI every time."""

import os

from hypothesis import settings

settings.register_profile("snnl", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("fuzz", settings.get_profile("snnl"), max_examples=5000)
settings.load_profile("snnl")
