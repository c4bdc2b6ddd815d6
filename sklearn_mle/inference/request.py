"""What may be asked of ``infer``: which combinations of model, covariance, weights and penalty are defined."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from sklearn_mle._numerics.naming import naming
from sklearn_mle._numerics.real_numbers import refuse_masked
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.covariance import COVARIANCES
from sklearn_mle.inference.model import FittedModel
from sklearn_mle.inference.weights import WEIGHT_TYPES

__all__ = ["check_bread", "check_choices", "covariance_meant", "group_codes"]

Array = NDArray[Any]

_WITH_BREAD = ("HC0", "HC1", "HC2", "HC3", "cluster")


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
    refuse("infer", model, covariance=covariance, weight_type=weight_type, penalized=penalized, dispersion=dispersion)
    if dispersion is not None:
        return "expected"
    if covariance != "auto":
        return covariance
    if not model.likelihood.smooth:
        return "kernel"
    return "HC0" if penalized == "sandwich" or weight_type == "sampling" else "hessian"


def check_bread(model: FittedModel, kind: str, bread: str | None) -> None:
    """Raise ValueError where a covariance has no bread to choose."""
    if bread is None:
        return
    if kind not in _WITH_BREAD:
        raise ValueError(
            f"bread={bread!r} is the information on both sides of a sandwich, covariance='HC0' to 'HC3' or 'cluster'; "
            f"got covariance={kind!r}."
        )
    refuse("infer", model, bread=bread)


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
