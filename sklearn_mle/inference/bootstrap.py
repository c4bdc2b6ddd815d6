"""The bootstrap: rows, clusters, signs of residuals or outcomes are drawn, and the fit is repeated."""

import copy
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import norm
from sklearn.base import clone
from sklearn.utils import check_random_state

from sklearn_mle._numerics.arguments import argument_name, check_count
from sklearn_mle.exceptions import ConvergenceWarning, NotSupportedError
from sklearn_mle.inference.at_estimate import read_training
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.clusters import codes_of
from sklearn_mle.inference.hypotheses import check_confidence_level
from sklearn_mle.inference.influence import influence
from sklearn_mle.inference.model import FittedModel, ReadData
from sklearn_mle.inference.reading import open_up, read_estimator
from sklearn_mle.inference.residual_rows import row_predictors
from sklearn_mle.likelihoods import Binomial

Array = NDArray[Any]

_KINDS = ("pairs", "cluster", "wild", "parametric")
_INTERVALS = ("percentile", "basic", "normal")


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
        if kind not in _INTERVALS:
            raise ValueError(f"kind must be one of {list(_INTERVALS)}; got {kind!r}.")
        tail = 0.5 * (1 - confidence_level)
        if kind == "normal":
            half = norm.isf(tail) * self.standard_errors
            return np.stack([self.estimates - half, self.estimates + half], axis=1)
        ends = np.quantile(self.replicates, [tail, 1 - tail], axis=0).T
        return ends if kind == "percentile" else 2 * self.estimates[:, None] - ends[:, ::-1]

    def to_frame(self) -> Any:
        """Return a pandas DataFrame of the replicates, a column per parameter.

        Returns
        -------
        pandas.DataFrame
            Of shape (B, m).
        """
        import pandas as pd

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
          signs, with ``groups`` the same sign within a cluster. X is not resampled.
        - ``"parametric"``: y is drawn from the fitted distribution given X.
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
        If an argument is not valid, or fewer than two resamples could be fitted.

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
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"kind must be one of {list(_KINDS)}; got {kind!r}.")
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
    codes = None if groups is None else codes_of(groups, data.y)
    draw = _drawing(kind, estimator, model, data, X, y, codes, sample_weight, offset)
    inside = open_up(estimator, None)[0]
    task = partial(_replicate, inside, model, rows, draw)
    seeds = np.random.SeedSequence(seed).spawn(int(n_resamples))
    found = Parallel(n_jobs=n_jobs)(delayed(task)(each) for each in seeds)
    fitted = np.array([values for values, _ in found if values is not None])
    _report([word for _, word in found if word], len(fitted), len(found))
    estimates = model.coefficients.ravel()[model.entries]
    return Bootstrap(model.labels, estimates, fitted, int(n_resamples))


def _report(words: list[str], n_fitted: int, n_resamples: int) -> None:
    if n_fitted < 2:
        raise ValueError(f"Only {n_fitted} of {n_resamples} resamples could be fitted: {words[0] if words else ''}")
    if words:
        kinds = ", ".join(f"{name} {count}" for name, count in Counter(words).most_common())
        warnings.warn(
            ConvergenceWarning(
                f"{n_resamples - n_fitted} of {n_resamples} resamples could not be fitted and are left out; errors and "
                f"warnings of the refits: {kinds}. If estimates may not exist, a bootstrap says little about "
                "their spread."
            ),
            stacklevel=3,
        )


@dataclass(frozen=True)
class _Resample:
    """The data of a refit: rows of X by their numbers (None: all), y, sample_weight and offset of these rows."""

    rows: Array | None
    y: Any
    sample_weight: Any
    offset: Any


def _replicate(
    inside: Any, model: FittedModel, X: Any, draw: Any, seed: np.random.SeedSequence
) -> tuple[Array | None, str]:
    """Return the parameters of a refit, None where it failed, and the name of what it raised or warned of."""
    resample = draw(np.random.RandomState(np.random.MT19937(seed)))
    X = X if resample.rows is None else taken(X, resample.rows)
    given = {"sample_weight": resample.sample_weight, "offset": resample.offset}
    given = {name: value for name, value in given.items() if value is not None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            refitted = _again(inside).fit(X, resample.y, **given)
            read, X = read_estimator("estimator", refitted, X)
            if np.isnan(read.coefficients).any():
                read = read_training(read, X, resample.y, resample.sample_weight, None)[0]
        except (ValueError, ArithmeticError) as error:
            return None, type(error).__name__
    values = read.coefficients.ravel()[read.entries] if read.coefficients.shape == model.coefficients.shape else None
    if values is None or not np.isfinite(values).all():
        return None, "no finite estimate"
    return values, caught[0].category.__name__ if caught else ""


def _again(estimator: Any) -> Any:
    """Return an unfitted estimator; one of ours begins at its own estimate."""
    if not hasattr(estimator, "_fitted_model"):
        return clone(estimator)
    return copy.copy(estimator).set_params(warm_start=True, verbose=0)


def taken(values: Any, rows: Array) -> Any:
    """Return rows of an argument: of a frame, an array, or sparse; None and scalars as they are."""
    if values is None or not (np.ndim(values) or hasattr(values, "shape")):
        return values
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    return values[rows] if hasattr(values, "shape") else np.asarray(values)[rows]


def _drawing(
    kind: str,
    estimator: Any,
    model: FittedModel,
    data: ReadData,
    X: Any,
    y: Any,
    codes: Array | None,
    sample_weight: Any,
    offset: Any,
) -> Any:
    """Return a function of a generator that gives a resample."""
    n = data.X.shape[0]
    if kind in ("pairs", "cluster"):
        own = np.arange(n) if codes is None else codes
        return partial(_draw_rows, own, y, sample_weight, offset)
    eta = row_predictors(model, data)
    if kind == "parametric":
        return partial(_draw_outcomes, model, data.y.T, eta, sample_weight, offset)
    leverage = influence(estimator, X, y, sample_weight=sample_weight, offset=offset).leverage
    residual = (data.y - eta[0]) / np.sqrt(np.where(leverage < 1, 1 - leverage, 1))
    own = np.arange(n) if codes is None else codes
    return partial(_draw_signs, own, eta[0], np.nan_to_num(residual), sample_weight, offset)


def _draw_rows(codes: Array, y: Any, sample_weight: Any, offset: Any, rng: np.random.RandomState) -> _Resample:
    n_groups = int(codes.max()) + 1
    times = np.bincount(rng.randint(n_groups, size=n_groups), minlength=n_groups)[codes]
    rows = np.repeat(np.arange(len(codes)), times)
    return _Resample(rows, taken(y, rows), taken(sample_weight, rows), taken(offset, rows))


def _draw_signs(
    codes: Array, fitted: Array, residual: Array, sample_weight: Any, offset: Any, rng: np.random.RandomState
) -> _Resample:
    signs = rng.choice([-1.0, 1.0], size=int(codes.max()) + 1)[codes]
    return _Resample(None, fitted + signs * residual, sample_weight, offset)


def _draw_outcomes(
    model: FittedModel, y: Array, eta: Array, sample_weight: Any, offset: Any, rng: np.random.RandomState
) -> _Resample:
    with np.errstate(all="ignore"):
        if model.classes is not None:
            scores = eta if len(eta) > 1 else np.concatenate([np.zeros_like(eta), eta])
            below = np.cumsum(softmax(scores, axis=0), axis=0)[:-1]
            codes = (rng.uniform(size=eta.shape[1]) > below).sum(axis=0)
            drawn = np.asarray(model.classes)[codes]
        elif y.ndim == 2:
            successes = Binomial().distribution(eta, y.sum(axis=0)).rvs(random_state=rng)
            drawn = np.column_stack([successes, y.sum(axis=0) - successes])
        else:
            drawn = model.likelihood.distribution(eta).rvs(size=eta.shape[1], random_state=rng)
    return _Resample(None, drawn, sample_weight, offset)
