"""Reliability diagrams: recalibrated forecasts, and what chance alone would show."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression
from scipy.special import logsumexp
from sklearn.utils import check_array, check_random_state, column_or_1d

from sklearn_mle._numerics.arguments import argument_name, check_count, check_weight, refuse_masked
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.displays._base import BAND, BLUE, GREY, REFERENCE, PredictionDisplay, Unit, check_options, percent
from sklearn_mle.metrics import kl_divergence
from sklearn_mle.metrics._probability_rows import read_rows
from sklearn_mle.metrics._responses import class_response

_BARS = 40
_ROUNDING = 1e-6
_MOST_STEPS = 20_000
_MOST_PLACES = 2000  # of a band, beside the corners of the curve: three per pixel


@dataclass(eq=False, repr=False)
class ReliabilityDisplay(PredictionDisplay):
    """Reliability diagram of the probability of one class, without bins to choose.

    The curve is the isotonic regression of the outcomes on the forecast: the nondecreasing recalibration that fits best
    (CORP). Where the forecasts are calibrated it lies on the diagonal, up to chance: the band holds the
    curves that calibrated forecasts of these values would give. The divergence of the forecasts from their
    recalibration is the cost of the lack of calibration per row. It is never quite zero; the title gives the value that
    calibrated forecasts stay below. The bars show where the forecasts are.

    Parameters
    ----------
    forecast : array-like of shape (m,)
        The distinct forecasts, ascending; or some of them, if they are more than can be seen.
    recalibrated : array-like of shape (m,)
        Isotonic regression there.
    lower, upper : array-like of shape (m,)
        Consistency band there.
    mass : array-like of shape (m,)
        Share of the rows from each forecast up to the next one drawn.
    divergence : float
        KL(recalibrated || forecast), mean nats per row.
    chance_divergence : float
        The value that the divergence of calibrated forecasts stays below with probability ``confidence_level``.
    confidence_level : float
        Of the band, at each forecast by itself.
    pos_label : label, default=None
        The class, for the labels of the axes.
    name : str, default=None
        Name of the curve.
    base : float, default=None
        Unit of the divergence: ``None`` for nats, 2 for bits.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The calibration curve.
    band_ : matplotlib FillBetweenPolyCollection
        The consistency band.
    bars_ : matplotlib StepPatch
        Shares of rows, by forecast.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    References
    ----------
    T. Dimitriadis, T. Gneiting and A. I. Jordan (2021), Stable reliability diagrams for probabilistic classifiers,
    PNAS 118.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_mle.displays import ReliabilityDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = GaussianNB().fit(X[::2], y[::2])
    >>> display = ReliabilityDisplay.from_estimator(model, X[1::2], y[1::2])
    >>> round(display.divergence, 2)
    0.42
    """

    forecast: Any
    recalibrated: Any
    lower: Any
    upper: Any
    mass: Any
    divergence: float
    chance_divergence: float
    _: KW_ONLY
    confidence_level: float
    pos_label: Any = None
    name: str | None = None
    base: float | None = None
    _arrays = ("forecast", "recalibrated", "lower", "upper", "mass")

    @classmethod
    def _from_fitted(cls, estimator: Any, X: Any, y: Any, offset: Any, *, pos_label: Any = None, **kwargs: Any) -> Self:
        response = class_response(estimator, X, offset)
        labels, logs = response.labels.tolist(), response.log()
        if pos_label is None and len(labels) == 2:
            pos_label = labels[1]
        if not np.isscalar(pos_label) or pos_label not in labels:
            raise ValueError(f"pos_label must be one of the classes {labels}; got {pos_label!r}.")
        chosen = labels.index(pos_label)
        logs = np.column_stack([logsumexp(np.delete(logs, chosen, axis=1), axis=1), logs[:, chosen]])
        return cls.from_predictions(y, logs, pos_label=pos_label, log_proba=True, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_prob: ArrayLike,
        *,
        pos_label: Any = None,
        log_proba: bool = False,
        sample_weight: ArrayLike | None = None,
        confidence_level: float = 0.95,
        n_resamples: int = 200,
        random_state: Any = 0,
        base: float | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the calibration curve of predicted probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Labels.
        y_prob : array-like of shape (n,)
            Predicted probability of ``pos_label``.
        pos_label : label, default=None
            The class; by default the larger of the two labels that occur, or 1 if only 0 or 1 does.
        log_proba : bool, default=False
            Whether ``y_prob`` holds logarithms, which keep apart what rounds to 0 or 1; of shape (n, 2) then, of the
            probabilities that the class is another, and that it is ``pos_label``.
        sample_weight : array-like of shape (n,), default=None
            Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
        confidence_level : float, default=0.95
            Of the band.
        n_resamples : int, default=200
            Number of simulated data sets behind the band.
        random_state : int, RandomState instance or None, default=0
            Of the simulation.
        base : float, default=None
            Unit of the divergence: ``None`` for nats, 2 for bits.
        name : str, default=None
            Name of the curve.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure otherwise.

        Returns
        -------
        ReliabilityDisplay
            The display.

        Raises
        ------
        ValueError
            If probabilities are not in [0, 1], or the classes are not two and ``pos_label`` is not given.
        """
        refuse_masked(y_true=y_true, y_prob=y_prob)
        check_options(base, confidence_level, name)
        check_count("n_resamples", n_resamples, 1)
        logs = _log_probabilities(y_prob, log_proba)
        with argument_name("y_true or pos_label"):
            happened, pos_label = _happened(column_or_1d(y_true), pos_label)
        if len(logs) != len(happened):
            raise ValueError(
                f"y_true has {len(happened)} rows, the forecasts (y_prob, or those of X) {len(logs)}; both must "
                "describe the same rows."
            )
        with argument_name("random_state"):
            random = check_random_state(random_state)
        weight = check_weight(sample_weight, len(logs))
        curve = _calibration_curve(happened, logs, weight, confidence_level, n_resamples, random)
        display = cls(*curve, confidence_level=confidence_level, pos_label=pos_label, name=name, base=base)
        return display.plot(ax=ax)

    def _height(self) -> float:
        return 5.0

    def _draw(self, is_new: bool) -> None:
        unit = Unit(self.base)
        self.ax_.plot([0, 1], [0, 1], **REFERENCE)
        label = f"{percent(self.confidence_level)} of calibrated forecasts"
        self.band_ = self.ax_.fill_between(self.forecast, self.lower, self.upper, color=GREY, label=label, **BAND)
        (self.line_,) = self.ax_.plot(
            self.forecast, self.recalibrated, color=BLUE, linewidth=2, label=self.name or "recalibrated"
        )
        edges = np.linspace(0, 1, _BARS + 1)
        shares, _ = np.histogram(self.forecast, edges, weights=self.mass)
        # A strip under the diagram, the longest bar a tenth of its height.
        self.bars_ = self.ax_.stairs(
            0.1 * shares / shares.max() - 0.13, edges, baseline=-0.13, fill=True, linewidth=0, color=BLUE, alpha=0.5
        )
        self.ax_.set(xlim=(-0.02, 1.02), ylim=(-0.14, 1.02), aspect="equal")
        self.ax_.set_yticks(np.linspace(0, 1, 6))
        of = "" if self.pos_label is None else f" of {self.pos_label}"
        self.ax_.set_xlabel(f"forecast probability{of} (bars: share of rows)")
        self.ax_.set_ylabel(f"frequency{of}, recalibrated")
        self._title(
            f"KL(recalibrated ‖ forecast) = {self.divergence / unit.nats:.3g} {unit.name} per row\n"
            f"that of calibrated forecasts stays below {self.chance_divergence / unit.nats:.2g}",
            "black",
        )
        self.ax_.legend(loc="upper left", frameon=False)


def _log_probabilities(y_prob: ArrayLike, log_proba: bool) -> Array:
    """Return the log-probabilities (n, 2) that the class is another, and that it is the one that is judged."""
    with argument_name("y_prob"):
        if not log_proba:
            return read_rows(column_or_1d(y_prob), "y_prob").log()
        logs = check_array(y_prob, dtype=np.float64, ensure_all_finite=False)
        if logs.shape[1] != 2 or not (logs <= _ROUNDING).all():
            raise ValueError("y_prob must have two columns of logarithms of probabilities, which are at most 0.")
        return logs


def _happened(y: NDArray[Any], pos_label: Any) -> tuple[NDArray[np.bool_], Any]:
    labels = np.unique(y).tolist()
    if pos_label is None:
        if set(labels) <= {0, 1}:
            pos_label = 1
        elif len(labels) == 2:
            pos_label = labels[1]
        else:
            raise ValueError(f"pos_label must be given unless there are exactly two labels; y_true has {labels}.")
    if not np.isscalar(pos_label) or any(isinstance(pos_label, str) != isinstance(label, str) for label in labels):
        raise ValueError(
            f"pos_label must be one of the labels of y_true, {labels[:5]}: text never matches numbers; got "
            f"{pos_label!r}."
        )
    return y == pos_label, pos_label


def _calibration_curve(
    happened: NDArray[np.bool_],
    logs: Array,
    weight: Array | None,
    confidence_level: float,
    n_resamples: int,
    random: np.random.RandomState,
) -> tuple[Array, Array, Array, Array, Array, float, float]:
    """Recalibrate forecasts, and simulate ``n_resamples`` times what they would show if they were calibrated.

    They come as log-probabilities (n, 2) of the class not happening and happening, which keep apart what rounds to 0 or
    1, and keep the divergence finite where it should be. The answers are the first arguments of ``ReliabilityDisplay``.
    """
    copies = np.ones(len(logs)) if weight is None else weight
    used = copies > 0
    happened, logs, copies = happened[used], logs[used], copies[used]
    # To the curve only their ratios matter; sums of these are finite.
    weight = copies / copies.max()
    _, first, place = np.unique(logs[:, 1] - logs[:, 0], return_index=True, return_inverse=True)
    logs_of, mass = logs[first], np.bincount(place, weights=weight).astype(np.float64)
    recalibrated = _isotonic(happened, place, weight, mass)
    drawn = _places_to_draw(recalibrated)
    # What is simulated needs no finer steps than these: neighbouring forecasts share one.
    n_steps = min(len(mass), _MOST_STEPS)
    step = np.arange(len(mass)) * n_steps // len(mass)
    middle = (np.searchsorted(step, np.arange(n_steps)) + np.searchsorted(step, np.arange(n_steps), "right")) // 2
    step_of, mass_of = step[place], np.bincount(step, weights=mass).astype(np.float64)
    probability = np.exp(logs[:, 1])
    curves, by_chance = [], []
    for _ in range(n_resamples):
        curve = _isotonic(_simulated(probability, copies, random), step_of, weight, mass_of)
        curves.append(curve[step[drawn]])
        by_chance.append(_divergence(curve, logs_of[middle], mass_of))
    lower, upper = np.quantile(curves, [(1 - confidence_level) / 2, (1 + confidence_level) / 2], axis=0)
    return (
        np.exp(logs_of[drawn, 1]),
        recalibrated[drawn],
        lower,
        upper,
        np.add.reduceat(mass, drawn) / mass.sum(),
        _divergence(recalibrated, logs_of, mass),
        float(np.quantile(by_chance, confidence_level)),
    )


def _simulated(probability: Array, copies: Array, random: np.random.RandomState) -> Array:
    """Return in which share of each row's copies the class happens; what exceeds a whole number is with the first."""
    share = (random.uniform(size=len(copies)) < probability).astype(np.float64)
    # Beyond, the share has no variance that is seen.
    others = np.minimum(np.ceil(copies) - 1, 2.0**53)
    if others.any():
        first = np.maximum(copies - others, 0)
        share = (first * share + random.binomial(others.astype(np.int64), probability)) / (first + others)
    return share


def _isotonic(happened: NDArray[Any], place: NDArray[np.intp], weight: Array, mass: Array) -> Array:
    """Return the frequencies at the distinct forecasts, made nondecreasing."""
    frequency = np.bincount(place, weights=weight * happened, minlength=len(mass)) / mass
    return np.asarray(isotonic_regression(frequency, weights=mass).x)


def _places_to_draw(curve: Array) -> NDArray[np.intp]:
    """Return the corners of a step function, and enough places between them for a line or a band to look the same."""
    m = len(curve)
    corners = np.flatnonzero(np.diff(curve, prepend=-1) != 0)
    evenly = np.linspace(0, m - 1, min(m, _MOST_PLACES)).astype(np.intp)
    return np.unique(np.concatenate([corners, np.maximum(corners - 1, 0), evenly]))


def _divergence(recalibrated: Array, logs: Array, mass: Array) -> float:
    return kl_divergence(np.column_stack([1 - recalibrated, recalibrated]), logs, log_proba=True, sample_weight=mass)
