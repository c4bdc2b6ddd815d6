"""Maximum likelihood estimators for scikit-learn: choosing a loss is choosing a probability model."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sklearn_mle.estimators import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
    from sklearn_mle.meta_estimators import DistributionalRegressor, LikelihoodCalibratedClassifier

__all__ = [
    "DistributionalRegressor",
    "GaussianMLERegressor",
    "LikelihoodCalibratedClassifier",
    "MLELogisticClassifier",
    "MLERegressor",
    "__version__",
]

_ESTIMATORS = {
    "DistributionalRegressor": "meta_estimators",
    "GaussianMLERegressor": "estimators",
    "LikelihoodCalibratedClassifier": "meta_estimators",
    "MLELogisticClassifier": "estimators",
    "MLERegressor": "estimators",
}
_PACKAGES = {
    "displays",
    "estimators",
    "exceptions",
    "inference",
    "likelihoods",
    "meta_estimators",
    "metrics",
    "model_selection",
    "preprocessing",
}


def __getattr__(name: str) -> Any:
    # Packages are imported when first named: importing the package costs nothing beyond the scikit-learn that is used.
    if name in _ESTIMATORS:
        return getattr(import_module(f"sklearn_mle.{_ESTIMATORS[name]}"), name)
    if name in _PACKAGES:
        return import_module(f"sklearn_mle.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_PACKAGES})
