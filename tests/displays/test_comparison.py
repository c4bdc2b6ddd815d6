"""The picture of a comparison holds the comparison's numbers."""

import numpy as np
import pytest

from sklearn_mle.displays import ComparisonDisplay
from sklearn_mle.model_selection import Comparison, JudgedModel


def judged(name, rows, failures=()):
    return JudgedModel(name, rows, failures, np.nan, 0.0, 0.0)


def comparison(scoring="log_likelihood"):
    rng = np.random.default_rng(0)
    base = rng.normal(-1.0, 0.5, 400)
    models = [
        judged("best", base),
        judged("close", base - rng.normal(0.005, 0.1, 400)),
        judged("worse", base - rng.normal(0.2, 0.3, 400)),
        judged("certain", np.where(np.arange(400) < 3, -np.inf, base)),
        judged("broken", np.full(400, np.nan), ("fold 1: no",)),
    ]
    return Comparison(models, scoring=scoring, weight=np.ones(400), groups=None, n_folds=5)


@pytest.mark.parametrize("base", [None, 2])
def test_points_and_intervals_are_the_differences_and_their_errors(base):
    found = comparison()
    display = ComparisonDisplay(found, confidence_level=0.8, base=base).plot()
    unit = 1.0 if base is None else np.log(2)
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == found.names == ["best", "close", "worse", "certain", "broken"]
    differences = [found.difference(name, "best") for name in names[:3]]
    assert [d.uncertain for d in differences] == [False, True, False]
    drawn = np.array(
        [display.points_.get_xdata()[0], *display.uncertain_points_.get_xdata(), display.points_.get_xdata()[1]]
    )
    np.testing.assert_allclose(drawn, [d.value / unit for d in differences])
    np.testing.assert_array_equal(display.points_.get_ydata(), [0, 2])
    for d, segment in zip(differences, display.intervals_.get_segments(), strict=True):
        half = 1.2815515655446004 * d.standard_error / unit
        np.testing.assert_allclose(segment[:, 0], [d.value / unit - half, d.value / unit + half], atol=1e-12)


def test_infinite_and_failed_models_are_named():
    display = ComparisonDisplay(comparison()).plot()
    words = [text.get_text() for text in display.ax_.texts]
    assert "−inf" in words and "failed" in words


def test_scores_that_are_not_in_nats_have_no_unit():
    display = ComparisonDisplay(comparison(scoring="neg_crps"), base=2).plot()
    assert display.ax_.get_xlabel() == "difference to the best, per row (95% intervals)"
    np.testing.assert_allclose(display.points_.get_xdata()[0], 0)


@pytest.mark.parametrize("level", [0, 1, 1.5, "high"])
def test_levels_are_checked(level):
    with pytest.raises(ValueError, match="confidence_level must lie strictly between 0 and 1"):
        ComparisonDisplay(comparison(), confidence_level=level).plot()
