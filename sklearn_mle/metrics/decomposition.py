"""Decomposition of the cross-entropy into uncertainty, discrimination and miscalibration."""

from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from sklearn_mle._numerics.arguments import check_choice, check_count
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.metrics._means import log_of_base, mean_of_rows, weighted_mean
from sklearn_mle.metrics._probability_rows import ProbabilityRows
from sklearn_mle.metrics._recalibration import Recalibrator, recalibrator
from sklearn_mle.metrics.cross_entropy import cross_entropy_rows, kl_divergence_rows, read_predictions
from sklearn_mle.metrics.information import frequencies

Strategy = Literal["isotonic", "classwise", "bins"]

_LARGEST_WEIGHT = 1e150


@dataclass(frozen=True)
class DecompositionErrors:
    """Bootstrap standard errors of the parts of a decomposition.

    Attributes
    ----------
    total, uncertainty, discrimination, miscalibration : float
        In the unit of the decomposition, nats per row by default.

    Examples
    --------
    >>> from sklearn_mle.metrics import cross_entropy_decomposition
    >>> forecast = [[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]]
    >>> parts = cross_entropy_decomposition([0, 1, 0, 1], forecast, n_resamples=20)
    >>> parts.standard_error.total > 0
    True
    """

    total: float
    uncertainty: float
    discrimination: float
    miscalibration: float


@dataclass(frozen=True)
class CrossEntropyDecomposition:
    """The parts of a cross-entropy: ``total = uncertainty - discrimination + miscalibration``.

    Attributes
    ----------
    total : float
        Cross-entropy of the forecasts q, S(q).
    uncertainty : float
        S(base): what the constant forecast of the class frequencies costs.
    discrimination : float
        S(base) - S(r): what the recalibrated forecasts r know beyond the frequencies.
    miscalibration : float
        S(q) - S(r): what recalibration would save.
    entropy : float
        Mean entropy of the targets, 0 of labels: the part of the uncertainty that no forecast avoids.
    kl_divergence : float
        Mean KL(r || q), the miscalibration of forecasts that are constant within the groups of rows that are
        recalibrated together.
    within_group_remainder : float
        ``miscalibration - kl_divergence``, before any correction: what differences of q within those groups have to do
        with the outcomes.
    n_obs : float
        Number of rows, or sum of the weights.
    n_parameters : float
        Number of parameters that recalibration estimated: the frequencies in its groups of rows, 3/2 times as many for
        isotonic regression, which chooses the groups.
    n_base_parameters : float
        Number of class frequencies that were estimated: one less than the classes that occur.
    standard_error : DecompositionErrors or None
        Bootstrap standard errors, if resamples were asked for.
    recalibrated : ndarray of shape (n, K)
        The recalibrated forecasts r; nan for rows of weight 0.

    Examples
    --------
    >>> from sklearn_mle.metrics import cross_entropy_decomposition
    >>> forecast = [[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]]
    >>> parts = cross_entropy_decomposition([0, 1, 0, 1], forecast)
    >>> gain = parts.discrimination - parts.miscalibration
    >>> round(parts.total - (parts.uncertainty - gain), 12)
    0.0
    """

    total: float
    uncertainty: float
    discrimination: float
    miscalibration: float
    entropy: float
    kl_divergence: float
    within_group_remainder: float
    n_obs: float
    n_parameters: float
    n_base_parameters: float
    standard_error: DecompositionErrors | None = None
    recalibrated: Array = field(repr=False, compare=False, default_factory=lambda: np.empty((0, 0)))
    _log_base: float = field(repr=False, compare=False, default=1.0)

    def bias_corrected(self) -> Self:
        """Correct the parts for parameters that were estimated from the rows they are judged on.

        A parameter estimated from n rows makes them look cheaper by 1 / (2 n) nats each. So uncertainty is understated,
        discrimination and miscalibration are overstated: even a perfect forecast has some. The corrections sum to zero:
        the total stays as it is. They are right to first order in 1 / n; corrected parts may be slightly negative.

        Returns
        -------
        CrossEntropyDecomposition
            With other parts, and the same total, entropy and standard errors. The divergence and its remainder stay,
            too: they are of the recalibrated forecasts as they were estimated.

        References
        ----------
        G. A. Miller (1955), Note on the bias of information estimates, Information Theory in Psychology.
        J. Broecker (2012), Estimating reliability and resolution of probability forecasts through decomposition of the
        empirical score, Climate Dynamics 39.
        M. Meyer and M. Woodroofe (2000), On the degrees of freedom in shape-restricted regression, Annals of Statistics
        28; P. Groeneboom (2011), Vertices of the least concave majorant of Brownian motion with parabolic drift,
        Electronic Journal of Probability 16: what isotonic regression counts for.
        """
        of_base, of_groups = (
            k / (2 * self.n_obs * self._log_base) for k in (self.n_base_parameters, self.n_parameters)
        )
        return replace(
            self,
            uncertainty=self.uncertainty + of_base,
            discrimination=self.discrimination + of_base - of_groups,
            miscalibration=self.miscalibration - of_groups,
        )


def cross_entropy_decomposition(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    strategy: Strategy = "isotonic",
    n_bins: int = 10,
    labels: ArrayLike | None = None,
    log_proba: bool = False,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
    n_resamples: int = 0,
    random_state: int = 0,
) -> CrossEntropyDecomposition:
    r"""Decompose cross-entropy into uncertainty, discrimination and miscalibration, in nats per row.

    .. math:: S(q) = \underbrace{S(\bar p)}_{\text{uncertainty}}
              - \underbrace{[S(\bar p) - S(r)]}_{\text{discrimination}}
              + \underbrace{[S(q) - S(r)]}_{\text{miscalibration}}

    S is the mean cross-entropy, q the forecasts, :math:`\bar p` the class frequencies, r the recalibrated forecasts:
    the frequencies with which each class happened when the forecast was as it was. The sum is exact.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, K)
        Labels, or rows of class probabilities that sum to 1.
    y_pred : array-like of shape (n, K) or (n,)
        Predicted probabilities, as for :func:`cross_entropy`.
    strategy : {"isotonic", "classwise", "bins"}, default="isotonic"
        How r is estimated. ``"isotonic"``: the best monotone function of the forecast (CORP), nothing to be tuned; of
        more than two classes, of each class among those that follow it in the order of the labels. Its discrimination
        and miscalibration are never negative. ``"classwise"``: isotonic regression of each class against all others,
        normalized, as ``CalibratedClassifierCV`` does; does not depend on the order of the labels, and may give
        slightly negative parts. ``"bins"``: frequencies in bins of equal weight, of the second of two classes'
        probability, or of the probability of the most probable class; discrimination is never negative.
    n_bins : int, default=10
        Number of bins (for each most probable class, of more than two); for ``"bins"`` only.
    labels : array-like of shape (K,), default=None
        The label of each column, in the order of the columns. By default the sorted labels of ``y_true``.
    log_proba : bool, default=False
        Whether ``y_pred`` holds natural logarithms of probabilities.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
    base : float, default=None
        Base of the logarithm, greater than 1: ``None`` for nats, 2 for bits.
    n_resamples : int, default=0
        Number of bootstrap resamples for the standard errors; 0 for none. 200 are plenty.
    random_state : int, default=0
        Seed of the resamples.

    Returns
    -------
    CrossEntropyDecomposition
        The parts; see there for :meth:`~CrossEntropyDecomposition.bias_corrected`, which small samples need.

    Raises
    ------
    ValueError
        As :func:`cross_entropy`; if ``strategy`` is unknown, or ``n_bins`` or ``n_resamples`` is no whole number in
        range.

    Warns
    -----
    InfiniteScoreWarning
        If the cross-entropy is infinite: then so is the miscalibration.

    References
    ----------
    T. Dimitriadis, T. Gneiting and A. I. Jordan (2021), Stable reliability diagrams for probabilistic classifiers,
    PNAS 118. J. Broecker (2009), Reliability, sufficiency, and the decomposition of proper scores, Quarterly Journal of
    the Royal Meteorological Society 135.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.metrics import cross_entropy_decomposition
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.uniform(size=5000)
    >>> y = rng.uniform(size=5000) < truth
    >>> overconfident = truth**3 / (truth**3 + (1 - truth) ** 3)
    >>> parts = cross_entropy_decomposition(y, overconfident)
    >>> reduced = f"{parts.uncertainty:.3f} - {parts.discrimination:.3f}"
    >>> print(f"{parts.total:.3f} = {reduced} + {parts.miscalibration:.3f}")
    0.701 = 0.693 - 0.204 + 0.212
    >>> round(cross_entropy_decomposition(y, truth).bias_corrected().miscalibration, 3)
    0.001
    """
    log_base = log_of_base(base)
    check_choice("strategy", strategy, ("isotonic", "classwise", "bins"))
    check_count("n_bins", n_bins, 1)
    check_count("n_resamples", n_resamples, 0)
    prediction, target, weight = read_predictions(y_true, y_pred, labels, log_proba, sample_weight)
    costs, outcomes = cross_entropy_rows(prediction, target), np.asarray(y_true)
    # For the warning where it is infinite.
    mean_of_rows("cross_entropy_decomposition", lambda y_true: costs, y_true=outcomes, sample_weight=weight)
    weight = np.ones(len(costs)) if weight is None else weight
    if weight.max() > _LARGEST_WEIGHT:
        raise ValueError(f"sample_weight must not exceed {_LARGEST_WEIGHT:g} here, because it is squared; rescale it.")
    recalibrate = recalibrator(strategy, prediction.log(), n_bins)
    of_weights = partial(_decompose, prediction, target.probabilities(), costs, recalibrate, log_base)
    parts = of_weights(weight)
    if n_resamples == 0:
        return parts
    # A weight of k stands for k rows: as many draws as they are together.
    generator = np.random.default_rng(random_state)
    n_draws, share = max(1, round(weight.sum())), weight / weight.sum()
    names = [field.name for field in fields(DecompositionErrors)]
    draws = np.empty((n_resamples, len(names)))
    for i in range(n_resamples):
        drawn = of_weights(generator.multinomial(n_draws, share).astype(np.float64))
        draws[i] = [getattr(drawn, name) for name in names]
    with np.errstate(invalid="ignore"):
        spread = draws.std(axis=0, ddof=1) if n_resamples > 1 else np.full(len(names), np.nan)
    return replace(parts, standard_error=DecompositionErrors(*spread.tolist()))


def _decompose(
    prediction: ProbabilityRows, p: Array, costs: Array, recalibrate: Recalibrator, log_base: float, weight: Array
) -> CrossEntropyDecomposition:
    target, used = ProbabilityRows(p, is_log=False), weight > 0
    log_r, n_parameters = recalibrate(p, weight)
    log_r = np.where(used[:, None], log_r, np.nan)
    total = weighted_mean(costs, weight)
    of_r = weighted_mean(cross_entropy_rows(ProbabilityRows(log_r, is_log=True), target), weight)
    base = frequencies(target, weight)
    of_base = float(entr(base).sum())
    r_given_q = np.zeros(len(weight))
    r_given_q[used] = kl_divergence_rows(
        replace(prediction, values=prediction.values[used]), ProbabilityRows(log_r[used], is_log=True)
    )
    kl = weighted_mean(r_given_q, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.where(base > 0, weight @ (p - base) ** 2 / (weight.sum() * base), 0.0)
    return CrossEntropyDecomposition(
        total=total / log_base,
        uncertainty=of_base / log_base,
        discrimination=(of_base - of_r) / log_base,
        miscalibration=(total - of_r) / log_base,
        entropy=weighted_mean(entr(p).sum(axis=1), weight) / log_base,
        kl_divergence=kl / log_base,
        within_group_remainder=(0.0 if np.isinf(total) and np.isinf(kl) else total - of_r - kl) / log_base,
        n_obs=float(weight.sum()),
        n_parameters=n_parameters,
        n_base_parameters=float(spread.sum()),
        recalibrated=np.exp(log_r),
        _log_base=log_base,
    )
