"""The distance of a fit from its optimum in nats, iteration by iteration."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle.displays._base import COLOURS, MARKERS, REFERENCE, Display, Unit, check_name
from sklearn_mle.estimators._base import BaseMLE
from sklearn_mle.inference.at_estimate import AtEstimate, read_training, with_dispersion
from sklearn_mle.inference.profile_path import ProfiledNLL

__all__ = ["ConvergenceDisplay"]

Array = NDArray[np.float64]

_LOWEST = 1e-8  # of the bound


class ConvergenceDisplay(Display):
    """Penalized log-likelihood below its maximum after each iteration of a fit, on a logarithmic scale.

    The last point is the certified ``gap_``. Twice a point's height, in nats, is the squared distance from the optimum
    in standard errors: at 1e-8 nats the coefficients are within 1.4e-4 standard errors of the exact answer. Exact steps
    at the end of a fit often reach far below that; what is below 1e-8 of the bound is left out of the picture.

    Parameters
    ----------
    excess : array-like of shape (n_iterations,)
        Total penalized NLL above its minimum after each iteration, in nats.
    n_passes : int
        Passes over the data of the whole fit, including those made to record it.
    tol : float
        The ``tol`` of the fit.
    name : str, default=None
        Name of the curve.
    base : float, default=None
        Unit: ``None`` for nats, 2 for bits.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.
    tol_line_ : matplotlib Line2D
        The bound.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.displays import ConvergenceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = ConvergenceDisplay.from_estimator(MLELogisticClassifier(C=1.0), X, y)
    >>> bool(display.excess[-1] <= 1e-8)
    True
    """

    def __init__(
        self,
        excess: ArrayLike,
        n_passes: int,
        tol: float,
        *,
        name: str | None = None,
        base: float | None = None,
    ) -> None:
        self.excess = np.asarray(excess)
        self.n_passes = n_passes
        self.tol = tol
        self.name = check_name(name)
        self.base = base

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        base: float | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Fit a clone, record its iterations, and draw.

        The objective is evaluated once more at every iteration, so this takes two to three times as long as the fit.

        Parameters
        ----------
        estimator : estimator of sklearn_mle
            Fitted or not; it is cloned, and left as it is.
        X, y : array-like
            Training data.
        sample_weight, offset : array-like, default=None
            As in fit.
        base : float, default=None
            Unit: ``None`` for nats, 2 for bits.
        name : str, default=None
            Name of the curve; that of the estimator's class by default.
        ax : matplotlib Axes, default=None
            Where to draw, beside other curves; a new figure otherwise.

        Returns
        -------
        ConvergenceDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator is not one of sklearn_mle.
        """
        if not isinstance(estimator, BaseMLE):
            raise TypeError(
                "estimator must be one of sklearn_mle, which can be watched while it fits; got a "
                f"{type(estimator).__name__} (of a pipeline, pass the last step and the transformed X)."
            )
        Unit(base)  # refused before anything is fitted
        watched = clone(estimator)
        watched._validate_params()
        seen: list[Array] = []
        watched._fit(X, y, sample_weight, offset, observer=lambda iteration, matrix: seen.append(matrix.copy()))
        final = watched._coefficients()
        if not np.isfinite(final).all():
            raise ValueError(
                "y: the fit was perfect (with these X, sample_weight and offset), so that its likelihood has no "
                "maximum to converge to."
            )
        with single_threaded_blas, np.errstate(all="ignore"):  # trial points may be beyond float64; the end is not
            model, data = read_training(watched._fitted_model(), X, y, sample_weight, offset)
            # What is minimized counts weights as copies; where they are precisions the dispersion follows at the end.
            end = AtEstimate.of(with_dispersion(model, data, "frequency"), data)
            values = [_objective(end, coefficients) for coefficients in [*seen, end.model.coefficients]]
            # Below the rounding of the sum nothing is seen; what is certified of the end, is.
            excess = np.maximum(np.array(values) - values[-1], 0) + watched.gap_
        if not np.isfinite(excess[-1]):
            raise ValueError("X, y, sample_weight or offset holds numbers beyond the range of float64; rescale them.")
        n_iterations = len(seen)
        # Exact steps at the end may go beyond the last iteration that was observed.
        shown = excess if n_iterations == 0 or excess[-1] < excess[-2] else excess[:-1]
        label = check_name(name) or type(watched).__name__
        return cls(shown, int(watched.n_passes_), float(watched.tol), name=label, base=base).plot(ax=ax)

    def _draw(self, is_new: bool) -> None:
        unit = Unit(self.base)
        others = sum(line.get_gid() == "convergence" for line in self.ax_.lines)
        label = f"{self.name or 'fit'} ({self.n_passes} passes, gap {self.excess[-1] / unit.nats:.0e})"
        (self.line_,) = self.ax_.plot(
            np.arange(1, len(self.excess) + 1),
            self.excess / unit.nats,
            color=COLOURS[others % len(COLOURS)],
            marker=MARKERS[others % len(MARKERS)],
            label=label,
            gid="convergence",
        )
        self.tol_line_ = self.ax_.axhline(self.tol / unit.nats, **REFERENCE)
        self.ax_.set_yscale("log")
        least = min(self.excess[-1], self.tol)
        lowest = max(least / 3, _LOWEST * self.tol) / unit.nats
        self.ax_.set_ylim(bottom=min(lowest, self.ax_.get_ylim()[0]) if others else lowest)
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.set_xlabel("iteration")
        self.ax_.set_ylabel(f"total, {unit.name} above the minimum")
        self._write("tol", 1, self.tol / unit.nats, ha="right", va="bottom")
        # Above the axes: curves may pass anywhere.
        self.ax_.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, frameon=False)


def _objective(end: AtEstimate, coefficients: Array) -> float:
    """Return the total penalized NLL in nats at coefficients (q, p + 1), of which known constants are not a part."""
    known = [term.known is not None for term in end.model.terms]
    at = end.at(np.where(np.array(known)[:, None], end.model.coefficients, coefficients))
    return ProfiledNLL(at).value_and_gradient(at.theta)[0]
