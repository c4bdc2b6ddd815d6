"""Pictures of parameters: coefficients with confidence intervals."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from sklearn_mle._numerics.arguments import argument_name, check_choice, check_count
from sklearn_mle.displays._base import REFERENCE, percent
from sklearn_mle.displays._forest import ForestDisplay
from sklearn_mle.inference import Inference, infer


@dataclass(eq=False, repr=False)
class CoefficientDisplay(ForestDisplay):
    """Forest plot: coefficients with confidence intervals, one feature per row and one colour per class.

    Coefficients that the data do not determine (dependent columns, separation) have no interval, and a hollow marker.

    Parameters
    ----------
    names : sequence of str
        Names of the m features.
    estimates, lower, upper : array-like of shape (m,) or (m, n_groups)
        Coefficients, and the ends of their intervals (nan where there are none).
    confidence_level : float
        Of the intervals.
    groups : sequence of str, default=("",)
        Names of the columns of ``estimates``, such as the classes.
    quantity : str, default="coefficient"
        Label of the horizontal axis.
    odds_ratios : bool, default=False
        Whether the exponentials of the coefficients are drawn, on a logarithmic scale.
    note : str, default=""
        A line above the picture.

    Attributes
    ----------
    points_ : list of matplotlib Line2D
        The coefficients, one line per group.
    intervals_ : list of matplotlib LineCollection
        Their intervals, one collection per group.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    sklearn_mle.inference.infer : The numbers, of any kind of covariance.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.displays import CoefficientDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> display = CoefficientDisplay.from_estimator(GaussianMLERegressor().fit(X, y))
    >>> display.names[:3]
    ['age', 'sex', 'bmi']
    """

    names: Sequence[str]
    estimates: Any
    lower: Any
    upper: Any
    _: KW_ONLY
    confidence_level: float
    groups: Sequence[str] = ("",)
    quantity: str = "coefficient"
    odds_ratios: bool = False
    note: str = ""
    _names_of = ("names", "groups")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        confidence_level: float = 0.95,
        predictor: str | None = None,
        intercept: bool = False,
        odds_ratios: bool = False,
        max_coefficients: int = 40,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Infer the coefficients of a fitted model, and draw them.

        Parameters
        ----------
        estimator : fitted estimator
            An estimator of this library, or (with its data) scikit-learn's LogisticRegression, LinearRegression or
            PoissonRegressor; also inside pipelines and searches.
        X, y : array-like, default=None
            The data of the fit, where :func:`sklearn_mle.inference.infer` needs them.
        confidence_level : float, default=0.95
            Of the intervals.
        predictor : str, default=None
            In models with several linear predictors (``predictors=``, ``scale="log_linear"``): which one, such as
            ``"log_scale"``; the location by default.
        intercept : bool, default=False
            Whether to draw intercepts as well.
        odds_ratios : bool, default=False
            For a classifier: whether to draw the exponentials of the coefficients.
        max_coefficients : int, default=40
            If there are more, those features are drawn whose coefficients are largest in standard errors.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.
        **kwargs : dict
            Keywords of :func:`sklearn_mle.inference.infer`, such as ``covariance="HC3"``.

        Returns
        -------
        CoefficientDisplay
            The display.

        Raises
        ------
        ValueError
            If an argument is not valid, or the estimate is penalized and ``penalized=`` does not say what is meant.
        """
        return cls.from_inference(
            infer(estimator, X, y, **kwargs),
            confidence_level=confidence_level,
            predictor=predictor,
            intercept=intercept,
            odds_ratios=odds_ratios,
            max_coefficients=max_coefficients,
            ax=ax,
        )

    @classmethod
    def from_inference(
        cls,
        inference: Inference,
        *,
        confidence_level: float = 0.95,
        predictor: str | None = None,
        intercept: bool = False,
        odds_ratios: bool = False,
        max_coefficients: int = 40,
        ax: Any = None,
    ) -> Self:
        """Draw the coefficients that :func:`sklearn_mle.inference.infer` found.

        Parameters
        ----------
        inference : Inference
            Estimates and their covariance.
        confidence_level : float, default=0.95
            Of the intervals.
        predictor : str, default=None
            Which linear predictor; the location by default.
        intercept : bool, default=False
            Whether to draw intercepts as well.
        odds_ratios : bool, default=False
            For a classifier: whether to draw the exponentials of the coefficients.
        max_coefficients : int, default=40
            If there are more, those features are drawn whose coefficients are largest in standard errors.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        CoefficientDisplay
            The display.

        Raises
        ------
        ValueError
            If there is no such predictor, odds ratios are asked of a regressor, or no coefficients are left.
        """
        if not isinstance(inference, Inference):
            raise TypeError(f"inference must be the result of infer(estimator, X, y); got {inference!r}.")
        model = inference.model
        with argument_name("odds_ratios or intercept"):
            odds_ratios, intercept = bool(odds_ratios), bool(intercept)
        if odds_ratios and not model.is_classifier:
            raise ValueError("odds_ratios: only a classifier's coefficients are logarithms of odds ratios.")
        check_count("max_coefficients", max_coefficients, 1)
        places = _places_of_coefficients(inference, intercept)
        several = model.classes is not None and len(model.classes) > 2
        groups = list(places) if several else [_chosen(places, predictor)]
        names = list(places[groups[0]]) if groups else []
        if not names:
            raise ValueError("The model has no coefficients to draw (intercept=True draws intercepts).")
        rows = np.array([[places[group][name] for group in groups] for name in names])
        lower, upper = inference.confidence_intervals(confidence_level).T
        estimates = inference.estimates[rows]
        note = ""
        n_drawn = max(1, max_coefficients // len(groups))
        if len(names) > n_drawn:
            # The width of an interval is its standard error, up to one factor for all.
            size = np.abs(estimates) / (upper - lower)[rows]
            largest = np.argsort(-np.nan_to_num(size, nan=0.0).max(axis=1), kind="stable")[:n_drawn]
            note = f"{n_drawn} of {len(names)} features, the largest in standard errors"
            kept = np.sort(largest)
            names, rows, estimates = [names[i] for i in kept], rows[kept], estimates[kept]
        display = cls(
            names,
            estimates,
            lower[rows],
            upper[rows],
            confidence_level=confidence_level,
            groups=groups if several else [""],
            quantity=_quantity(model.classes, list(places), groups[0], odds_ratios),
            odds_ratios=odds_ratios,
            note=note,
        )
        return display.plot(ax=ax)

    def _draw(self, is_new: bool) -> None:
        shown = np.exp if self.odds_ratios else np.asarray
        self.ax_.axvline(float(shown(0.0)), **REFERENCE)
        self.points_, self.intervals_ = self._draw_rows(is_new, shown)
        if self.odds_ratios:
            self.ax_.set_xscale("log")
            _plain_ticks(self.ax_.xaxis)
        self.ax_.set_xlabel(f"{self.quantity} ({percent(self.confidence_level)} intervals)")
        self._title(self.note)
        self._name_groups(self.points_, is_new, n_columns=5)


def _places_of_coefficients(inference: Inference, intercept: bool) -> dict[str, dict[str, int]]:
    """Return the places among the parameters of the coefficients of each linear predictor, or class, by their names."""
    model = inference.model
    several = model.classes is not None and len(model.classes) > 2
    predictors = [str(label) for label in model.classes or ()] if several else model.likelihood.predictor_names
    names = [*model.features, "intercept"]
    entries = dict(zip(model.labels, model.entries.tolist(), strict=True))
    places: dict[str, dict[str, int]] = {}
    for place, label in enumerate(inference.parameters):
        j, k = divmod(entries[label], len(names))
        is_constant = j > 0 and not model.terms[j].columns
        if not is_constant and (intercept or k < len(model.features)):
            places.setdefault(predictors[j], {})[names[k]] = place
    return places


def _chosen(places: dict[str, dict[str, int]], predictor: str | None) -> str:
    if predictor is None:
        return next(iter(places), "")
    check_choice("predictor", predictor, list(places))
    return predictor


def _quantity(classes: tuple[Any, ...] | None, groups: list[str], group: str, odds_ratios: bool) -> str:
    if classes is None:
        return f"coefficient of {group}" if len(groups) > 1 else "coefficient"
    if len(classes) > 2:
        # Of differences from a reference class (``Inference.against``) that class has no coefficients.
        reference = next((f"class {label!r}" for label in classes if str(label) not in groups), "the mean class")
        return f"odds ratio against {reference}" if odds_ratios else f"log-odds against {reference}, per unit"
    return f"odds ratio of class {classes[1]!r}" if odds_ratios else f"log-odds of class {classes[1]!r} per unit"


def _plain_ticks(axis: Any) -> None:
    """Write 0.1, 1, 10 on a logarithmic axis, not powers of ten; and numbers between where these are few."""
    from matplotlib.ticker import FuncFormatter, LogFormatter

    # 1e20, not 1e+20: over many decades more would not fit.
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("e+", "e").replace("e0", "e")))
    axis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.4)))
