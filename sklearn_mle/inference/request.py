"""What may be asked of ``infer``: which combinations of model, covariance, weights and penalty are defined."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.covariance import COVARIANCES
from sklearn_mle.inference.model import FittedModel
from sklearn_mle.inference.weights import WEIGHT_TYPES, refuse_precisions
from sklearn_mle.likelihoods import (
    Bernoulli,
    Binomial,
    Gamma,
    Gaussian,
    InverseGaussian,
    NegativeBinomial,
    Poisson,
    Tweedie,
)
from sklearn_mle.numerics.naming import naming
from sklearn_mle.numerics.real_numbers import refuse_masked

__all__ = ["check_bread", "check_choices", "covariance_meant", "group_codes"]

Array = NDArray[Any]

_WITH_BREAD = ("HC0", "HC1", "HC2", "HC3", "cluster")
# Variances proportional to the dispersion, so that Pearson's statistic estimates it.
_WITH_DISPERSION = (Bernoulli, Binomial, Gamma, Gaussian, InverseGaussian, NegativeBinomial, Poisson, Tweedie)


def check_choices(
    covariance: str, weight_type: str | None, penalized: str | None, dispersion: str | None, bread: str | None
) -> None:
    """Raise ValueError if an argument is none of its choices."""
    for name, value, choices in (
        ("covariance", covariance, ("auto", *COVARIANCES)),
        ("weight_type", weight_type, (None, *WEIGHT_TYPES)),
        ("penalized", penalized, (None, "laplace", "sandwich")),
        ("dispersion", dispersion, (None, "pearson")),
        ("bread", bread, (None, "observed", "expected")),
    ):
        if not (value is None or isinstance(value, str)) or value not in choices:
            raise ValueError(f"{name} must be one of {list(choices)}; got {value!r}.")


def covariance_meant(
    model: FittedModel, covariance: str, weight_type: str, penalized: str | None, dispersion: str | None
) -> str:
    """Return the covariance that is meant, or say why what was asked for is not defined."""
    if model.penalized and penalized is None:
        how = "class_weight" if model.class_weighted else "a penalty"
        raise ValueError(
            f"{model.name} was fitted with {how}, so its estimate is not the maximum likelihood estimate and the usual "
            "standard errors are not its own. Say how it is meant: penalized='laplace' (curvature of the posterior) "
            "or penalized='sandwich' (sampling variance of the shrunken estimate); or fit without."
        )
    if penalized is not None and not model.penalized:
        raise ValueError(
            f"penalized={penalized!r}, but this {model.name} was fitted without a penalty or class_weight."
        )
    if penalized == "laplace":
        if model.class_weighted:
            raise ValueError("penalized='laplace': class weights are no prior; use penalized='sandwich'.")
        if covariance not in ("auto", "hessian", "expected") or dispersion is not None:
            raise ValueError("penalized='laplace' is the inverse of the posterior's curvature: leave covariance alone.")
    if weight_type == "precision":
        refuse_precisions(model.name, model.likelihood, model.terms)
    if covariance in ("HC2", "HC3") and model.penalized:
        raise ValueError(
            f"covariance={covariance!r} is not defined under a penalty or class_weight; use 'HC0' or 'HC1'."
        )
    sandwich = penalized == "sandwich" or weight_type == "sampling"
    if dispersion is not None:
        if covariance not in ("auto", "expected") or sandwich:
            raise ValueError("dispersion='pearson' scales the expected information: it goes with no other covariance.")
        if not isinstance(model.likelihood, _WITH_DISPERSION) or len({t.columns for t in model.terms[1:]} - {False}):
            raise ValueError(f"dispersion='pearson' is not defined for {model.likelihood!r} as it was fitted here.")
        return "expected"
    smooth = model.likelihood.smooth
    if covariance == "auto":
        return "kernel" if not smooth else "HC0" if sandwich else "hessian"
    if covariance == "kernel" and smooth:
        raise ValueError(f"covariance='kernel' is for likelihoods with a kink; for {model.likelihood!r} use 'HC0'.")
    if covariance == "hessian" and not smooth:
        raise ValueError(
            f"covariance='hessian': the Hessian of {model.likelihood!r} is zero almost everywhere, so it measures "
            "nothing; use 'kernel' (the default), 'HC0', or 'expected'."
        )
    if sandwich and covariance in ("hessian", "expected", "opg"):
        why = "penalized='sandwich'" if penalized else "weight_type='sampling'"
        raise ValueError(f"{why} calls for a sandwich: covariance='HC0', 'HC1', 'cluster'; got {covariance!r}.")
    return covariance


def check_bread(model: FittedModel, kind: str, bread: str | None) -> None:
    """Raise ValueError where a covariance has no bread to choose."""
    if bread is None:
        return
    if kind not in _WITH_BREAD:
        raise ValueError(
            f"bread={bread!r} is the information on both sides of a sandwich, covariance='HC0' to 'HC3' or 'cluster'; "
            f"got covariance={kind!r}."
        )
    if bread == "observed" and not model.likelihood.smooth:
        raise NotSupportedError(
            f"bread='observed': the Hessian of {model.likelihood!r} is zero almost everywhere, so it measures nothing; "
            "use 'expected', or None for a kernel estimate."
        )


def group_codes(groups: Any, kind: str, n: int) -> Array | None:
    """Return the clusters as codes 0, 1, ..., or None."""
    if (groups is None) == (kind == "cluster"):
        raise ValueError("groups and covariance='cluster' go together: give both or neither.")
    if groups is None:
        return None
    refuse_masked(groups=groups)
    with naming("groups"):
        groups = column_or_1d(check_array(groups, ensure_2d=False, dtype=None, input_name="groups"))
        codes = np.unique(groups, return_inverse=True)[1]
    check_consistent_length(groups, np.empty(n))
    return codes
