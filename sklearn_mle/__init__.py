"""Maximum likelihood estimators for scikit-learn: choosing a loss is choosing a probability model."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sklearn_mle.estimators import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
    from sklearn_mle.meta_estimators import DistributionalRegressor

__all__ = ["DistributionalRegressor", "GaussianMLERegressor", "MLELogisticClassifier", "MLERegressor", "__version__"]

_ESTIMATORS = {"GaussianMLERegressor", "MLELogisticClassifier", "MLERegressor"}
_META_ESTIMATORS = {"DistributionalRegressor"}
_PACKAGES = {
    "displays",
    "estimators",
    "exceptions",
    "inference",
    "likelihoods",
    "meta_estimators",
    "metrics",
    "model_selection",
}


def __getattr__(name: str) -> Any:
    # Packages are imported when first named: importing the package costs nothing beyond the scikit-learn that is used.
    if name in _ESTIMATORS:
        return getattr(import_module("sklearn_mle.estimators"), name)
    if name in _META_ESTIMATORS:
        return getattr(import_module("sklearn_mle.meta_estimators"), name)
    if name in _PACKAGES:
        return import_module(f"sklearn_mle.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_PACKAGES})
