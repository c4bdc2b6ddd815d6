"""Every example runs as it stands, warns of nothing, and ends in a picture."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path for folder in ("exercises", "gallery") for path in (EXAMPLES / folder).glob("*.py"))


@pytest.fixture(autouse=True)
def _pictures_without_a_screen(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    yield
    plt.close("all")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_example_runs_and_draws(script):
    runpy.run_path(str(script), run_name="__main__")
    assert plt.get_fignums()
    for number in plt.get_fignums():
        figure = plt.figure(number)
        figure.canvas.draw()
        for axes in figure.axes:
            assert axes.get_xlabel() or axes.get_ylabel() or axes.get_title(), f"figure {number} has unlabelled axes"


def test_there_are_four_exercises_and_a_dozen_examples():
    assert sum(script.parent.name == "exercises" for script in SCRIPTS) == 4
    assert sum(script.parent.name == "gallery" for script in SCRIPTS) >= 12
