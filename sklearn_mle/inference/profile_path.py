"""Optima under linear constraints, each found from its neighbour by Newton's method: the points of a profile."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq

from sklearn_mle._hessian_factors import expected_factor, hessian_factor
from sklearn_mle._jeffreys import JeffreysNLL
from sklearn_mle._numerics.arguments import BeyondFloatError
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError
from sklearn_mle.inference.at_estimate import AtEstimate

_EPS = float(np.finfo(np.float64).eps)
# Away from the maximum the curvature may be the information alone, whose steps leave up to nine tenths of the gap.
_STEPS = 400
_SHORTEST = 1e-10
# Tolerance of a constrained optimum, in nats: the profile's crossing is then known to 1e-9 standard errors.
_ENOUGH = 1e-13
# What no test or curve shows of an optimum, in nats: a point that is short by more was not minimized.
SHORT = 1e-6
# Bound on the rise of F, in nats, within which one step may be back on the constraint.
_RISE = 50.0
# Part of the way to a constraint, of the distance from the estimate or of a standard error that may be missing.
_REACHED = 1e-6
_ROOT_TOLERANCE = 1e-12
# A profile is flat if it rises by less than a millionth over so many steps, each four times the last. One that has not
# crossed within so many units never will.
_FLAT, _FLAT_STEPS = 1e-6, 4
_FARTHEST = 1e6
# Halvings of a step that is too far for the other parameters to be followed, and nats by which F is then lower.
_SHORTER, _BELOW = 6, 1e-3
NO_MAXIMUM = (
    "profile_interval found no maximum over the other parameters to begin from: X, y, sample_weight or offset are not "
    "those of the fit, or the likelihood is unbounded, has several maxima, or hardly depends on one of them (a "
    "mixture's component without weight). Pass the data of the fit, ask for other parameters by parameter=, hold that "
    "one at a known value, or use bootstrap."
)


@dataclass(frozen=True)
class ProfilePoint:
    """A constrained optimum: theta, F there in nats (nan: not found), its derivatives by the forms' values, the gap."""

    theta: Array
    value: float
    slope: Array
    gap: float


class ProfiledNLL:
    """F, the NLL of a fitted model in nats (penalized by Jeffreys' prior if the fit was); theta = 0 is the estimate."""

    def __init__(self, at: AtEstimate) -> None:
        self._objective, self._mean_weight = at.objective, at.mean_weight
        self._reduced = None
        if at.model.bias_reduced:
            self._reduced = JeffreysNLL(at.likelihood, at.objective, 1 / at.mean_weight)

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return F and its gradient."""
        function = self._reduced or self._objective
        return function.value(theta) * self._mean_weight, function.gradient(theta) * self._mean_weight

    def factor(self, theta: Array) -> Factor:
        """Return the factor of F's Hessian, or of the information where that is not positive definite."""
        try:
            if self._reduced is None:
                return hessian_factor(self._objective, theta).times(self._mean_weight)
            return CholeskyFactor(self._reduced.hessian(theta)).times(self._mean_weight)
        except NotPositiveDefiniteError:
            return expected_factor(self._objective, theta).times(self._mean_weight)


class ProfilePath:
    """Minimize F(theta) subject to forms @ theta = c, for one c after the other; the forms are independent rows.

    There may be none of them.
    """

    def __init__(self, nll: ProfiledNLL, forms: Array) -> None:
        self._value_and_gradient, self._factor, self.forms = nll.value_and_gradient, nll.factor, forms

    def at(self, c: Array, near: Array) -> ProfilePoint:
        """Return the optimum with forms @ theta = c, looked for from a theta nearby.

        Each step is Newton's of the Lagrangian: within the constraint, and along the path's own tangent to it. Where no
        curvature is left to tell a way, the profile is flat, and the point is the last one reached. Its value is nan
        if that is not on the constraint, or if the way there went up and nothing led down again.
        """
        theta, forms = near, self.forms
        value, gradient = self._value_and_gradient(theta)
        begun = value
        multiplier, gap, errors = np.zeros(len(forms)), np.inf, np.zeros(len(forms))
        for _ in range(_STEPS):
            missing = c - forms @ theta
            try:
                factor = self._factor(theta)
                tangent, step = factor.solve(forms.T), -factor.solve(gradient)
                along = np.linalg.solve(forms @ tangent, np.stack([forms @ step, missing], axis=1))
            except (BeyondFloatError, np.linalg.LinAlgError):
                gap = np.nan
                break
            if not np.isfinite(along).all():
                gap = np.nan
                break
            multiplier = -along[:, 0]
            step = step + tangent @ multiplier  # within the constraint
            gap = -0.5 * float(gradient @ step - multiplier @ (forms @ step))
            if not -_ENOUGH <= gap < 1 / _EPS:
                break  # only rounding is left of the curvature
            # In whatever unit y is: relative to a standard error of the form, which separation makes large.
            errors = np.minimum(
                np.sqrt(np.abs(np.einsum("ij,ji->i", forms, tangent))), np.abs(forms).max(axis=1, initial=0)
            )
            rounding = 4 * _EPS * np.maximum(np.maximum(np.abs(forms) @ np.abs(theta), errors), np.abs(c))
            if gap <= _ENOUGH and (np.abs(missing) <= rounding).all():
                break
            restores = bool((np.abs(missing) > 16 * rounding).any())
            # Twice the parabola's rise, and some nats: farther out, too little curvature may be left to find back by.
            rise = _RISE + abs(float(along[:, 1] @ missing)) + 64 * _EPS * abs(value) if restores else 0.0
            moved = self._search(theta, value, step, tangent @ along[:, 1], gap, rise)
            if moved is None:
                break
            theta, value, gradient = moved
        # The last point reached is none of the profile where it is not on the constraint.
        near_enough = _REACHED * np.maximum(np.maximum(np.abs(c), np.abs(c - forms @ near)), errors)
        there = bool((np.abs(c - forms @ theta) <= near_enough).all())
        minimized = there and (abs(gap) <= SHORT or value <= begun + SHORT)
        return ProfilePoint(theta, value if minimized else np.nan, multiplier, gap)

    def _search(
        self, theta: Array, value: float, step: Array, restoring: Array, gap: float, rise: float
    ) -> tuple[Array, float, Array] | None:
        """Return the first of the points along the step that decreases F, None where rounding hides any decrease.

        A step that restores the constraint may increase F, by as much as ``rise``.
        """
        length = 1.0
        while length > _SHORTEST:
            candidate = theta + length * (step + restoring)
            found, gradient = self._value_and_gradient(candidate)
            if np.isfinite(found) and found <= value + (rise or -1e-4 * length * gap):
                return candidate, found, gradient
            if not rise and gap <= 64 * _EPS * max(abs(value), 1.0):
                return None
            length *= 0.5
        return None

    def crossing(
        self, sign: int, rise: float, start: Array, minimum: float, standard_error: float
    ) -> tuple[float, ProfilePoint]:
        """Return how far from the start, in the direction of ``sign``, the profile is ``rise`` nats above the minimum.

        The root of the rise is nearly linear in the parameter, and so is soon found in a bracket. The distance is inf
        where the profile never rises so far, and nan where the other parameters could not be followed. The last point
        visited comes with it. ``start`` is near the minimum, and ``standard_error`` a distance that is near one.
        """
        target, origin = np.sqrt(2 * rise), self.forms @ start
        point = ProfilePoint(start, minimum, np.zeros(len(origin)), 0.0)
        # Each point is looked for from the farthest before it: beyond the crossing there may be other maxima.
        before = {0.0: start}

        @cache  # brentq evaluates the ends of the bracket again
        def excess(distance: float) -> float:
            nonlocal point
            point = self.at(origin + sign * distance, before[max(known for known in before if known <= distance)])
            # A point below the estimate is of another maximum: the step to it was too long.
            value = point.value if not point.value < minimum - _BELOW else np.nan
            found = float(np.sqrt(np.maximum(2 * (value - minimum), 0.0)) - target)
            if found < 0:
                before[distance] = point.theta
            return found

        low, high, flat, shorter = 0.0, float(target * standard_error), 0, 0
        while 0 < high < np.inf and not excess(high) >= 0:
            if np.isnan(excess(high)):
                if flat or shorter == _SHORTER:
                    return (np.inf if flat else np.nan), point
                shorter, high = shorter + 1, 0.5 * (low + high)
                continue
            # The steps quadruple, yet the profile does not rise.
            flat = flat + 1 if abs(point.slope[0]) * high < _FLAT * rise else 0
            if flat > _FLAT_STEPS or high > _FARTHEST * standard_error:
                return np.inf, point
            low, high = high, 4 * high
        if flat and not point.gap > -rise:
            # So far out on a flat profile that only rounding was left of the curvature: what it led to is no optimum.
            return np.inf, point
        if not (0 < high < np.inf and excess(high) < np.inf):  # numbers beyond float64, or no rise to look for
            return (0.0 if target == 0 else np.inf), point
        if excess(low) >= 0:
            raise ValueError(NO_MAXIMUM)
        return float(brentq(excess, low, high, xtol=max(_ROOT_TOLERANCE * high, np.finfo(np.float64).tiny))), point

    def curve(self, start: Array, reaches: Sequence[float], n_points: int) -> list[ProfilePoint]:
        """Return points from a little beyond one end to a little beyond the other, each found from its neighbour."""
        origin = self.forms @ start
        points = [self.at(origin, start)]
        for sign, reach in zip((-1, 1), reaches, strict=True):
            near = start
            for share in np.linspace(0, 1.3, n_points // 2 + 1)[1:]:
                points.append(self.at(origin + sign * share * reach, near))
                near = near if np.isnan(points[-1].value) else points[-1].theta
        return points
