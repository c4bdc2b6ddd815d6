"""The bootstrap: rows, clusters, signs of residuals or outcomes are drawn, and the fit is repeated."""

import copy
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from sklearn_mle._numerics.arguments import argument_name, check_choice, check_count
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.frames import import_pandas
from sklearn_mle.exceptions import ConvergenceWarning, NotSupportedError
from sklearn_mle.inference.at_estimate import read_training
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.clusters import codes_of
from sklearn_mle.inference.hypotheses import check_confidence_level, wald_interval
from sklearn_mle.inference.influence import influence
from sklearn_mle.inference.model import FittedModel, divide_dispersion
from sklearn_mle.inference.quantities import class_probabilities
from sklearn_mle.inference.reading import open_up, read_estimator
from sklearn_mle.inference.residual_rows import row_predictors
from sklearn_mle.inference.tables import taken
from sklearn_mle.likelihoods import Binomial

# Standard errors: a refit to the same data is as near to the fit as both are to the maximum.
_SAME = 0.1


@dataclass(frozen=True)
class Bootstrap:
    """Estimates and their replicates on resampled data, as returned by :func:`bootstrap`.

    Attributes
    ----------
    parameters : tuple of str
        Names, predictor by predictor, the intercept first.
    estimates : ndarray of shape (m,)
        Of the fit itself, in the units of the linear predictors.
    replicates : ndarray of shape (B, m)
        Of the resamples that could be fitted.
    n_resamples : int
        How many resamples were drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import bootstrap
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GaussianMLERegressor().fit(X[["bmi", "bp"]], y)
    >>> drawn = bootstrap(model, X[["bmi", "bp"]], y, n_resamples=50)
    >>> drawn.replicates.shape, drawn.confidence_intervals().shape
    ((50, 4), (4, 2))
    """

    parameters: tuple[str, ...]
    estimates: Array
    replicates: Array
    n_resamples: int

    @property
    def covariance(self) -> Array:
        """Covariance of the replicates, shape (m, m), divisor B - 1."""
        return np.atleast_2d(np.cov(self.replicates, rowvar=False))

    @property
    def standard_errors(self) -> Array:
        """Standard deviations of the replicates, shape (m,)."""
        return np.asarray(self.replicates.std(axis=0, ddof=1))

    def confidence_intervals(self, confidence_level: float = 0.95, kind: str = "percentile") -> Array:
        """Return an interval for each parameter.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Strictly between 0 and 1.
        kind : {"percentile", "basic", "normal"}, default="percentile"
            Quantiles of the replicates; twice the estimate less these; or the estimate -+ z standard errors.

        Returns
        -------
        ndarray of shape (m, 2)
            Lower and upper ends.
        """
        check_confidence_level(confidence_level)
        check_choice("kind", kind, ("percentile", "basic", "normal"))
        if kind == "normal":
            return wald_interval(self.estimates, self.standard_errors, np.inf, confidence_level)
        tail = 0.5 * (1 - confidence_level)
        ends = np.quantile(self.replicates, [tail, 1 - tail], axis=0).T
        return ends if kind == "percentile" else 2 * self.estimates[:, None] - ends[:, ::-1]

    def to_frame(self) -> Any:
        """Return a pandas DataFrame of the replicates, a column per parameter.

        Returns
        -------
        pandas.DataFrame
            Of shape (B, m).
        """
        pd = import_pandas("replicates is an array")
        return pd.DataFrame(self.replicates, columns=list(self.parameters))


def bootstrap(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    kind: str = "pairs",
    groups: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    n_resamples: int = 999,
    random_state: Any = 0,
    n_jobs: int | None = None,
) -> Bootstrap:
    r"""Refit an estimator to resampled data: standard errors and intervals that need no formula.

    .. math:: \widehat{\operatorname{se}}(\hat\theta_j) = \sqrt{\tfrac{1}{B - 1} \sum_b (\hat\theta^*_{bj} -
        \bar\theta^*_j)^2}

    Each refit starts from the estimate, and resample b is the same for any ``n_jobs``.

    Parameters
    ----------
    estimator : fitted estimator
        As ``infer`` takes them. Of a Pipeline the last step is refitted: its transforms are taken as they are.
    X, y : array-like
        The data of the fit, in memory.
    kind : {"pairs", "cluster", "wild", "parametric"}, default="pairs"
        - ``"pairs"``: rows are drawn with replacement.
        - ``"cluster"``: so are the clusters of ``groups``, with all of their rows.
        - ``"wild"``: of least squares, the residuals over :math:`\sqrt{1 - h_i}` keep their rows and are given random
          signs, with ``groups`` the same sign within a cluster. X is not resampled. The sum of their squares hardly
          changes, so it says nothing about the scale, whose replicates are nan.
        - ``"parametric"``: y is drawn from the fitted distribution given X; with precisions, which divide its
          dispersion.
    groups : array-like of shape (n,), default=None
        Clusters, for ``"cluster"`` and ``"wild"``.
    sample_weight, offset : array-like, default=None
        As in the fit. Rows are drawn with equal probabilities, and keep their weights.
    n_resamples : int, default=999
        Number B of resamples.
    random_state : int, RandomState instance or None, default=0
        Of the draws.
    n_jobs : int, default=None
        As joblib takes it.

    Returns
    -------
    Bootstrap
        In the units of the linear predictors, as ``infer`` has them.

    Raises
    ------
    NotSupportedError
        If this kind is not defined for the model, or for its weights.
    ValueError
        If an argument is not valid, fewer than two resamples could be fitted, or the estimator's parameters were
        changed after its fit.
    TypeError
        If ``infer`` does not support the estimator.

    Warns
    -----
    ConvergenceWarning
        If refits failed or warned, with how many of them did.

    References
    ----------
    B. Efron and R. J. Tibshirani (1993), An Introduction to the Bootstrap, chapters 6 to 9 and 13. A. C. Cameron, J. B.
    Gelbach and D. L. Miller (2008), Bootstrap-based improvements for inference with clustered errors, Review of
    Economics and Statistics 90.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import bootstrap
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 1))
    >>> y = 1 + 2 * X[:, 0] + rng.normal(size=100)
    >>> found = bootstrap(GaussianMLERegressor().fit(X, y), X, y, n_resamples=200)
    >>> found.standard_errors[:2].round(2)
    array([0.1, 0.1])
    """
    check_choice("kind", kind, ("pairs", "cluster", "wild", "parametric"))
    check_count("n_resamples", n_resamples, 2)
    if (groups is None and kind == "cluster") or (groups is not None and kind in ("pairs", "parametric")):
        raise ValueError(f"groups are only for kind='cluster', which needs them, and for 'wild'; got kind={kind!r}.")
    with argument_name("random_state"):
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    model, rows = read_estimator("estimator", estimator, X)
    refuse("bootstrap", model, kind=kind)
    model, data = read_training(model, rows, y, sample_weight, offset)
    if kind in ("wild", "parametric") and data.sample_weight is not None and model.weight_type != "precision":
        raise NotSupportedError(
            f"kind={kind!r} draws one outcome per row, but a row whose weight counts copies has several: repeat the "
            "rows, use weight_type='precision', or kind='pairs'."
        )
    if kind == "parametric" and data.sample_weight is not None and not divide_dispersion(model.likelihood):
        raise NotSupportedError(
            f"kind='parametric': weights scale the variance of {model.likelihood!r} as in quasi-likelihood, which has "
            "no distribution to draw from; use kind='pairs'. Of fractions of trials pass the successes and failures, "
            "as two columns, without weights."
        )
    y = np.ravel(y) if np.shape(y)[1:] == (1,) else y  # once, not with a warning of each refit
    codes, *others = [np.arange(data.X.shape[0])] if groups is None else codes_of(groups, data.y)
    if others:
        raise ValueError(f"groups must have shape (n,) here; got {np.shape(groups)}.")
    given = rows, y, sample_weight, offset
    draw = partial(_clusters_of, given, codes)
    if kind == "wild":
        fitted = row_predictors(model, data)[0]
        leverage = influence(estimator, X, y, sample_weight=sample_weight, offset=offset).leverage
        residual = np.nan_to_num((data.y - fitted) / np.sqrt(np.where(leverage < 1, 1 - leverage, 1)))
        draw = partial(_with_signs, given, codes, fitted, residual)
    elif kind == "parametric":
        draw = partial(_with_outcomes, given, model, data.y.T, row_predictors(model, data))
    seeds = np.random.SeedSequence(seed).spawn(int(n_resamples))
    inside = open_up(estimator, None)[0]
    task = partial(_replicate, inside, model, draw)
    found = Parallel(n_jobs=n_jobs)(delayed(task)(each) for each in seeds)
    replicates = np.array([values for values, _ in found if values is not None])
    complaints = [complaint for _, complaint in found if complaint]
    if len(replicates) < 2:
        raise ValueError(
            f"Only {len(replicates)} of {len(found)} resamples could be fitted: {', '.join(complaints[:1])}"
        )
    _refuse_changed(inside, model, given, replicates)
    if complaints:
        kinds = ", ".join(f"{name} {count}" for name, count in Counter(complaints).most_common())
        warnings.warn(
            ConvergenceWarning(
                f"{len(found) - len(replicates)} of {len(found)} resamples could not be fitted and are left out; "
                f"errors and warnings of the refits: {kinds}. If estimates may not exist, a bootstrap says little "
                "about their spread."
            ),
            stacklevel=2,
        )
    if kind == "wild":
        replicates[:, model.entries >= model.coefficients.shape[1]] = np.nan
    return Bootstrap(model.labels, model.coefficients.ravel()[model.entries], replicates, int(n_resamples))


# X, y, sample_weight and offset of a refit.
Resample = tuple[Any, Any, Any, Any]


def _refuse_changed(inside: Any, model: FittedModel, data: Resample, replicates: Array) -> None:
    """Raise ValueError if one of ours, refitted to the data of its fit, is not what it was."""
    if not hasattr(inside, "_fitted_model"):
        return  # scikit-learn's may depend on a random state
    again, _ = _refit(inside, model, data)
    estimates = model.coefficients.ravel()[model.entries]
    change = np.inf if again is None else np.abs(again - estimates)
    if (change > _SAME * replicates.std(axis=0, ddof=1)).any():
        raise ValueError(
            f"A refit of {type(inside).__name__} to X and y gives other estimates than its fit: parameters were "
            "changed by set_params since, the rows, weights or offsets are others, or the fit had not converged. Fit "
            "it again, as it is to be refitted, to the same data."
        )


def _clusters_of(data: Resample, codes: NDArray[np.intp], rng: np.random.RandomState) -> Resample:
    """Draw clusters with replacement, with all of their rows."""
    n_groups = int(codes.max()) + 1
    times = np.bincount(rng.randint(n_groups, size=n_groups), minlength=n_groups)[codes]
    rows = np.repeat(np.arange(len(codes)), times)
    X, y, sample_weight, offset = (taken(values, rows) for values in data)
    return X, y, sample_weight, offset


def _with_signs(
    data: Resample, codes: NDArray[np.intp], fitted: Array, residual: Array, rng: np.random.RandomState
) -> Resample:
    """Draw the signs of the residuals, one for each cluster."""
    X, _, sample_weight, offset = data
    signs = rng.choice([-1.0, 1.0], size=int(codes.max()) + 1)[codes]
    return X, fitted + signs * residual, sample_weight, offset


def _with_outcomes(
    data: Resample, model: FittedModel, target: Array, eta: Array, rng: np.random.RandomState
) -> Resample:
    """Draw outcomes from the fitted distributions; ``target`` is y as the likelihood reads it, rows last."""
    X, _, sample_weight, offset = data
    with np.errstate(all="ignore"):
        if model.classes is not None:
            below = np.cumsum(class_probabilities(eta), axis=0)[:-1]
            drawn = np.asarray(model.classes)[(rng.uniform(size=eta.shape[1]) > below).sum(axis=0)]
        elif target.ndim == 2:
            trials = target.sum(axis=0)
            successes = Binomial().distribution(eta, trials).rvs(random_state=rng)
            drawn = np.column_stack([successes, trials - successes])
        else:
            drawn = model.likelihood.distribution(eta).rvs(size=eta.shape[1], random_state=rng)
    return X, drawn, sample_weight, offset


def _replicate(
    inside: Any, model: FittedModel, draw: Callable[[np.random.RandomState], Resample], seed: np.random.SeedSequence
) -> tuple[Array | None, str]:
    """Refit to what is drawn with a seed."""
    return _refit(inside, model, draw(np.random.RandomState(np.random.MT19937(seed))))


def _refit(inside: Any, model: FittedModel, data: Resample) -> tuple[Array | None, str]:
    """Return the parameters of a refit, None where it failed, and the name of what it raised or warned of."""
    X, y, sample_weight, offset = data
    given = {"sample_weight": sample_weight, "offset": offset}
    if hasattr(inside, "_fitted_model"):  # one of ours starts at its own estimate
        again = copy.copy(inside).set_params(warm_start=True, verbose=0)
    else:
        again = clone(inside)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            refitted = again.fit(X, y, **{name: value for name, value in given.items() if value is not None})
            read, X = read_estimator("estimator", refitted, X)
            if np.isnan(read.coefficients).any():
                read = read_training(read, X, y, sample_weight, None)[0]
        except (ValueError, ArithmeticError) as error:
            return None, type(error).__name__
    values = read.coefficients.ravel()[read.entries]
    if read.coefficients.shape != model.coefficients.shape or len(values) != len(model.entries):
        return None, "other parameters than those of the fit"
    if not np.isfinite(values).all():
        return None, "no finite estimate"
    return values, caught[0].category.__name__ if caught else ""
