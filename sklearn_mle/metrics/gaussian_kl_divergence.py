"""Kullback-Leibler divergence of normal distributions that are given by their means and standard deviations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sklearn_mle._numerics.arguments import as_floats
from sklearn_mle.metrics._kl_of_distributions import gaussian_kl
from sklearn_mle.metrics._units import nats_in_unit
from sklearn_mle.metrics._weights import check_weight, weighted_mean


def gaussian_kl_divergence(
    mean_true: ArrayLike,
    std_true: ArrayLike,
    mean_pred: ArrayLike,
    std_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
) -> float:
    r"""Mean Kullback-Leibler divergence of predicted from true normal distributions, in nats per row.

    .. math:: \log\frac{\sigma_q}{\sigma_p} + \frac{\sigma_p^2 + (\mu_p - \mu_q)^2}{2 \sigma_q^2} - \frac12

    Computed so that nothing cancels where the two are near. The parameters are broadcast: one standard deviation for
    all rows, or one per row (a log-linear scale).

    Parameters
    ----------
    mean_true, std_true : array-like of shape (n,) or ()
        Mean and standard deviation of the true distributions p.
    mean_pred, std_pred : array-like of shape (n,) or ()
        Mean and standard deviation of the predicted distributions q.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
    base : float, default=None
        Base of the logarithm, greater than 1: ``None`` for nats, 2 for bits.

    Returns
    -------
    float
        Mean divergence, at least 0.

    Raises
    ------
    ValueError
        If means are not finite or standard deviations not positive (the row is named), or shapes do not agree.

    References
    ----------
    S. Kullback (1959), Information Theory and Statistics, chapter 9.

    Examples
    --------
    >>> from sklearn_mle.metrics import gaussian_kl_divergence
    >>> round(gaussian_kl_divergence([0.0, 1.0], 1.0, 0.0, [1.0, 2.0]), 6)
    0.221574
    """
    unit = nats_in_unit(base)
    named = {"mean_true": mean_true, "std_true": std_true, "mean_pred": mean_pred, "std_pred": std_pred}
    arrays = {name: as_floats(value, name).astype(np.float64, copy=False) for name, value in named.items()}
    for name, array in arrays.items():
        of_scale = name.startswith("std")
        wrong = np.atleast_1d(~(np.isfinite(array) & ((array > 0) | (not of_scale))))
        if wrong.any():
            row = int(wrong.argmax())
            value = np.atleast_1d(array)[row]
            raise ValueError(f"{name}[{row}] is {value}: it must be finite{' and positive' if of_scale else ''}.")
    try:
        n = np.broadcast_shapes((1,), *(array.shape for array in arrays.values()))
    except ValueError:
        n = (0, 0)
    if len(n) != 1:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ValueError(f"means and standard deviations must have shape (n,) or (), with one n; got {shapes}.")
    with np.errstate(over="ignore", under="ignore"):
        rows = np.broadcast_to(gaussian_kl(*arrays.values()), n)
    return weighted_mean(rows, check_weight(sample_weight, n[0])) / unit
