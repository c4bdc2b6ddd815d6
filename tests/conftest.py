import os

from hypothesis import settings

# No test opens a window, whatever the machine's display.
os.environ["MPLBACKEND"] = "Agg"

# The same examples in every run, and no failure because a shared machine was slow.
settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")
