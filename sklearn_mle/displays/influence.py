"""The picture of influence: leverage against residual, with contours of Cook's distance."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from sklearn_mle._numerics.arguments import argument_name, check_count
from sklearn_mle.displays._base import BLUE, GREY, REFERENCE, VERMILION, Display, wrapped
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import Influence, influence

_POINTS = 200
# Cook's distance is the formula's but for rounding, or it is another function.
_ROUNDING = 1e-6


@dataclass(eq=False, repr=False)
class InfluenceDisplay(Display):
    """Leverage of each row against its residual: which rows determine the coefficients, and which are outliers.

    A row moves the coefficients where it has both. The dashed contours are of Cook's distance, the squared length of
    that move over the number of coefficients. Leverages and residuals are of all columns together: nothing is held
    fixed.

    Parameters
    ----------
    leverage : array-like of shape (n,)
        Diagonal of the hat matrix.
    residual : array-like of shape (n,)
        Standardized Pearson residuals, in standard deviations.
    cooks_distance : array-like of shape (n,)
        Of each row.
    n_coefficients : float
        Number of coefficients that the data determine.
    rows : array-like of shape (n,)
        Names of the rows.
    n_labels : int, default=5
        How many rows are named, those of the largest Cook's distance.
    levels : sequence of float, default=(0.5, 1.0)
        Cook's distances whose contours are drawn, where they are within the picture, and where Cook's distance depends
        on leverage and residual alone: in least squares and generalized linear models, unlike Student's t.
    name : str, default=None
        Name of the model.

    Attributes
    ----------
    points_ : matplotlib PathCollection
        The rows.
    labels_ : list of matplotlib Annotation
        Names of rows.
    contours_ : list of matplotlib Line2D
        Two for each level, above and below zero.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    sklearn_mle.inference.influence : The numbers.

    References
    ----------
    R. D. Cook (1977), Detection of influential observation in linear regression, Technometrics 19.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.displays import InfluenceDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = GaussianMLERegressor().fit(X, y)
    >>> display = InfluenceDisplay.from_estimator(model, X, y, n_labels=2)
    >>> [label.get_text() for label in display.labels_]
    ['382', '123']
    """

    leverage: Any
    residual: Any
    cooks_distance: Any
    n_coefficients: float
    _: KW_ONLY
    rows: Any
    n_labels: int = 5
    levels: Sequence[float] = (0.5, 1.0)
    name: str | None = None
    _arrays = ("leverage", "residual", "cooks_distance", "rows")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        offset: Any = None,
        n_labels: int = 5,
        levels: Sequence[float] = (0.5, 1.0),
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Compute the influence of the rows of a fit, and draw it.

        Parameters
        ----------
        estimator : fitted estimator
            As :func:`sklearn_mle.inference.infer` takes them.
        X, y : array-like
            The data of the fit; the index of a frame names the rows.
        sample_weight, offset : array-like, default=None
            As in the fit.
        n_labels : int, default=5
            How many rows are named, those of the largest Cook's distance.
        levels : sequence of float, default=(0.5, 1.0)
            Cook's distances whose contours are drawn.
        name : str, default=None
            Name of the model; that of its class by default.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        InfluenceDisplay
            The display.

        Raises
        ------
        NotSupportedError
            If the model has no such influence, or no single residual per row (a modelled scale, three or more classes).
        """
        found = influence(estimator, X, y, sample_weight=sample_weight, offset=offset)
        name = type(estimator).__name__ if name is None else name
        return cls.from_influence(found, n_labels=n_labels, levels=levels, name=name, ax=ax)

    @classmethod
    def from_influence(
        cls,
        influence: Influence,
        *,
        n_labels: int = 5,
        levels: Sequence[float] = (0.5, 1.0),
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the result of :func:`sklearn_mle.inference.influence`.

        Parameters
        ----------
        influence : Influence
            Of a model with one residual per row.
        n_labels : int, default=5
            How many rows are named, those of the largest Cook's distance.
        levels : sequence of float, default=(0.5, 1.0)
            Cook's distances whose contours are drawn.
        name : str, default=None
            Name of the model.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        InfluenceDisplay
            The display.

        Raises
        ------
        NotSupportedError
            If there is no single residual per row.
        """
        if not isinstance(influence, Influence):
            raise TypeError(f"influence must be the result of influence(estimator, X, y); got {influence!r}.")
        if influence.standardized_pearson_residual is None:
            raise NotSupportedError(
                "InfluenceDisplay draws residuals, but a model with several linear predictors (a modelled "
                "scale, three or more classes) has no single residual per row: plot influence(...).to_frame() instead."
            )
        return cls(
            influence.leverage,
            influence.standardized_pearson_residual,
            influence.cooks_distance,
            influence.n_coefficients,
            rows=influence.rows,
            n_labels=n_labels,
            levels=levels,
            name=name,
        ).plot(ax=ax)

    def _check(self) -> None:
        super()._check()
        check_count("n_labels", self.n_labels, 0)
        with argument_name("levels"):
            levels = np.asarray(list(self.levels), dtype=np.float64)
        if not (np.isfinite(levels) & (levels > 0)).all():
            raise ValueError(f"levels must be positive numbers; got {self.levels!r}.")
        if not np.isfinite(self.cooks_distance).any():
            raise ValueError("cooks_distance has no finite entry: there is nothing to draw.")

    def _draw(self, is_new: bool) -> None:
        present = np.isfinite(self.leverage) & np.isfinite(self.residual)
        h, r = self.leverage[present], self.residual[present]
        self.points_ = self._draw_points(h, r, BLUE)
        self.ax_.axhline(0, **REFERENCE)
        self.ax_.set_xlim(0, min(1.0, 1.12 * h.max()))
        reach = 1.15 * np.abs(r).max()
        self.ax_.set_ylim(-reach, reach)
        self._draw_contours(reach)
        order = np.argsort(-np.where(np.isfinite(self.cooks_distance), self.cooks_distance, -np.inf), kind="stable")
        self.labels_ = [
            self.ax_.annotate(
                str(self.rows[row]),
                (self.leverage[row], self.residual[row]),
                xytext=(4, 3),
                textcoords="offset points",
                fontsize="small",
                color=VERMILION,
            )
            for row in order[: self.n_labels]
            if np.isfinite(self.cooks_distance[row])
        ]
        self.ax_.set_xlabel(f"leverage (mean {h.mean():.2g})")
        self.ax_.set_ylabel("standardized Pearson residual\n(standard deviations)")
        self._title(wrapped(self.name or ""), "black")

    def _draw_contours(self, reach: float) -> None:
        """Draw where D = r^2 h / (p (1 - h)) is each level, and write it where the contour enters the picture."""
        self.contours_, words = [], "Cook's distance "
        with np.errstate(all="ignore"):
            distance = np.square(self.residual) * self.leverage / (self.n_coefficients * (1 - self.leverage))
            known = np.isfinite(self.cooks_distance) & np.isfinite(distance)
        if not np.allclose(self.cooks_distance[known], distance[known], rtol=_ROUNDING, atol=0):
            return
        right = self.ax_.get_xlim()[1]
        h = np.linspace(right / _POINTS, right, _POINTS)
        for level in sorted(self.levels):
            r = np.sqrt(np.maximum(level * self.n_coefficients * (1 - h) / h, 0))
            if r[-1] > reach:
                continue  # all of it is outside
            for side in (r, -r):
                self.contours_ += self.ax_.plot(h, side, color=GREY, linewidth=1, linestyle="--", zorder=1)
            place = (float(np.interp(-reach, -r, h)), -reach)
            style = {"ha": "right", "va": "bottom", "fontsize": "small", "color": GREY}
            self.ax_.annotate(f"{words}{level:g} ", place, **style)
            words = ""
