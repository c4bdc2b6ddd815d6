"""One cell of the design as data and an estimator, and the forms in which the data are handed over."""

from dataclasses import dataclass, field, replace
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import special

from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle.likelihoods import get_likelihood
from tests.together.coordinates import Coordinates
from tests.together.covering import Cell
from tests.together.levels import CLASSIFIERS, is_modelled, weight_type

N, NAMES = 36, ("a", "b")
# Near what generated the data.
KNOWN = {
    "beta": 6.0,
    "gamma": 3.0,
    "inverse_gaussian": 4.0,
    "lognormal": 0.6,
    "negative_binomial": 0.5,
    "tweedie": 0.8,
    "weibull": 1.6,
}
ALPHA = 0.7


@dataclass(frozen=True)
class Case:
    """A problem: rows, options, the coordinates of its answers, and the form in which the rows are handed over.

    ``X``, ``y``, ``weight``, ``offset``, ``group``, ``fold`` and ``extra`` have a row (or entry) per observation;
    ``new_rows`` and ``new_offset`` are to be predicted. ``offset`` is (n, K) for K > 2 classes, or for K parameters.
    ``labels`` are the names of the classes, in the order in which the unchanged problem has them.
    """

    cell: Cell
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    offset: np.ndarray | None
    group: np.ndarray
    fold: np.ndarray
    extra: np.ndarray
    new_rows: np.ndarray
    new_offset: np.ndarray | None
    known: float
    intercept: bool
    storage: str
    alpha: float = ALPHA
    names: tuple[str, ...] = NAMES
    labels: tuple[str, ...] | None = None
    at: Coordinates = field(default_factory=Coordinates)

    @property
    def n_predictors(self) -> int:
        """Of the location: as many as there are classes beyond two."""
        return CLASSIFIERS[self.model] if self.model in CLASSIFIERS and CLASSIFIERS[self.model] > 2 else 1

    @property
    def predictor_names(self) -> tuple[str, ...]:
        """Of a regressor's likelihood."""
        names = get_likelihood(self.model).predictor_names
        return (*names, "inverse_df") if self.cell["predictors"] == "constant df" else names

    @property
    def model(self) -> str:
        """The likelihood's name, or the classifier's."""
        return self.cell["model"]

    @property
    def is_classifier(self) -> bool:
        """Whether y is a class."""
        return self.model in CLASSIFIERS

    @property
    def soft(self) -> bool:
        """Whether y are probabilities of classes."""
        return self.is_classifier and self.y.ndim == 2

    @property
    def fractions(self) -> bool:
        """Whether y are fractions of binomial counts."""
        return self.model == "binomial" and self.y.ndim == 1 and bool((self.y % 1).any())

    def predictors(self, names: tuple[str, ...]) -> Any:
        """Return what the parameters depend on, of an X with these columns."""
        location, *others = get_likelihood(self.model).parameter_names
        how = self.cell["predictors"]
        if how == "some columns":
            chosen = "a" if others else "b"
            columns: list[Any] = [
                name if self.storage == "frame" else k for k, name in enumerate(names) if name == chosen
            ]
            return {others[0] if others else location: columns}
        return {
            "known": dict.fromkeys(others[:1], self.known),
            "linear": "linear",
            "constant df": {"df": "constant"},
        }.get(how)

    def estimator(self, names: tuple[str, ...] | None = None, **other: Any) -> Any:
        """Return the unfitted estimator, of an X with these columns (None: all)."""
        prior = self.cell["prior"]
        other = {"fit_intercept": self.intercept, "weight_type": weight_type(self.cell), **other}
        if self.is_classifier:
            options: dict[str, Any] = {"C": 1 / self.alpha} if prior == "gaussian" else {}
            if prior == "firth":
                options = {"bias_reduction": "firth"}
            if prior == "class weight":
                share = dict(zip(self.labels or (), (1.5, 0.5, 1.0), strict=False))
                options = {"class_weight": share}
            return MLELogisticClassifier(**options, **other)
        alpha: Any = self.alpha if prior == "gaussian" else 0.0
        if prior == "gaussian on all":
            location, *others = get_likelihood(self.model).parameter_names
            alpha = {location: self.alpha, **dict.fromkeys(others, 0.4)}
        return MLERegressor(self.model, alpha=alpha, predictors=self.predictors(names or self.names), **other)

    def take(self, rows: np.ndarray) -> "Case":
        """Return the problem of some rows, some of them more than once."""
        per_row = ("X", "y", "weight", "offset", "group", "fold", "extra")
        return replace(self, **{k: None if getattr(self, k) is None else getattr(self, k)[rows] for k in per_row})

    def moved(self, **changes: Any) -> "Case":
        """Return the problem with other coordinates."""
        return replace(self, at=replace(self.at, **changes))


def case_of(cell: Cell) -> Case:
    """Return the problem of a cell."""
    model, n = cell["model"], N
    if (model, cell["predictors"]) == ("skew_t", "linear"):
        n *= 2  # a coefficient of the skewness is infinite in too few rows, and four depend on each column
    rng = np.random.default_rng(12)
    X = _binary_fractions(rng.standard_normal((n, 2)))
    X[rng.random((n, 2)) < 0.2] = 0
    X[~X.any(axis=1), 0] = 0.5  # without an intercept such a row would be a tie between classes
    new_rows = np.array([[0.5, -0.25], [0, 1.5], [-1, 0], [0.25, 0.75]])
    soft = cell["target"] == "soft"
    classes = CLASSIFIERS.get(model)
    width = () if classes in (None, 2) else (classes,)
    taken: Any = 1
    if cell["offset"] == "parameters":
        likelihood = get_likelihood(model)
        width = (likelihood.n_predictors,)
        taken = [name not in likelihood.constant_parameters for name in likelihood.parameter_names]
    offset = new_offset = None
    if cell["offset"] != "none":
        offset = taken * _binary_fractions(0.4 * rng.standard_normal((n, *width)))
        new_offset = taken * _binary_fractions(0.4 * rng.standard_normal((len(new_rows), *width)))
    of_location = offset[:, 0] if cell["offset"] == "parameters" else offset
    y = _outcomes(cell, X, 0 if of_location is None else of_location)
    labels = None if not classes else tuple("pqr"[:classes])
    if classes and not soft:
        assert labels is not None
        y = np.array(labels)[y.astype(int)]
    weight = {
        "none": None,
        "frequency": np.resize([1.0, 2, 1, 0, 3, 1, 1], n),
        "precision": np.resize([1.0, 0.5, 2, 1.5, 0.75], n),
        "sampling": np.resize([1.0, 2.5, 0.5, 3, 1.5], n),
    }[cell["weight"]]
    return Case(
        cell,
        X,
        y,
        weight,
        offset,
        group=np.resize(np.arange(9), n),
        fold=np.resize([0, 1, 1, 1, 1, 1], n),  # five sixths of so few rows have a maximum, a half need not
        extra=_binary_fractions(rng.standard_normal(n)),
        new_rows=new_rows,
        new_offset=new_offset,
        known=KNOWN.get(model, 1.0),
        intercept=cell["intercept"],
        storage=cell["storage"],
        labels=labels,
    )


def _binary_fractions(values: np.ndarray) -> np.ndarray:
    """Return them rounded to 64ths: exact in single precision, too."""
    return np.round(values * 64) / 64


def _outcomes(cell: Cell, X: np.ndarray, offset: np.ndarray | float) -> np.ndarray:
    rng, model = np.random.default_rng(5), cell["model"]
    line = 0.3 * cell["intercept"] + X @ [0.5, -0.4]
    if model == "classes":
        logits = line[:, None] * [0, 1, -1] + offset
        if cell["target"] == "soft":
            shares = np.floor(64 * special.softmax(logits + 0.7 * rng.standard_normal(logits.shape), axis=1)) / 64
            return np.column_stack([shares[:, :-1], 1 - shares[:, :-1].sum(axis=1)])
        return (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    eta = line + offset
    probability = special.expit(eta)
    spread = np.exp(0.3 * X[:, 0]) if is_modelled(cell) else 1.0
    if model in ("binary", "binomial"):
        if cell["target"] == "counts":
            trials = rng.integers(1, 9, len(X))
            successes = rng.binomial(trials, probability)
            return np.column_stack([successes, trials - successes]).astype(float)
        if cell["target"] == "soft":
            probability = _binary_fractions(special.expit(eta + 0.7 * rng.standard_normal(len(X))))
            return probability if model == "binomial" else np.column_stack([1 - probability, probability])
        return (rng.random(len(X)) < probability).astype(float)
    mean, spread = np.exp(eta), spread * np.ones(len(X))
    if model == "beta":
        return rng.beta(6 * probability, 6 * (1 - probability)).clip(0.01, 0.99)
    if model in ("poisson", "negative_binomial"):
        rate = mean * (1 if model == "poisson" else rng.gamma(2, 0.5, len(X)))
        return rng.poisson(2 * rate).astype(float)
    if model == "tweedie":
        return np.array([rng.gamma(1.5, 0.5, k).sum() for k in rng.poisson(1.5 * mean)])
    if get_likelihood(model).positive_only:
        return mean * rng.gamma(3 / spread, spread / 3)
    if cell["predictors"] == "constant df":
        return eta + 0.6 * rng.standard_t(3, size=len(X))
    if model == "gaussian_mixture":
        # Two modes far apart: of noise that has one, a mixture's likelihood has several maxima that are nearly as high.
        return eta + spread * (rng.standard_normal(len(X)) + 5.0 * (rng.random(len(X)) < 0.3))
    return eta + spread * rng.logistic(size=len(X)) * 0.6


def target_given(case: Case) -> Any:
    """Return y as it is handed over: soft labels are a frame whose columns name the classes."""
    if case.soft:
        assert case.labels is not None
        names = sorted(case.labels)
        return pd.DataFrame(case.y[:, [case.labels.index(name) for name in names]], columns=names)
    return pd.Series(case.y) if case.storage == "frame" and case.y.ndim == 1 else case.y


def rows_given(X: np.ndarray, names: tuple[str, ...], storage: str, folder: Any) -> Any:
    """Return X as it is handed over."""
    if storage == "float32":
        return X.astype(np.float32)
    if storage == "csr":
        return sp.csr_array(X)
    if storage == "frame":
        return pd.DataFrame(X, columns=list(names))
    if storage == "memmap":
        path = folder / f"{len(list(folder.iterdir()))}.npy"
        np.save(path, X)
        return np.load(path, mmap_mode="r")
    if storage == "dask":
        return halves(X)
    return X


def halves(values: Any) -> Any:
    """Return values in two of Dask's partitions."""
    if isinstance(values, pd.DataFrame):
        import dask.dataframe as dd

        return dd.from_pandas(values, npartitions=2)
    values = np.asarray(values)
    return da.from_array(values, chunks=(-(-len(values) // 2), *values.shape[1:]))
