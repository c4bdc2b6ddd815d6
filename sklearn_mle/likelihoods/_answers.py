"""Checks of what a user's likelihood declares and returns, before it is used: names, shapes, nan and kinks."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sklearn_mle.likelihoods._base import LINKS, Array, Likelihood

# With an underscore behind, what a fit publishes of every model; and the name that the intercept has in inference.
RESERVED = frozenset({
    "classes", "coef", "condition_number", "df_model", "df_resid", "feature_names_in", "gap", "intercept",
    "log_likelihood", "n_features_in", "n_iter", "n_obs", "n_passes", "parameters", "scale_coef", "scale_intercept",
    "status",
})  # fmt: skip


def name_problems(likelihood: Likelihood) -> Iterator[str]:
    """Yield what is wrong with the names of a likelihood's parameters, and with what it declares of them."""
    names, links = likelihood.parameter_names, likelihood.links
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
        yield f"parameter_names must be a tuple of names, one per linear predictor; it is {names!r}."
        return
    if not isinstance(links, tuple) or len(links) != len(names) or not set(links) <= set(LINKS):
        yield f"links must be a tuple of {len(names)}, one per parameter, of {sorted(LINKS)}; it is {links!r}."
        return
    if len(set(names)) < len(names):
        yield f"parameter_names must differ from each other; they are {names!r}."
    for name in names:
        if name in RESERVED:
            yield f"parameter_names holds {name!r}, but a fitted model has {name}_ of its own; give it another name."
        elif not name.isidentifier() or name.startswith("_"):
            yield f"parameter_names holds {name!r}, of which no attribute {name}_ can be made; use letters and digits."
    dispersion = likelihood.dispersion_parameter
    if dispersion is not None and (dispersion not in names[1:] or links[names.index(dispersion)] != "log"):
        yield (
            f"dispersion_parameter is {dispersion!r}, which must be one of parameter_names after the first, with the "
            f"link 'log'; the parameters are {names!r}, with the links {links!r}."
        )


# The search for kinks: steps of the grid over all predictors that matter, halvings from there on, and rows.
_STEPS, _HALVINGS, _FEW = 1500, 16, 6
_STILL_THERE = 0.05
_WILD = 1e9  # nats, of predictors far from any that a fit would visit
_JUMP = 1e-4


def refuse_wrong_answers(likelihood: Likelihood, y: Array) -> None:
    """Check what a user's likelihood returns for the rows of y at its start, in one pass over y and none over X.

    Raises
    ------
    ValueError
        Naming the method, and the row.
    """
    if type(likelihood).__module__.startswith("sklearn_mle.") or not y.shape[-1]:
        return
    start = np.asarray(likelihood.start(y, None))
    if start.shape != (likelihood.n_predictors,):
        raise ValueError(
            f"{type(likelihood).__name__}.start must return one number per linear predictor, shape "
            f"({likelihood.n_predictors},); it returned shape {start.shape}."
        )
    eta = np.repeat(start.astype(np.float64)[:, None], y.shape[-1], axis=1)
    with np.errstate(all="ignore"):
        problem = answer_problem(likelihood, y, eta)
    if problem is not None:
        raise ValueError(f"{type(likelihood).__name__}.{problem}")


def answer_problem(likelihood: Likelihood, y: Array, eta: Array) -> str | None:
    """Return which method is the first to return the wrong shape, or nan; those after it are not called."""
    q, n = eta.shape
    # Derivatives that are not the user's are made from the NLL: a few rows show their shapes.
    few = slice(0, _FEW)
    wanted: list[tuple[str, Callable[[Array, Array], Any], tuple[int, ...], str]] = [
        ("nll", likelihood.nll, (), "one number per row, shape (n,)"),
        ("gradient", likelihood.gradient, (q,), f"shape ({q}, n), predictors first"),
        ("hessian", likelihood.hessian, (q, q), f"shape ({q}, {q}, n)"),
    ]
    for name, method, leading, meaning in wanted:
        own = not getattr(type(likelihood), name).__module__.startswith("sklearn_mle.")
        rows = slice(0, n) if own else few
        answer = np.asarray(method(y[..., rows], eta[:, rows]))
        shape = (*leading, eta[:, rows].shape[1])
        if answer.shape != shape or answer.dtype.kind not in "fiub":
            got = f"shape {answer.shape}" if answer.dtype.kind in "fiub" else f"dtype {answer.dtype}"
            return f"{name} must return {meaning}: here {shape}; it returned {got}. Do not sum or average over rows."
        missing = np.isnan(answer.reshape(-1, shape[-1])).any(axis=0)
        if missing.any():
            row = int(missing.argmax())
            return (
                f"{name} is nan for row {row}, y = {y[..., row]}, eta = {eta[:, row]} ({int(missing.sum())} of "
                f"{shape[-1]} rows): it must be a number for every y that check_target accepts."
            )
    return None


def kinks(likelihood: Likelihood, y: Array, eta: Array) -> Iterator[str]:
    """Yield the predictors in which an NLL that is said to be smooth has a corner: its slope jumps at any resolution.

    The second difference over the step falls with the step where the NLL is smooth, and is the jump of the slope at a
    corner. Where it stands out most on a grid, smaller and smaller steps are tried.
    """
    if not likelihood.smooth or y.ndim > 1:
        return
    y, eta = y[:_FEW], eta[:, :_FEW]
    reach = 4.0 + 2.0 * (np.abs(y).max() if y.size else 0.0) + np.abs(eta).max()
    for k, name in enumerate(likelihood.predictor_names):

        def nll(values: Array, k: int = k) -> Array:
            """Return the NLL, (m, n), at m values of the k-th predictor of each row, the others as they are."""
            moved = np.repeat(eta[:, None, :], len(values), axis=1)
            moved[k] = values
            rows = np.asarray(likelihood.nll(np.tile(y, len(values)), moved.reshape(len(eta), -1)), dtype=np.float64)
            return rows.reshape(values.shape)

        # Each row's grid is shifted by another part of the step, so that rows look at different points.
        step = 2 * reach / _STEPS
        grid = np.arange(_STEPS + 1)[:, None] * step - reach + step * np.linspace(0, 1, eta.shape[1], endpoint=False)
        losses = nll(grid)
        bends = _bend(losses[:-2], losses[1:-1], losses[2:], step)
        # A corner stands out from its neighbours; what is only curved does not.
        best = 2 + (bends[2:-2] - np.maximum(bends[:-4], bends[4:])).argmax(axis=0)[None]
        largest = jump = np.take_along_axis(bends, best, axis=0)[0]
        place = np.take_along_axis(grid[1:-1], best, axis=0)[0]
        for _ in range(_HALVINGS):
            step /= 2
            losses = nll(place + step * np.arange(-2, 3)[:, None])
            bends = _bend(losses[:-2], losses[1:-1], losses[2:], step)
            best = bends.argmax(axis=0)
            place, jump = place + step * (best - 1), bends.max(axis=0)
        rounding = np.finfo(np.float64).eps * np.abs(losses[2]) / step
        sharp = (jump > _STILL_THERE * largest) & (jump > _JUMP + 100 * rounding)
        if sharp.any():
            row = int(sharp.argmax())
            yield (
                f"nll has a kink in {name}: at y = {y[..., row]:.6g} its slope jumps by {jump[row]:.3g} where {name} "
                f"is {place[row]:.6g}, and Newton's method needs slopes that do not jump. Round the corner off, as "
                "Huber does of Laplace; or use Laplace or AsymmetricLaplace, which have a fit of their own."
            )


def _bend(left: Array, middle: Array, right: Array, step: float) -> Array:
    bend = np.abs(left - 2 * middle + right) / step
    return np.where(np.isfinite(bend) & (np.abs(middle) < _WILD), bend, 0.0)
