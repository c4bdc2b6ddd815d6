"""The base of both meta-estimators: a likelihood around an estimator that is fitted with X as it is given."""

import copy
from contextlib import suppress
from typing import Any, ClassVar, NoReturn

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_mle._numerics.arguments import argument_name, refuse_masked
from sklearn_mle.estimators._base import BaseMLE
from sklearn_mle.model_selection._arguments import refuse_dask_frame


class LikelihoodAround(MetaEstimatorMixin, BaseEstimator):
    """Routing, tags and the reading of X, whose contents the estimator within validates."""

    estimator: Any
    cv: Any
    # Why inference has no standard errors of its predictions, and which it has.
    _why_not_inferred: ClassVar[str]
    _doc_link_module = BaseMLE._doc_link_module
    _doc_link_template = BaseMLE._doc_link_template

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        with suppress(AttributeError, TypeError, ValueError):  # fit says what is wrong with it
            tags.input_tags = copy.copy(get_tags(self.estimator).input_tags)
        return tags

    def get_metadata_routing(self) -> MetadataRouter:
        """Return who is handed which metadata: the estimator's fit and the splitter, as they request it.

        Returns
        -------
        MetadataRouter
            The routing; ``sample_weight`` is also this estimator's own.
        """
        # A number of folds, too, makes folds of whole groups.
        splitter = self.cv if hasattr(self.cv, "split") and not isinstance(self.cv, str) else GroupKFold()
        return (
            MetadataRouter(owner=type(self).__name__)
            .add_self_request(self)
            .add(estimator=self.estimator, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
            .add(splitter=splitter, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        )

    def _fitted_model(self, feature_names: Any = None) -> NoReturn:
        """Say where the standard errors are that inference is asked for."""
        raise TypeError(f"{type(self).__name__} has no likelihood of its predictions. {self._why_not_inferred}")

    def _features(self, X: Any) -> dict[str, Any]:
        """Return the attributes that describe the columns of X, without setting them."""
        draft = copy.copy(self)
        validate_data(draft, X, skip_check_array=True)
        return {name: value for name, value in vars(draft).items() if name in ("n_features_in_", "feature_names_in_")}

    def _rows_of(self, X: Any) -> Any:
        """Return X as rows can be taken from it."""
        refuse_dask_frame("X", X, type(self).__name__)
        with argument_name("X"):
            return indexable(X)[0]

    def _read(self, X: Any) -> Any:
        """Return rows to predict, their columns compared with those of the fit."""
        check_is_fitted(self)
        refuse_masked(X=X)
        X = self._rows_of(X)
        if np.ndim(X) != 1:  # a single row is refused by the estimator, and a list of texts is valid
            validate_data(self, X, reset=False, skip_check_array=True)
        return X


def will_have_methods(estimator: Any) -> bool:
    """Whether the methods of an estimator cannot be known before it is fitted.

    So it is of a stack (in pipelines and searches) that is to choose its final estimator itself.
    """
    while True:
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "estimator"):
            estimator = estimator.estimator
        else:
            return getattr(estimator, "final_estimator", estimator) is None
