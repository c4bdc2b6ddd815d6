"""Peers whose interface is not ``fit(X, y)`` with ``coef_`` and ``intercept_``: what their user would write."""

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize

from benchmarks.objective import Solution
from benchmarks.problem import LEVEL, Problem

__all__ = ["HandWrittenHeteroscedastic", "SnapModel", "StatsModel"]


class StatsModel:
    """statsmodels' ``Logit`` or ``MNLogit`` (Newton), ``GLM`` (IRLS), ``OLS``, ``QuantReg``; with a column of ones."""

    def __init__(self, method: str, problem: Problem, tol: float | None = None) -> None:
        self.method = method
        self.problem = problem
        self.tol = tol
        self.max_iter = 1000

    def fit(self, X: np.ndarray, y: np.ndarray) -> "StatsModel":
        """Fit; statsmodels computes the covariance of the estimates too."""
        import statsmodels.api as sm

        design = sm.add_constant(X, has_constant="add")
        if self.method == "OLS":
            result = sm.OLS(y, design).fit()
        elif self.method == "IRLS":
            family = sm.families.Poisson() if self.problem.model == "poisson" else sm.families.Binomial()
            model = sm.GLM(y, design, family=family)
            result = model.fit(method="IRLS", tol=self.tol, maxiter=self.max_iter)
        elif self.method == "QuantReg":
            result = sm.QuantReg(y, design).fit(q=LEVEL, p_tol=self.tol, max_iter=self.max_iter)
        else:
            model = (sm.Logit if self.problem.n_classes == 2 else sm.MNLogit)(y, design)
            result = model.fit(method="newton", tol=self.tol, maxiter=self.max_iter, disp=False)
        params = np.asarray(result.params)
        if params.ndim == 2:  # the first class is the reference
            params = np.column_stack([np.zeros(len(params)), params])
        self.coef_, self.intercept_ = params[1:].T, params[0]
        return self


class SnapModel:
    """Snap ML's LogisticRegression; without a penalty its regularizer, which must be positive, is 1e-9."""

    def __init__(self, alpha: float, form: str, tol: float, intercept_scaling: float = 1.0) -> None:
        self.alpha = alpha
        self.form = form
        self.tol = tol
        self.intercept_scaling = intercept_scaling
        self.max_iter = 100_000

    def fit(self, X: Any, y: np.ndarray) -> "SnapModel":
        """Fit; the primal form ignores fit_intercept, so it gets its column of ones from here."""
        import os

        import snapml

        dual = self.form == "dual"
        model = snapml.LogisticRegression(
            regularizer=self.alpha or 1e-9,
            tol=self.tol,
            max_iter=self.max_iter,
            dual=dual,
            fit_intercept=dual,
            intercept_scaling=self.intercept_scaling,
            n_jobs=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            random_state=0,
        )
        if dual:
            model.fit(X, y)
            self.coef_, self.intercept_ = np.reshape(model.coef_, (1, -1)), model.intercept_
            return self
        ones = np.full((X.shape[0], 1), self.intercept_scaling)
        model.fit(sp.hstack([X, ones], format="csr") if sp.issparse(X) else np.hstack([X, ones]), y)
        coef = np.reshape(model.coef_, (1, -1))
        self.coef_, self.intercept_ = coef[:, :-1], coef[:, -1] * self.intercept_scaling
        return self


class HandWrittenHeteroscedastic:
    """Gaussian with a log-linear scale: the NLL and its gradient in numpy, standardized columns, scipy's L-BFGS-B.

    No library among the peers fits this model by maximum likelihood; this is what its user would write.
    """

    def __init__(self, gtol: float) -> None:
        self.gtol = gtol
        self.max_iter = 100_000

    def fit(self, X: np.ndarray, y: np.ndarray) -> "HandWrittenHeteroscedastic":
        """Fit in standardized columns, and bring the coefficients back to X's units."""
        centre, spread = X.mean(axis=0), X.std(axis=0)
        Z = np.hstack([(X - centre) / spread, np.ones((len(y), 1))])
        q = Z.shape[1]

        def mean_nll(theta: np.ndarray) -> tuple[float, np.ndarray]:
            log_scale = Z @ theta[q:]
            residual = (y - Z @ theta[:q]) * np.exp(-log_scale)
            value = 0.5 * math.log(2 * math.pi) + np.mean(log_scale + 0.5 * residual**2)
            gradient = np.concatenate([-Z.T @ (residual * np.exp(-log_scale)), Z.T @ (1 - residual**2)]) / len(y)
            return float(value), gradient

        start = np.zeros(2 * q)
        start[q - 1], start[-1] = y.mean(), math.log(y.std())
        options = {"gtol": self.gtol, "ftol": 0.0, "maxiter": self.max_iter, "maxfun": 2 * self.max_iter}
        location, scale = minimize(mean_nll, start, jac=True, method="L-BFGS-B", options=options).x.reshape(2, q)
        coef, scale_coef = location[:-1] / spread, scale[:-1] / spread
        self.solution_ = Solution.of(
            coef,
            location[-1] - centre @ coef,
            scale_coef=scale_coef,
            scale_intercept=float(scale[-1] - centre @ scale_coef),
        )
        return self
