"""Check a likelihood, and describe what is wrong with it."""

from collections.abc import Iterator
from inspect import isclass
from typing import Any

import numpy as np
from sklearn.base import clone

from sklearn_mle._numerics.arguments import argument_name, refuse_masked
from sklearn_mle.likelihoods._answers import answer_problem, kinks, name_problems
from sklearn_mle.likelihoods._base import Array, Likelihood
from sklearn_mle.likelihoods.user import UserLikelihood, differences, outcome_nodes, variance_of_gradient

_ROWS = 24
_DERIVATIVE = 1e-5
_MASS = 1e-3
_INFORMATION = 0.1
# What y is multiplied by to see whether its unit matters.
_UNIT = 3.0


def check_likelihood(likelihood: Likelihood, y: Any = None) -> None:
    """Check a likelihood, built-in or your own, and report in words everything that is wrong with it.

    Checked: that it can be cloned, and the names of its predictors; shapes, and that the NLL is finite; that rows do
    not influence each other; that exp(-nll) integrates (or sums) to one, or equals the density of the distribution
    given; the gradient against differences of the NLL and the Hessian against differences of the gradient; that the
    slope of the NLL nowhere jumps, unless ``smooth`` is False; the expected information against the variance of the
    gradient; that a weight of two equals two copies of the row; that the start is finite; and the traits that the
    class declares (``convex``, ``quadratic``, ``equivariance``, ``location_free_of_dispersion``, ...).

    Parameters
    ----------
    likelihood : Likelihood
        An instance, with the parameters that are to be checked.
    y : array-like of shape (n,), default=None
        Outcomes to check with; None takes some that the likelihood accepts.

    Raises
    ------
    TypeError
        If it is not an instance of ``Likelihood``.
    ValueError
        Listing everything that is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import UserLikelihood, check_likelihood
    >>> class Wrong(UserLikelihood):
    ...     parameter_names = ("location",)
    ...
    ...     def nll(self, y, eta):
    ...         return 0.5 * (y - eta[0]) ** 2
    >>> check_likelihood(Wrong())
    Traceback (most recent call last):
        ...
    ValueError: Wrong is not a likelihood yet:
    - exp(-nll) integrates to 2.507 over y, not to 1: a constant is missing, or the domain
    is not the one declared.
    """
    if not isinstance(likelihood, Likelihood):
        hint = f": {likelihood.__name__}()" if isclass(likelihood) else ""
        raise TypeError(f"check_likelihood takes an instance of Likelihood{hint}; got {likelihood!r}.")
    refuse_masked(y=y)
    likelihood.check_parameters()
    with np.errstate(all="ignore"):
        with argument_name("y"):
            y = None if y is None else likelihood.check_target(y)
        if y is not None and not len(y):
            raise ValueError("y is empty: at least one outcome is needed.")
        problems = _basics(likelihood, y)
        if not problems:
            outcomes = _outcomes(likelihood) if y is None else y
            eta = _predictors(likelihood, outcomes)
            problems = list(_nll(likelihood, outcomes, eta))
            if not problems:
                for check in (_mass, _derivatives, kinks, _information, _weights, _traits):
                    try:
                        problems.extend(check(likelihood, outcomes, eta))
                    except Exception:
                        # Most likely because of what has been found already.
                        if not problems:
                            raise
    if problems:
        raise ValueError(f"{type(likelihood).__name__} is not a likelihood yet:\n- " + "\n- ".join(problems))


def _basics(likelihood: Likelihood, y: Any) -> list[str]:
    problems = list(name_problems(likelihood))
    try:
        clone(likelihood)
    except Exception as error:
        problems.append(f"it cannot be cloned ({error}): __init__ must store its parameters under their own names.")
    if y is None and not problems and _outcomes(likelihood) is None:
        problems.append(
            "no outcomes were found that check_target accepts and at which nll is finite: give some as "
            "check_likelihood(likelihood, y)."
        )
    return problems


def _outcomes(likelihood: Likelihood) -> Any:
    """Return outcomes for which the likelihood has a finite NLL, or None."""
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(_ROWS)
    candidates = [normal, np.exp(normal), rng.random(_ROWS)]
    if likelihood.discrete:
        candidates = [rng.poisson(2.0, _ROWS).astype(float), (normal > 0).astype(float)]
    for y in candidates[likelihood.positive_only and not likelihood.discrete :]:
        try:
            y = likelihood.check_target(y)
            nll = np.asarray(likelihood.nll(y, _predictors(likelihood, y)))
        except ValueError:
            continue
        if nll.shape != y.shape[-1:] or np.isfinite(nll).any():
            return y
    return None


def _predictors(likelihood: Likelihood, y: Array) -> Array:
    """Return linear predictors a little above the start, so that no two rows are alike."""
    start = np.asarray(likelihood.start(y, None), dtype=np.float64)
    if start.shape != (likelihood.n_predictors,) or not np.isfinite(start).all():
        start = np.zeros(likelihood.n_predictors)
    return start[:, None] + 0.25 * np.random.default_rng(1).random((len(start), y.shape[-1]))


def _nll(likelihood: Likelihood, y: Array, eta: Array) -> Iterator[str]:
    start = np.asarray(likelihood.start(y, None))
    if start.shape != (len(eta),) or not np.isfinite(start).all():
        yield f"start must return one finite number per linear predictor, shape ({len(eta)},); it returned {start!r}."
    nll = np.asarray(likelihood.nll(y, eta))
    n = eta.shape[1]
    if nll.shape != (n,):
        yield f"nll must return one number per row, shape ({n},); it returned shape {nll.shape}. Do not sum it."
        return
    if not np.isfinite(nll).all():
        row = int(np.argmin(np.isfinite(nll)))
        yield f"nll is {nll[row]} at y = {y[..., row]}, eta = {eta[:, row]}: it must be finite for y in the domain."
        return
    # Backwards, and without a third of the rows.
    rows = np.arange(n)[: n // 3 : -1]
    if not np.allclose(likelihood.nll(y[..., rows], eta[:, rows]), nll[rows], rtol=1e-9, atol=1e-9):
        yield "nll of a row depends on the other rows: it must be computed row by row."


def _mass(likelihood: Likelihood, y: Array, eta: Array) -> Iterator[str]:
    if y.ndim == 1 and type(likelihood).distribution is not Likelihood.distribution:
        distribution = likelihood.distribution(eta)
        # A distribution of counts has no mass between the whole numbers.
        rows = np.flatnonzero(y == np.round(y)) if likelihood.discrete else np.arange(len(y))
        function = distribution.logpmf if likelihood.discrete else distribution.logpdf
        difference = np.abs(function(y) + likelihood.nll(y, eta))[rows]
        if difference.size and not difference.max() <= _DERIVATIVE:
            row = rows[int(np.argmax(difference))]
            yield (
                f"nll and distribution disagree: at y = {y[row]:.6g} the NLL is {likelihood.nll(y, eta)[row]:.6g} and "
                f"minus the distribution's logarithm {-function(y)[row]:.6g}."
            )
        return
    if y.ndim > 1:
        return
    mass = sum(mass for _, mass in outcome_nodes(likelihood, eta))
    worst = float(mass[np.argmax(np.abs(mass - 1))])  # type: ignore[index]
    if not abs(worst - 1) <= _MASS:
        verb = "sums" if likelihood.discrete else "integrates"
        yield (
            f"exp(-nll) {verb} to {worst:.4g} over y, not to 1: a constant is missing, or the domain is not the one "
            "declared."
        )


def _derivatives(likelihood: Likelihood, y: Array, eta: Array) -> Iterator[str]:
    problem = answer_problem(likelihood, y, eta)
    if problem is not None:
        yield problem
        return
    gradient, hessian = likelihood.gradient(y, eta), likelihood.hessian(y, eta)
    yield from _compare("gradient", gradient, differences(lambda moved: likelihood.nll(y, moved), eta), "nll")
    if not np.array_equal(hessian, hessian.transpose(1, 0, 2)):
        yield "hessian is not symmetric in its first two axes."
    if likelihood.smooth:
        yield from _compare(
            "hessian", hessian, differences(lambda moved: likelihood.gradient(y, moved), eta), "gradient"
        )


def _compare(name: str, given: Array, differences: Array, of: str) -> Iterator[str]:
    error = np.abs(given - differences) / (1 + np.abs(differences))
    # Single rows may be at a kink or spoiled by rounding, so the median over the rows decides.
    wrong = ~(np.median(error, axis=-1) <= _DERIVATIVE)
    for index in np.argwhere(wrong):
        k = tuple(int(i) for i in index)
        row = (*k, int(np.argmax(error[k])))
        yield (
            f"{name}[{', '.join(map(str, k))}] is not the derivative of {of}: {given[row]:.6g} where differences give "
            f"{differences[row]:.6g}."
        )


def _information(likelihood: Likelihood, y: Array, eta: Array) -> Iterator[str]:
    q, n = eta.shape
    information = np.asarray(likelihood.expected_information(eta))
    if information.shape != (q, q, n):
        yield f"expected_information must have shape ({q}, {q}, {n}); it has {information.shape}."
        return
    values = np.linalg.eigvalsh(information.transpose(2, 0, 1))
    if not np.isfinite(values).all() or values.min() < -1e-8 * np.abs(values).max():
        yield "expected_information is not positive semidefinite in every row."
        return
    if y.ndim > 1 or type(likelihood).expected_information is UserLikelihood.expected_information:
        return
    variance = variance_of_gradient(likelihood, eta)
    size = np.sqrt(np.einsum("kkn->kn", variance))
    error = np.abs(information - variance) / (size[:, None] * size + 1e-12)
    if not np.median(error, axis=-1).max() <= _INFORMATION:
        yield (
            f"expected_information is not the variance of the gradient: off by {error.max():.2g} of it. It is the mean "
            "over y of the Hessian, in the coordinates of eta."
        )


def _weights(likelihood: Likelihood, y: Array, eta: Array) -> Iterator[str]:
    n = eta.shape[1]
    copies = np.arange(n) % 3
    total, gradient = likelihood.total_and_gradient(y, eta, copies.astype(np.float64))
    rows = np.repeat(np.arange(n), copies)
    repeated, repeated_gradient = likelihood.total_and_gradient(y[..., rows], eta[:, rows], None)
    same = np.isclose(total, repeated, rtol=1e-9) and np.allclose(
        gradient.sum(axis=1), repeated_gradient.sum(axis=1), rtol=1e-7, atol=1e-7 * np.abs(gradient).sum()
    )
    if not same:
        yield "total_and_gradient: a weight of k is not k copies of the row."


def _traits(likelihood: Likelihood, y: Array, eta: Array) -> Iterator[str]:
    """Yield which traits the class declares wrongly."""

    def same(found: Any, expected: Any) -> bool:
        return np.allclose(found, expected, rtol=_DERIVATIVE, atol=_DERIVATIVE)

    nll, place = likelihood.nll(y, eta), likelihood.dispersion_index
    others = [eta - 1, eta, eta + 1]
    if likelihood.convex and likelihood.smooth:
        hessians = [likelihood.hessian(y, other).transpose(2, 0, 1) for other in others]
        values = np.stack([np.linalg.eigvalsh(hessian) for hessian in hessians if np.isfinite(hessian).all()])
        if values.min(initial=0.0) < -1e-8 * np.abs(values).max():
            yield "convex is True, but the Hessian has a negative eigenvalue."
    if likelihood.quadratic and not same(*(likelihood.hessian(y, other) for other in others[:2])):
        yield "quadratic is True, but the Hessian depends on eta."
    if likelihood.shift_invariant and not same(likelihood.nll(y, eta + 1), nll):
        yield "shift_invariant is True, but adding one to all linear predictors changes nll."
    if likelihood.equivariance is not None and y.ndim == 1:
        moved, log_unit = eta.copy(), np.log(_UNIT)
        if likelihood.equivariance == "scale":
            moved += log_unit * np.array(likelihood.unit_powers)[:, None]
            change = np.where(y > 0, log_unit, 0)
        else:
            moved[0] *= _UNIT
            moved[1] += log_unit
            change = log_unit
        if not same(likelihood.nll(_UNIT * y, moved), nll + change):
            yield f"equivariance is {likelihood.equivariance!r}, but nll does not follow a change of the unit of y."
    if likelihood.location_free_of_dispersion and place is not None and likelihood.smooth:
        low, high = np.repeat(eta[:, :1], eta.shape[1], axis=1), np.repeat(eta[:, :1], eta.shape[1], axis=1)
        high[place] += 1
        slopes, other_slopes = likelihood.gradient(y, low)[0], likelihood.gradient(y, high)[0]
        if not same(slopes * (other_slopes @ other_slopes), other_slopes * (slopes @ other_slopes)):
            yield "location_free_of_dispersion is True, but the slopes of the location change their ratios with it."
    if likelihood.may_diverge and not likelihood.shift_invariant:
        yield from _far_ends(likelihood, y, eta)
    if likelihood.parameter_names[0] == "mean":
        try:
            mean = likelihood.mean(eta)
        except NotImplementedError:
            return
        if not same(mean, likelihood.parameters(eta)[0]):
            yield "the first of parameter_names is 'mean', but mean(eta) is another number: give it another name."


def _far_ends(likelihood: Likelihood, y: Array, eta: Array) -> Iterator[str]:
    """Yield where ``opposes`` is wrong: a row opposes a direction if its NLL ends above its least value there."""
    middle = likelihood.nll(y, eta)
    for opposed, end, words in zip(likelihood.opposes(y), (-30.0, 30.0), ("falls", "rises"), strict=True):
        far = eta.copy()
        far[0] += end
        wrong = (likelihood.nll(y, far) > middle) != opposed
        if wrong.any():
            row = int(wrong.argmax())
            yield (
                f"opposes says {bool(opposed[row])} of y = {y[..., row]} as the location's predictor {words}, but nll "
                f"goes from {middle[row]:.6g} to {likelihood.nll(y, far)[row]:.6g}."
            )
