"""Property tests draw the same examples in CI on every run, so that a failure there is about the change and not about luck."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
