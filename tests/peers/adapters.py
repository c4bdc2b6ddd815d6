"""Our estimators with the parameters of scikit-learn's, for its own tests; what has no counterpart is refused.

Parameters are kept as scikit-learn's, with scikit-learn's constraints, and translated when ``fit`` is called.
"""

from typing import Any, Self

import numpy as np
from sklearn import linear_model

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor

SOLVERS = {"lbfgs": "lbfgs", "newton-cg": "newton-cg", "newton-cholesky": "newton"}


class AbsentError(NotImplementedError):
    """A parameter or its value has no counterpart here, by design."""


class Translated:
    """Fit one of our estimators with translated parameters, and take over all that it found."""

    theirs: Any
    n_fits = 0

    def _ours(self, total_weight: float) -> Any:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        Translated.n_fits += 1
        self._validate_params()
        n = len(y) if hasattr(y, "__len__") else 0
        weight = n if sample_weight is None else np.sum(np.broadcast_to(sample_weight, n))
        ours = self._ours(float(weight))
        parameters = self.get_params(deep=False)
        vars(ours).update({name: value for name, value in vars(self).items() if name not in parameters})
        ours.fit(X, y, sample_weight)
        own = ours.get_params(deep=False)
        vars(self).update({name: value for name, value in vars(ours).items() if name not in own})
        return self

    def _common(self) -> dict[str, Any]:
        """Translate what all share. Their tol bounds a gradient, ours a gap, which is of its square's size."""
        return {
            "fit_intercept": self.fit_intercept,
            "max_iter": self.max_iter if self.max_iter is not None else 1000,
            "tol": min(1e-8, max(self.tol**2, 1e-16)),
        }


def absent(condition: bool, what: str) -> None:
    if condition:
        raise AbsentError(what)


class LogisticRegression(Translated, MLELogisticClassifier):
    theirs = linear_model.LogisticRegression
    _parameter_constraints = theirs._parameter_constraints
    bias_reduction, on_separation = None, "warn"

    def __init__(
        self,
        penalty="deprecated",
        *,
        C=1.0,
        l1_ratio=0.0,
        dual=False,
        tol=1e-4,
        fit_intercept=True,
        intercept_scaling=1,
        class_weight=None,
        random_state=None,
        solver="lbfgs",
        max_iter=100,
        verbose=0,
        warm_start=False,
        n_jobs=None,
    ):
        vars(self).update({name: value for name, value in locals().items() if name not in ("self", "__class__")})

    def _ours(self, total_weight):
        absent(self.penalty in ("l1", "elasticnet") or bool(self.l1_ratio), "L1 penalty")
        absent(self.dual or self.solver == "liblinear", "liblinear, which penalizes the intercept")
        absent(self.solver in ("sag", "saga"), "stochastic solvers")
        return MLELogisticClassifier(
            C=np.inf if self.penalty is None else self.C,
            class_weight=self.class_weight,
            solver=SOLVERS[self.solver],
            warm_start=self.warm_start,
            verbose=self.verbose,
            **self._common(),
        )


class GLM(Translated, MLERegressor):
    """The total NLL is penalized here, half the mean deviance there: alpha is multiplied by the weights' sum."""

    likelihood = "gaussian"
    scale, on_separation = 1.0, "warn"

    def __init__(
        self, *, alpha=1.0, fit_intercept=True, solver="lbfgs", max_iter=100, tol=1e-4, warm_start=False, verbose=0
    ):
        self._keep(locals())

    def _keep(self, parameters):
        vars(self).update({k: v for k, v in parameters.items() if k not in ("self", "__class__")})

    def _get_loss(self, *arguments, **keywords):
        return self.theirs._get_loss(self, *arguments, **keywords)

    def _named(self):
        return self.likelihood

    def _ours(self, total_weight):
        likelihood = self._named()
        return MLERegressor(
            likelihood,
            alpha=self.alpha * total_weight,
            scale="constant" if likelihood == "poisson" else 1.0,
            solver=SOLVERS[self.solver],
            warm_start=self.warm_start,
            verbose=self.verbose,
            **self._common(),
        )


class PoissonRegressor(GLM):
    theirs = linear_model.PoissonRegressor
    _parameter_constraints = theirs._parameter_constraints
    likelihood = "poisson"


class GammaRegressor(GLM):
    theirs = linear_model.GammaRegressor
    _parameter_constraints = theirs._parameter_constraints
    likelihood = "gamma"


class TweedieRegressor(GLM):
    theirs = linear_model.TweedieRegressor
    _parameter_constraints = theirs._parameter_constraints

    def __init__(
        self,
        *,
        power=0.0,
        alpha=1.0,
        fit_intercept=True,
        link="auto",
        solver="lbfgs",
        max_iter=100,
        tol=1e-4,
        warm_start=False,
        verbose=0,
    ):
        self._keep(locals())

    def _named(self):
        from sklearn_mle.likelihoods import Tweedie

        named = {0: "gaussian", 1: "poisson", 2: "gamma", 3: "inverse_gaussian"}
        absent(self.power not in named and not 1 < self.power < 2, "Tweedie's power beyond [1, 2], 0 and 3")
        absent(self.link not in ("auto", "identity" if self.power <= 0 else "log"), "the other link")
        return named.get(self.power) or Tweedie(power=self.power)


class Ridge(Translated, GaussianMLERegressor):
    theirs = linear_model.Ridge
    _parameter_constraints = theirs._parameter_constraints
    scale, verbose, warm_start = "constant", 0, False

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        copy_X=True,
        max_iter=None,
        tol=1e-4,
        solver="auto",
        positive=False,
        random_state=None,
    ):
        vars(self).update({name: value for name, value in locals().items() if name not in ("self", "__class__")})

    def fit(self, X, y, sample_weight=None):
        absent(np.ndim(y) == 2, "several targets")
        absent(np.ndim(self.alpha) > 0, "a penalty for each target")
        absent(self.positive or self.solver == "lbfgs", "positive coefficients")
        return super().fit(X, y, sample_weight)

    def _ours(self, total_weight):
        return GaussianMLERegressor(alpha=self.alpha, **self._common())


SUBSTITUTES = (LogisticRegression, PoissonRegressor, GammaRegressor, TweedieRegressor, Ridge)
