"""One predictive distribution per row, from several libraries, with the same methods.

These are the frozen distributions of ``scipy.stats`` (and what wraps one as ``.dist``, as NGBoost's do), scipy's newer
distribution objects, and skpro's. Other classes need ``cdf`` and ``ppf``, and ``logpdf`` or ``logpmf`` for densities.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.utils import column_or_1d

from sklearn_mle._numerics.arguments import argument_name, as_floats, first_true
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.scipy_frozen import given_parameters, rv_continuous_frozen, rv_discrete_frozen, rv_frozen

# The names of a method: in scipy.stats, in scipy's newer objects, in skpro.
_LOG_DENSITY, _LOG_MASS, _CDF = ("logpdf", "log_pdf"), ("logpmf", "log_pmf"), ("cdf",)
# By how much the logarithms of a probability and of a jump of the distribution function may differ.
_SAME_PROBABILITY = 1e-6


class RowDistributions:
    """Distributions of n outcomes; x of shape (..., n) is a point, or several, of each row's.

    ``family`` is the class of the ``scipy.stats`` distribution and ``parameters`` its parameters by name, ``loc`` and
    ``scale`` among them; None and empty for distributions of other classes.
    """

    def __init__(self, distribution: Any) -> None:
        if _has(distribution, "compute"):  # of rows that Dask keeps
            distribution = distribution.compute()
        self.name = type(distribution).__name__
        inner = getattr(distribution, "dist", None)
        frozen = inner if isinstance(inner, rv_frozen) else distribution
        self._frozen = frozen
        self.is_discrete = is_discrete(frozen)
        self._by_frame = not isinstance(frozen, rv_frozen) and (_has(frozen, "log_pdf") or _has(frozen, "log_pmf"))
        self.has_log_density = self._method(_LOG_MASS if self.is_discrete else _LOG_DENSITY) is not None
        self.has_cdf = self._method(_CDF) is not None
        self.family: type | None = None
        self.parameters: dict[str, Array] = {}
        if isinstance(frozen, rv_frozen):
            self.family = type(frozen.dist)
            default = {"loc": 0.0} if self.is_discrete else {"loc": 0.0, "scale": 1.0}
            given = default | given_parameters(frozen)
            self.parameters = {name: np.asarray(value, dtype=np.float64) for name, value in given.items()}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameters: (n,), or () or (1,) if one distribution stands for all rows."""
        if self.family is not None:
            return np.broadcast_shapes(*(np.shape(value) for value in self.parameters.values()))
        return np.shape(getattr(self._frozen, "shape", ())) and self._frozen.shape[:1]

    @property
    def is_of_one_trial(self) -> bool:
        """Whether every outcome is one success or failure: a binomial distribution of one trial."""
        return self.family is type(binom) and bool((self.parameters["n"] == 1).all())

    def log_density(self, x: Array) -> Array:
        """Log density, or log mass."""
        logs = self._ask(_LOG_MASS if self.is_discrete else _LOG_DENSITY, x)
        scale = self.parameters.get("scale")
        if scale is None or (scale != 0).all():
            return logs
        # scipy.stats gives nan for a scale of 0, which a Gaussian process has at its training rows.
        return np.where(scale == 0, np.where(x == self.parameters["loc"], np.inf, -np.inf), logs)

    def cdf(self, x: Array) -> Array:
        """Probability of at most x."""
        return self._ask(_CDF, x)

    def sf(self, x: Array) -> Array:
        """Probability of more than x."""
        return self._ask(("sf", "ccdf"), x, lambda: 1 - self.cdf(x))

    def log_cdf(self, x: Array) -> Array:
        """Logarithm of the probability of at most x."""
        return self._ask(("logcdf",), x, lambda: np.log(self.cdf(x)))

    def log_sf(self, x: Array) -> Array:
        """Logarithm of the probability of more than x."""
        return self._ask(("logsf", "logccdf"), x, lambda: np.log(self.sf(x)))

    def own_crps(self, y: Array) -> Array | None:
        """Continuous ranked probability score (n,) by the distribution's own method; nan where that gives none."""
        if not _has(self._frozen, "crps"):
            return None
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self._frozen.crps(y), dtype=np.float64), y.shape)

    def ppf(self, q: Array) -> Array:
        """Quantile of probability q."""
        return self._ask(("ppf", "icdf"), q)

    def isf(self, q: Array) -> Array:
        """Point that is exceeded with probability q."""
        return self._ask(("isf", "iccdf"), q, lambda: self.ppf(1 - q))

    def _method(self, names: tuple[str, ...]) -> Callable[..., Any] | None:
        # NGBoost's distributions answer None to any name they do not know.
        return next((getattr(self._frozen, name) for name in names if _has(self._frozen, name)), None)

    def _ask(self, names: tuple[str, ...], x: Array, otherwise: Callable[[], Array] | None = None) -> Array:
        method = self._method(names)
        with np.errstate(all="ignore"):
            if method is None and otherwise is not None:
                return otherwise()
            if method is None:
                raise TypeError(
                    f"the distribution, a {self.name}, has no {' or '.join(names)}: "
                    "a frozen scipy.stats distribution is needed, or one with the same methods."
                )
            if not self._by_frame:
                return np.asarray(method(x), dtype=np.float64)
            # skpro's take one table of the shape of the distribution at a time, a column for its one output.
            rows = np.reshape(x, (-1, np.shape(x)[-1]))
            answers = [np.asarray(method(row[:, None]), dtype=np.float64)[:, 0] for row in rows]
            return np.reshape(answers, np.shape(x))


class Mirrored(RowDistributions):
    """Continuous distributions of minus the outcomes: what is done in a lower tail is so done in the upper one."""

    def __init__(self, of: RowDistributions) -> None:
        self._of = of

    def log_density(self, x: Array) -> Array:
        return self._of.log_density(-x)

    def cdf(self, x: Array) -> Array:
        return self._of.sf(-x)

    def sf(self, x: Array) -> Array:
        return self._of.cdf(-x)

    def ppf(self, q: Array) -> Array:
        return -self._of.isf(q)


def read_distributions(y_pred: Any, y: Array) -> RowDistributions:
    """Read the distributions of the outcomes y (n,): as many as there are rows, or one for all of them."""
    rows = RowDistributions(y_pred)
    if not rows.has_cdf:
        raise TypeError(
            f"y_pred is a {rows.name}; a distribution is needed, such as estimator.predict_distribution(X) or "
            "scipy.stats.norm(mean, std)."
        )
    shapes = {name: np.shape(value) for name, value in rows.parameters.items() if np.shape(value) not in ((), (1,))}
    wrong = {name: shape for name, shape in shapes.items() if shape != y.shape}
    if wrong:
        name, shape = next(iter(wrong.items()))
        raise ValueError(
            f"y_pred has {name} of shape {shape} for outcomes of shape {y.shape}: one distribution per row is needed."
        )
    return rows


def read_outcomes(y_true: Any) -> Array:
    """Outcomes (n,): finite numbers."""
    with argument_name("y_true"):
        y = column_or_1d(as_floats(y_true, "y_true"))
    if len(y) == 0:
        raise ValueError("y_true is empty: at least one outcome is needed.")
    if (row := first_true(~np.isfinite(y))) is not None:
        raise ValueError(f"y_true[{row}] is {y[row]}: outcomes must be finite.")
    return y.astype(np.float64, copy=False)


def has_two_columns(y_true: Any) -> bool:
    """Whether outcomes are (n, 2): successes and failures."""
    with argument_name("y_true"):
        shape = np.shape(y_true)
    return len(shape) == 2 and shape[1] == 2


def read_counts(y_true: Any) -> Array:
    """Numbers of successes and failures (n, 2): finite, not negative."""
    counts = as_floats(y_true, "y_true").astype(np.float64, copy=False)
    if (row := first_true(~np.all(np.isfinite(counts) & (counts >= 0), axis=1))) is not None:
        raise ValueError(
            f"y_true[{row}] is {counts[row].tolist()}: two columns are numbers of successes and failures, finite and "
            "not negative."
        )
    return counts


def read_outcomes_of(distribution: Any, y_true: Any) -> tuple[Array, Any]:
    """Outcomes (n,) and their distribution; two columns are successes among all trials of a row.

    An estimator of binomial counts predicts one trial; the number of trials is known from the outcome alone.
    """
    if not has_two_columns(y_true):
        return read_outcomes(y_true), distribution
    rows = RowDistributions(distribution)
    if not rows.is_of_one_trial:
        raise ValueError(
            "y_true has two columns, which only an estimator of binomial counts takes (successes and failures); this "
            f"one predicts a {rows.name}: give one outcome per row."
        )
    counts = read_counts(y_true)
    if (row := first_true((counts != np.floor(counts)).any(axis=1))) is not None:
        raise ValueError(
            f"y_true[{row}] is {counts[row].tolist()}: to score single rows, counts must be whole numbers."
        )
    return counts[:, 0], binom(counts.sum(axis=1), rows.parameters["p"])


def check_rows(values: Any, y: Array, what: str) -> Array:
    """Values (n,) of a distribution at its outcomes, none of them missing."""
    values = np.asarray(values, dtype=np.float64)
    if values.shape != y.shape:
        raise ValueError(f"the distribution gave {what} of shape {values.shape} for outcomes of shape {y.shape}.")
    if (row := first_true(np.isnan(values))) is not None:
        raise ValueError(
            f"{what} of y_true[{row}] = {y[row]} is nan: the distribution of row {row} is not defined; look for "
            "parameters that are missing, or a scale that is not positive."
        )
    return values


def is_discrete(distribution: Any) -> bool:
    """Whether the distribution has a mass function."""
    if isinstance(distribution, rv_discrete_frozen):
        return True
    if isinstance(distribution, rv_continuous_frozen):
        return False
    # scipy's newer distributions all have both methods, and the wrong one returns infinities.
    kinds = {base.__name__ for base in type(distribution).__mro__}
    if "ContinuousDistribution" in kinds or "DiscreteDistribution" in kinds:
        return "DiscreteDistribution" in kinds
    get_tag = getattr(distribution, "get_tag", None)  # skpro's
    if callable(get_tag):
        return bool(get_tag("distr:measuretype", "continuous") == "discrete")
    return any(_has(distribution, name) for name in _LOG_MASS) and not any(
        _has(distribution, name) for name in _LOG_DENSITY
    )


def are_atoms(distributions: RowDistributions, x: Array, logs: Array) -> NDArray[np.bool_]:
    """Tell which points x (n,) have a probability of their own under distributions that are continuous otherwise.

    ``logs`` are the log densities there; at an atom that is the logarithm of its probability.
    """
    if not distributions.has_cdf:
        return np.zeros(x.shape, dtype=bool)
    # Over one rounding of x a continuous distribution function rises by a rounding, and at an atom by its probability.
    with np.errstate(all="ignore"):
        jump = distributions.cdf(x) - distributions.cdf(np.nextafter(x, -np.inf))
        return np.asarray((jump > 0) & (np.abs(np.log(jump) - logs) < _SAME_PROBABILITY))


def _has(distribution: Any, name: str) -> bool:
    return callable(getattr(distribution, name, None))
