"""What a reliability diagram shows: forecasts recalibrated by isotonic regression, and what chance alone would do."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from sklearn_mle.metrics import kl_divergence

__all__ = ["CalibrationCurve", "calibration_curve"]

Array = NDArray[np.float64]

_MOST_STEPS = 20_000
_MOST_PLACES = 2000  # of a band, beside the corners of the curve: three a pixel


class CalibrationCurve(NamedTuple):
    """Recalibrated forecasts of one class, beside those of calibrated forecasts of the same values.

    Attributes
    ----------
    forecast : ndarray of shape (m,)
        Distinct forecasts, ascending; some of them, if they are more than can be seen.
    recalibrated : ndarray of shape (m,)
        Isotonic regression there.
    lower, upper : ndarray of shape (m,)
        Consistency band there.
    mass : ndarray of shape (m,)
        Share of the rows from each forecast up to the next.
    divergence : float
        KL(recalibrated || forecast), mean nats per row.
    chance_divergence : float
        What that of calibrated forecasts stays below, with the probability of the band.
    """

    forecast: Array
    recalibrated: Array
    lower: Array
    upper: Array
    mass: Array
    divergence: float
    chance_divergence: float


def calibration_curve(
    happened: NDArray[np.bool_],
    logs: Array,
    weight: Array | None,
    *,
    confidence_level: float,
    n_resamples: int,
    random: np.random.RandomState,
) -> CalibrationCurve:
    """Recalibrate forecasts, and simulate ``n_resamples`` times what they would show if they were calibrated.

    They come as log-probabilities (n, 2) of the class not happening and happening: these keep apart what rounds to 0 or
    1, and a divergence finite that should be.
    """
    # Only their ratios matter; sums of these are finite.
    weight = np.ones(len(logs)) if weight is None else weight / weight.max()
    used = weight > 0
    happened, logs, weight = happened[used], logs[used], weight[used]
    _, first, place = np.unique(logs[:, 1] - logs[:, 0], return_index=True, return_inverse=True)
    logs_of, mass = logs[first], np.bincount(place, weights=weight).astype(np.float64)
    recalibrated = _isotonic(happened, place, weight, mass)
    drawn = _places_to_draw(recalibrated)
    # What is simulated needs no finer steps than these: neighbouring forecasts share one.
    n_steps = min(len(mass), _MOST_STEPS)
    step = np.arange(len(mass)) * n_steps // len(mass)
    middle = (np.searchsorted(step, np.arange(n_steps)) + np.searchsorted(step, np.arange(n_steps), "right")) // 2
    step_of, mass_of = step[place], np.bincount(step, weights=mass).astype(np.float64)
    probability = np.exp(logs[:, 1])
    curves, by_chance = [], []
    for _ in range(n_resamples):
        curve = _isotonic(random.uniform(size=len(place)) < probability, step_of, weight, mass_of)
        curves.append(curve[step[drawn]])
        by_chance.append(_divergence(curve, logs_of[middle], mass_of))
    lower, upper = np.quantile(curves, [(1 - confidence_level) / 2, (1 + confidence_level) / 2], axis=0)
    return CalibrationCurve(
        np.exp(logs_of[drawn, 1]),
        recalibrated[drawn],
        lower,
        upper,
        np.add.reduceat(mass, drawn) / mass.sum(),
        _divergence(recalibrated, logs_of, mass),
        float(np.quantile(by_chance, confidence_level)),
    )


def _isotonic(happened: NDArray[Any], place: NDArray[np.intp], weight: Array, mass: Array) -> Array:
    """Frequencies at the distinct forecasts, made nondecreasing."""
    frequency = np.bincount(place, weights=weight * happened, minlength=len(mass)) / mass
    return np.asarray(isotonic_regression(frequency, weights=mass).x)


def _places_to_draw(curve: Array) -> NDArray[np.intp]:
    """Give the corners of a step function, and so many places between them that a line or a band looks the same."""
    m = len(curve)
    corners = np.flatnonzero(np.diff(curve, prepend=-1) != 0)
    evenly = np.linspace(0, m - 1, min(m, _MOST_PLACES)).astype(np.intp)
    return np.unique(np.concatenate([corners, np.maximum(corners - 1, 0), evenly]))


def _divergence(recalibrated: Array, logs: Array, mass: Array) -> float:
    return kl_divergence(np.column_stack([1 - recalibrated, recalibrated]), logs, log_proba=True, sample_weight=mass)
