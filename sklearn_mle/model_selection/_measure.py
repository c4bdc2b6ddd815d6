"""Whether unfitted estimators will give probabilities or densities, so that none is fitted only to be refused."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.metrics._unit_cells import are_whole
from sklearn_mle.metrics.probabilistic_scorers import DistributionScorer, LogLikelihoodScorer, ProbabilisticScorer

__all__ = ["NO_COMMON_UNIT", "refuse_what_cannot_be_ranked"]

NO_COMMON_UNIT = (
    "the two have no common unit, and the unit of y would decide which is larger. Compare models of one kind, or all "
    "by scoring='neg_crps', which has the unit of y for both. (Where all of y are whole numbers, densities are scored "
    "by probabilities, too.)"
)


def refuse_what_cannot_be_ranked(named: Sequence[tuple[str, Any]], scorer: ProbabilisticScorer, y: Any) -> None:
    """Raise where estimators say before they are fitted that they cannot be scored, or not beside each other.

    Of those that do not say it (a search, or another's) the first fits tell.

    Raises
    ------
    TypeError
        If a likelihood has no distribution.
    ValueError
        If one has a mass function and another a density, log-likelihoods are asked for, and y holds numbers that are
        not whole: whole ones have a probability under both.
    """
    if not isinstance(scorer, LogLikelihoodScorer | DistributionScorer):
        return
    discrete = {}
    for name, estimator in named:
        likelihood = _likelihood_of(estimator)
        if likelihood is not None and type(likelihood).distribution is Likelihood.distribution:
            raise TypeError(
                f"estimators[{name!r}]: {type(likelihood).__name__} has no distribution, which single rows are scored "
                "by. Give it a method distribution(eta) that returns a frozen scipy.stats distribution."
            )
        if likelihood is not None or is_classifier(_last_step(estimator)):
            discrete[name] = likelihood is None or likelihood.discrete
    if isinstance(scorer, LogLikelihoodScorer) and len(set(discrete.values())) > 1 and not _are_whole(y):
        mass = next(name for name, is_mass in discrete.items() if is_mass)
        density = next(name for name, is_mass in discrete.items() if not is_mass)
        raise ValueError(
            f"estimators: {mass!r} gives probabilities of outcomes (a mass function), {density!r} a density: "
            f"{NO_COMMON_UNIT}"
        )


def _are_whole(y: Any) -> bool:
    values = np.asarray(y)
    return values.dtype.kind in "biu" or (values.dtype.kind == "f" and are_whole(values))


def _last_step(estimator: Any) -> Any:
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def _likelihood_of(estimator: Any) -> Likelihood | None:
    """Return the likelihood of one of our regressors; None for others, and where its fit will say what is wrong."""
    choose = getattr(_last_step(estimator), "_chosen_likelihood", None)
    try:
        return None if choose is None else choose()
    except (TypeError, ValueError):
        return None
