"""Which likelihood, and whether its scale depends on the rows: judged by cross-validated likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arrays import Array
from sklearn_mle.likelihoods import Gaussian, Likelihood, get_likelihood
from sklearn_mle.meta_estimators._noise import (
    Noise,
    location_of,
    noise_columns,
    noise_regressor,
    predicted_exactly,
    read_likelihood,
    slope_of,
    y_seen,
)
from sklearn_mle.model_selection import Comparison, compare
from sklearn_mle.model_selection._arguments import Fold

# For outcomes of each kind, from the simplest to the one with most parameters.
_REAL = ("gaussian", "student_t", "skew_t", "gaussian_mixture")
_POSITIVE = ("gamma", "lognormal", "inverse_gaussian", "weibull")
_COUNTS = ("poisson", "negative_binomial")
_MODELLED = ", modelled scale"
_FITTED = "as fitted"  # a likelihood that is none of those


@dataclass(frozen=True)
class NewRows:
    """Outcomes beside the predictions, and the logarithms of the modelled scale, of models that did not see them."""

    y: Array
    prediction: Array
    log_scale: Array | None
    weight: Array | None
    groups: NDArray[np.intp] | None
    folds: Sequence[Fold]

    def compare(self, kind: Likelihood, scales: Sequence[bool] = (False, True)) -> Comparison | None:
        """Compare this likelihood and those of its kind by held-out likelihood; None where there are no others.

        ``scales`` says whether they have a constant (False) or the modelled one, where there is one. What is refitted
        in each fold is the likelihood alone.
        """
        likelihoods = {name: read_likelihood(name) for name in _like(kind)}
        likelihoods.setdefault(_name_of(kind), kind)
        if len(likelihoods) < 2:
            return None
        location, columns = location_of(kind, self.prediction), np.empty((len(self.y), 0))
        seen = y_seen(kind, self.y, self.prediction)
        if self.log_scale is not None:
            slope = slope_of(kind, seen, self.prediction, self.log_scale, self.weight)
            columns = noise_columns(kind, self.log_scale, self.prediction, slope)
        regressors = {
            name + _MODELLED * modelled: noise_regressor(likelihood, modelled=modelled)
            for modelled in scales
            for name, likelihood in likelihoods.items()
            if not modelled or (self.log_scale is not None and likelihood.dispersion_parameter is not None)
        }
        # Whole numbers are scored by their probabilities, which do not grow without bound.
        y = self.y if (self.y == np.floor(self.y)).all() else seen
        return compare(
            regressors, columns, y, cv=self.folds, offset=location, sample_weight=self.weight, groups=self.groups
        )

    def choose(self) -> tuple["NewRows", Likelihood, Comparison | None]:
        """Return the best likelihood of real outcomes, with the rows as it takes them, and the comparison.

        Where every row is predicted exactly there is nothing to choose by, and the Gaussian is taken.
        """
        if predicted_exactly(self.y, self.prediction).all():
            return replace(self, log_scale=None), Gaussian(), None
        if not self.folds:
            raise ValueError(
                "likelihood='auto' compares likelihoods on each fold by those fitted to the others, but one fold holds "
                "all rows of positive weight: give other folds, or name a likelihood."
            )
        comparison = self.compare(Gaussian())
        assert comparison is not None
        name, modelled = _split(comparison.names[0])
        return self if modelled else replace(self, log_scale=None), read_likelihood(name), comparison

    def better_than(self, noise: Noise) -> str | None:
        """Return the name of a likelihood that is better by more than two paired standard errors; None without one.

        It is advice about a likelihood that was fitted already: where the rows are too few to compare, there is none.
        """
        modelled = noise.slope is not None
        # A likelihood without a dispersion has no scale to be modelled.
        scales = [modelled] if noise.likelihood.dispersion_parameter is not None else [False, True]
        try:
            comparison = self.compare(noise.likelihood, scales)
        except ValueError:
            comparison = None
        if comparison is None:
            return None
        best, own = comparison.names[0], _name_of(noise.likelihood) + _MODELLED * modelled
        difference = comparison.difference(best, own)
        return _split(best)[0] if difference.value > 2 * difference.standard_error else None  # nan: its own fits failed


def _split(name: str) -> tuple[str, bool]:
    """Return the name of a candidate's likelihood, and whether its scale is the modelled one."""
    return name.removesuffix(_MODELLED), name.endswith(_MODELLED)


def _name_of(likelihood: Likelihood) -> str:
    """Return the name of a likelihood's class among those for the same outcomes."""
    return next((name for name in _like(likelihood) if type(get_likelihood(name)) is type(likelihood)), _FITTED)


def _like(likelihood: Likelihood) -> tuple[str, ...]:
    """Return the names of likelihoods for the same outcomes."""
    if likelihood.equivariance == "location_scale":
        return _REAL
    if likelihood.positive_only:
        return _POSITIVE
    return _COUNTS if likelihood.discrete and likelihood.links[0] == "log" else ()
