"""The result of inference: estimates, their covariance, and everything that follows from the two."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from scipy import stats

from sklearn_mle._curvature import Curvature
from sklearn_mle._numerics.arguments import argument_name, as_bool, as_floats
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.other_names import refuse_other_name
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.clusters import Shares
from sklearn_mle.inference.hypotheses import (
    DeltaMethod,
    HypothesisTest,
    chi_squared_test,
    equivalence_p_value,
    five_point_slope,
    wald_interval,
    wald_statistic,
)
from sklearn_mle.inference.hypothesis_text import read_hypothesis
from sklearn_mle.inference.model import FittedModel
from sklearn_mle.inference.summary import Summary

# The step of derivatives, relative to a standard error.
_STEP = 1e-3


@dataclass(frozen=True)
class Inference:
    """Estimates of the parameters of a fitted model, with their covariance of the requested kind.

    Attributes
    ----------
    parameters : tuple of str
        Names, predictor by predictor, the intercept first.
    estimates : ndarray of shape (m,)
        In the units of the linear predictors.
    df : float
        Degrees of freedom of Student's t; inf is the normal distribution. Of CR2 and CR3 see
        ``degrees_of_freedom``.
    header : mapping
        Facts about the whole fit, by name: log-likelihood, criteria, convergence.
    notes : tuple of str
        Notes printed below the table.
    model, curvature, combinations, shares : object
        The internals that everything else is computed from.

    Examples
    --------
    >>> from sklearn_mle import GaussianMLERegressor, inference
    >>> inference.infer(GaussianMLERegressor().fit([[0], [1], [2]], [0, 1, 1])).parameters
    ('intercept', 'x0', 'log_scale')
    """

    parameters: tuple[str, ...]
    estimates: Array
    df: float
    header: Mapping[str, Any]
    notes: tuple[str, ...]
    model: FittedModel
    curvature: Curvature
    combinations: Array
    shares: Shares | None = None

    def degrees_of_freedom(self, combinations: Any = None) -> Any:
        """Return the degrees of freedom of Student's t of linear combinations of the parameters.

        Parameters
        ----------
        combinations : array-like of shape (r, m), default=None
            None is every parameter by itself.

        Returns
        -------
        float or ndarray of shape (r,)
            ``df``; of CR2 and CR3 Satterthwaite's, of each combination its own (nan where the data do not determine
            it).
        """
        rows = np.eye(len(self.parameters)) if combinations is None else np.atleast_2d(as_floats(combinations, "R"))
        return df_of(self, rows @ self.combinations)

    @cached_property
    @np.errstate(all="ignore")
    def covariance(self) -> Array:
        """Covariance of the estimates, shape (m, m); nan for what the data do not determine."""
        return self.curvature.covariance(self.combinations)

    @cached_property
    @np.errstate(all="ignore")
    def standard_errors(self) -> Array:
        """Standard errors of the estimates, shape (m,); nan for what the data do not determine."""
        return self.curvature.standard_errors(self.combinations)

    def confidence_intervals(self, confidence_level: float = 0.95) -> Array:
        """Return Wald intervals: estimate -+ quantile of Student's t (or normal) times standard error.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Strictly between 0 and 1.

        Returns
        -------
        ndarray of shape (m, 2)
            Lower and upper ends; nan for what the data do not determine.
        """
        return wald_interval(self.estimates, self.standard_errors, df_of(self, self.combinations), confidence_level)

    def against(self, reference: Any) -> "Inference":
        """Return the inference on the differences of the classes' coefficients from those of a reference class.

        The coefficients of several classes are reported such that they sum to zero over the classes; other software
        sets those of one class to zero. Both describe the same probabilities.

        Parameters
        ----------
        reference : label
            One of the classes.

        Returns
        -------
        Inference
            Of the differences; the parameters of the reference itself are left out.

        Raises
        ------
        ValueError
            If the model has not several classes, or this is none of them.
        """
        classes = self.model.classes
        refuse("against", self.model)
        if classes is None or len(self.combinations) != len(self.model.entries):
            raise ValueError("reference: these are contrasts already; use the result of infer.")
        with argument_name("reference"):
            known = bool(reference in classes)
        if not known:
            raise ValueError(f"reference must be one of the classes {list(classes)}; got {reference!r}.")
        place = classes.index(reference)
        others = [k for k in range(len(classes)) if k != place]
        each = len(self.parameters) // len(classes)
        blocks = self.combinations.reshape(len(classes), each, -1)
        values = self.estimates.reshape(len(classes), each)
        return replace(
            self,
            parameters=tuple(name for k in others for name in self.parameters[k * each : (k + 1) * each]),
            estimates=(values[others] - values[place]).ravel(),
            combinations=(blocks[others] - blocks[place]).reshape(len(others) * each, -1),
            notes=(*self.notes, f"Coefficients are differences from those of class {reference!r}."),
        )

    def wald_test(self, R: Any, r: Any = 0.0) -> HypothesisTest:
        r"""Test the linear hypothesis R theta = r.

        .. math:: W = (R \hat\theta - r)^\top (R V R^\top)^{-1} (R \hat\theta - r)

        is chi-squared with as many degrees of freedom as R has rows; W divided by these is F where Student's t is used.

        Parameters
        ----------
        R : array-like of shape (k, m) or (m,), str or sequence of str
            Rows of coefficients of the hypothesis; or names of the parameters, each of which is r; or equations,
            ``"bmi = bp"``, ``"bmi + 2*bp = 0"``.
        r : float or array-like of shape (k,), default=0.0
            What the rows of R times the parameters should be.

        Returns
        -------
        HypothesisTest
            The statistic, its degrees of freedom, and p.

        Raises
        ------
        ValueError
            If R does not have a column per parameter, its rows depend on each other, or what it asks of is not
            determined by the data.
        """
        rows, stated = self._restrictions(R)
        value = as_floats(r, "r")
        if value.shape not in ((), (1,), (len(rows),)) or not np.isfinite(value).all():
            raise ValueError(f"r must be a finite number, or one for each of the {len(rows)} rows of R; got {r!r}.")
        if value.any() and stated is not None:
            raise ValueError(f"r: the equations in R have right-hand sides of their own; leave r out; got {r!r}.")
        value = value if stated is None else stated
        with np.errstate(all="ignore"):
            difference = rows @ np.nan_to_num(self.estimates) - value
            covariance = self.curvature.covariance(rows @ self.combinations)
            n_directions = int((self.curvature.root() != 0).any(axis=0).sum())
        if not np.isfinite(difference).all() or np.isinf(covariance).any():
            raise ValueError(
                "R, r, X, y, sample_weight or offset holds numbers so large that the statistic leaves the range of "
                "float64."
            )
        if np.isnan(covariance).any():
            lost = np.flatnonzero(np.isnan(covariance.diagonal()))
            raise ValueError(
                f"R: X, y, sample_weight and offset do not determine the combinations in rows {lost.tolist()} "
                "of R, so they cannot be tested."
            )
        statistic = wald_statistic(difference, covariance, n_directions)
        if self.shares is None:
            return chi_squared_test("Wald test", statistic, len(rows), self.df)
        # Hotelling's T^2, with this many degrees of freedom of the covariance.
        joint = self.shares.joint_degrees_of_freedom(rows @ self.combinations)
        df = joint - len(rows) + 1
        if not df > 0:
            raise ValueError(
                f"R: the clusters give {joint:.3g} degrees of freedom, too few to test {len(rows)} rows at once."
            )
        return chi_squared_test("Wald test", statistic * df / joint, len(rows), df)

    def equivalence_test(self, R: Any, lower: float = -math.inf, upper: float = math.inf) -> float:
        """Return p of the hypothesis that a combination of parameters is outside bounds (two one-sided tests).

        A small p says that it is within: equivalent to zero, with bounds around zero; not inferior, with a lower bound
        alone. Below 0.05 the 90% interval is within the bounds.

        Parameters
        ----------
        R : str or array-like of shape (m,)
            A parameter, a combination as text (``"treated - control"``), or its coefficients.
        lower, upper : float, default=-inf, inf
            In the units of the combination; at least one is finite.

        Returns
        -------
        float
            Nan for what the data do not determine.

        Raises
        ------
        ValueError
            If the bounds are no interval, or R is not one combination.
        """
        rows, stated = self._restrictions(R)
        if len(rows) != 1:
            raise ValueError(f"R must be one combination of the parameters; got {len(rows)}.")
        estimate = float(rows[0] @ np.nan_to_num(self.estimates)) - (0.0 if stated is None else float(stated[0]))
        error = self.curvature.standard_errors(rows @ self.combinations)[0]
        df = float(np.ravel(df_of(self, rows @ self.combinations))[0])
        return float(equivalence_p_value(estimate, error, df, lower, upper))

    def _restrictions(self, R: Any) -> tuple[Array, Array | None]:
        """Return the rows of a hypothesis; and what they are equal to, where equations say so."""
        m = len(self.parameters)
        with argument_name("R"):
            names = [R] if isinstance(R, str) else list(R) if np.ndim(R) else []
        if names and all(isinstance(name, str) for name in names):
            units = dict(zip(self.parameters, np.eye(m)[:, None], strict=True))
            parts = [
                (units[name], np.zeros(1)) if name in units else read_hypothesis("R", name, self.parameters)
                for name in names
            ]
            rows = np.concatenate([rows for rows, _ in parts])
            equations = any("=" in name for name in names if name not in self.parameters)
            return rows, np.concatenate([value for _, value in parts]) if equations else None
        rows = np.atleast_2d(as_floats(R, "R")).astype(np.float64, copy=False)
        if not np.isfinite(rows).all():
            raise ValueError("R must hold finite numbers, and holds nan or inf.")
        if rows.ndim != 2 or rows.shape[1] != m or not len(rows):
            raise ValueError(
                f"R must have one column per parameter ({m}), or be names of parameters; got {rows.shape}."
            )
        return rows, None

    def delta_method(self, fn: Callable[[Array], Any]) -> DeltaMethod:
        """Return a function of the parameters with its covariance: J V J', J the Jacobian by differences.

        Parameters
        ----------
        fn : callable
            From the parameters, shape (m,), to a number or a 1-D array. Smooth near the estimates.

        Returns
        -------
        DeltaMethod
            Estimate and covariance; nan where the function changes with what the data do not determine.
        """
        if not callable(fn):
            raise TypeError(f"fn must be a function of the parameters; got {fn!r}.")
        center = self.estimates
        with argument_name("fn"):
            value = np.asarray(fn(center.copy()), dtype=np.float64)
        if value.ndim > 1:
            raise ValueError(f"fn must return a number or a 1-D array; it returned shape {value.shape}.")
        errors = self.standard_errors
        steps = _STEP * np.where(np.isfinite(errors) & (errors > 0), errors, np.maximum(np.abs(center), 1.0))

        def slope(k: int) -> Array:
            return five_point_slope(lambda x: np.asarray(fn(x), dtype=np.float64), center, k, steps[k]).ravel()

        jacobian = np.stack([slope(k) for k in range(len(center))], axis=1)
        covariance = self.curvature.covariance(jacobian @ self.combinations)
        df = df_of(self, jacobian @ self.combinations)
        if not value.ndim:
            return DeltaMethod(float(value), covariance, float(np.ravel(df)[0]))
        return DeltaMethod(value, covariance, df)

    def summary(self, confidence_level: float = 0.95, odds_ratios: bool = False, rate_ratios: bool = False) -> Summary:
        """Return the table of the parameters: estimate, standard error, z (or t), p of the hypothesis zero, interval.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Of the intervals, strictly between 0 and 1.
        odds_ratios : bool, default=False
            For classifiers and the binomial likelihood: whether to exponentiate estimates and intervals. Standard
            errors are then those of exp(estimate), by the delta method; z and p remain those of the coefficient.
        rate_ratios : bool, default=False
            The same where the location is the logarithm of the mean (poisson, negative_binomial, gamma,
            inverse_gaussian, tweedie): factors of the mean. Parameters of other predictors are left out.

        Returns
        -------
        Summary
        """
        ratio = _ratio(self.model, odds_ratios, rate_ratios)
        estimates, errors = self.estimates, self.standard_errors
        lower, upper = self.confidence_intervals(confidence_level).T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            statistic = estimates / errors
            df = df_of(self, self.combinations)
            p = 2 * stats.t.sf(np.abs(statistic), df)
            if ratio is not None:
                estimates, lower, upper = np.exp(estimates), np.exp(lower), np.exp(upper)
                errors = estimates * errors
        columns = {
            ratio or "estimate": estimates,
            "standard error": errors,
            "t" if self.shares is not None or np.isfinite(self.df) else "z": statistic,
            "p": p,
            "lower": lower,
            "upper": upper,
        }
        notes = (*self.notes, f"Wald intervals, confidence level {confidence_level:g}.")
        if np.isnan(errors).any():
            why = "dependent columns, separation, or an end of its range"
            notes = (*notes, f"nan: the data do not determine this parameter ({why}).")
        rows = self.parameters
        if ratio is not None and not self.model.is_classifier:
            of_location = self.model.entries < self.model.coefficients.shape[1]
            rows = tuple(name for name, shown in zip(rows, of_location, strict=True) if shown)
            columns = {name: values[of_location] for name, values in columns.items()}
        return Summary(self.model.name, self.header, rows, columns, notes)

    def __repr__(self) -> str:
        return repr(self.summary())

    if not TYPE_CHECKING:  # or every attribute would exist for the checker

        def __getattr__(self, name: str) -> NoReturn:
            refuse_other_name(self, name)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def check_inference(inference: Any) -> Inference:
    """Return the argument, or raise TypeError where it is not what ``infer`` returned."""
    if not isinstance(inference, Inference):
        raise TypeError(f"inference must be the result of infer(estimator, X, y); got {inference!r}.")
    return inference


def df_of(inference: Inference, combinations: Array) -> Any:
    """Return the degrees of freedom of linear combinations of all coefficients, flattened: a number, or one each."""
    if inference.shares is None:
        return inference.df
    with np.errstate(all="ignore"):
        found = [inference.shares.joint_degrees_of_freedom(row[None]) for row in combinations]
        return np.where(inference.curvature.lost(combinations), np.nan, found)


def _ratio(model: FittedModel, odds_ratios: Any, rate_ratios: Any) -> str | None:
    """Return what the exponentials of the coefficients are, where they are asked for."""
    odds_ratios, rate_ratios = as_bool("odds_ratios", odds_ratios), as_bool("rate_ratios", rate_ratios)
    location = model.likelihood.predictor_names[0]
    if odds_ratios and not (model.is_classifier or location == "logit_probability"):
        raise NotSupportedError(
            "odds_ratios: only a classifier's coefficients, and those of the binomial likelihood, are logarithms of "
            f"odds ratios; {model.likelihood!r} has others."
        )
    if rate_ratios and location != "log_mean":
        raise NotSupportedError(
            "rate_ratios: coefficients are logarithms of ratios of means where the location is the logarithm of the "
            f"mean (poisson, gamma, ...); that of {model.likelihood!r} is {location}."
        )
    return "odds ratio" if odds_ratios else "rate ratio" if rate_ratios else None
