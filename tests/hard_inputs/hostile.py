"""Values that nobody should pass, for every kind of argument; and the public calls that they are passed to."""

import datetime
import decimal
import inspect
import re
import warnings

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import stats

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor, metrics
from sklearn_mle.likelihoods import Laplace, check_likelihood, get_likelihood

N, P = 12, 2
rng = np.random.default_rng(0)
X = rng.standard_normal((N, P))
LABELS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0])
REAL = X @ [1.0, -0.5] + rng.standard_normal(N)
COUNTS = rng.poisson(2.0, N).astype(float)
PROBABILITIES = np.column_stack([np.linspace(0.2, 0.8, N), np.linspace(0.8, 0.2, N)])
WEIGHT = rng.uniform(0.5, 2.0, N)


class Silent:
    """An object that is nothing in particular."""


def hostile_arrays(good):
    """What may stand where an array like ``good`` should: a new value a call, for generators run dry."""
    good = np.asarray(good)
    flat, numeric = good.ndim == 1, good.astype(float)

    def spoiled(value, dtype=float):
        out = numeric.astype(dtype)
        out[(1,) * out.ndim] = value
        return out

    ragged = [[1.0, 2.0], [3.0]] * (len(good) // 2)
    return {
        "None": None,
        "a number": 3.0,
        "a string": "abc",
        "bytes": b"abc",
        "a function": len,
        "an object": Silent(),
        "a dict": {"a": 1},
        "a set": {1, 2},
        "a generator": (row for row in good.tolist()),
        "an empty list": [],
        "an empty array": np.zeros((0,) * good.ndim),
        "no rows": good[:0],
        "no columns": np.zeros((len(good), 0)),
        "zero-dimensional": np.array(5.0),
        "another dimension": np.tile(numeric[..., None], 2) if not flat else np.tile(numeric[:, None, None], (1, 2, 2)),
        "one dimension less": numeric[:, 0] if not flat else np.float64(1.0),
        "a ragged list": ragged,
        "too short": good[:-1],
        "one row": good[:1],
        "nan": spoiled(np.nan),
        "inf": spoiled(np.inf),
        "minus inf": spoiled(-np.inf),
        "negative": -1 - np.abs(numeric),
        "huge": numeric * 0 + 1e308,
        "huge and small": spoiled(1e308),
        "tiny": numeric * 1e-310,
        "half": numeric.astype(np.float16),
        "long double": numeric.astype(np.longdouble),
        "int8": numeric.astype(np.int8),
        "uint64": np.abs(numeric).astype(np.uint64) + np.uint64(2**63),
        "bool": numeric > 0,
        "complex": numeric + 1j,
        "strings": numeric.astype(str),
        "words": np.full(good.shape, "word"),
        "bytes in an array": np.full(good.shape, b"word"),
        "objects": numeric.astype(object),
        "None in objects": spoiled(None, object),
        "mixed objects": spoiled("word", object),
        "integers beyond any type": spoiled(10**400, object),
        "decimals": np.vectorize(decimal.Decimal, otypes=[object])(numeric),
        "datetimes": np.full(good.shape, np.datetime64("2020-01-01")),
        "timedeltas": np.full(good.shape, np.timedelta64(3, "D")),
        "not a time": np.full(good.shape, np.datetime64("NaT")),
        "a date": datetime.date(2020, 1, 1),
        "a structured array": np.zeros(len(good), dtype=[("a", float), ("b", int)]),
        "a masked array": np.ma.masked_array(numeric, numeric > 1),
        "constant": np.zeros_like(numeric),
        "a sparse matrix": sp.csr_array(np.atleast_2d(numeric)),
        "a sparse column": sp.coo_matrix(np.atleast_2d(numeric).T),
        "a frame of duplicate names": pd.DataFrame(np.atleast_2d(numeric.T).T).set_axis(
            ["a"] * (1 if flat else good.shape[1]), axis=1
        ),
        "a frame of strings": pd.DataFrame(np.full((len(good), 2), "word")),
        "a frame of mixed names": pd.DataFrame(np.tile(numeric[:, None] if flat else numeric[:, :1], (1, 2))).set_axis(
            ["a", 1], axis=1
        ),
        "a series": pd.Series(numeric if flat else numeric[:, 0]),
        "a series of NA": pd.Series([pd.NA] * len(good), dtype="Int64"),
        "a categorical series": pd.Series(["a", "b"] * (len(good) // 2), dtype="category"),
        "an index": pd.Index(range(len(good))),
    }


def hostile_scalars(good):
    return {
        "None": None,
        "a string": "abc",
        "an empty string": "",
        "bytes": b"abc",
        "nan": np.nan,
        "inf": np.inf,
        "minus inf": -np.inf,
        "minus one": -1,
        "zero": 0,
        "one": 1,
        "a fraction": 0.5,
        "large": 1e300,
        "complex": 1j,
        "an integer beyond any type": 10**400,
        "a list": [1, 2],
        "an empty list": [],
        "an array": np.array([0.3, 0.4]),
        "a matrix": np.ones((2, 2)),
        "a dict": {"a": 1},
        "a dict of numbers": {0: -1.0},
        "True": True,
        "an object": Silent(),
        "a class": Silent,
        "a date": datetime.date(2020, 1, 1),
        "numpy's string": np.array("abc"),
        "zero-dimensional": np.array(0.4),
    }


def classifier(**params):
    return MLELogisticClassifier(**params).fit(X, LABELS)


def regressor(**params):
    return GaussianMLERegressor(**params).fit(X, REAL)


def poisson():
    return MLERegressor("poisson").fit(X, COUNTS)


FORECAST = stats.norm(loc=REAL, scale=1.0)
Y = {MLELogisticClassifier: LABELS, GaussianMLERegressor: REAL, MLERegressor: REAL}
ARRAYS = {"X", "y", "sample_weight", "offset", "groups", "y_true", "y_pred", "interval", "labels"} | {
    f"{part}_{side}" for part in ("mean", "std") for side in ("true", "pred")
}


def fit_calls():
    for estimator, y in Y.items():
        for name in estimator().get_params():
            value = getattr(estimator(), name)
            yield (
                f"{estimator.__name__}({name})",
                lambda estimator=estimator, y=y, **params: estimator(**params).fit(X, y),
                {name: value},
            )
        good = {"X": X, "y": y, "sample_weight": WEIGHT, "offset": np.zeros(N)}
        yield f"{estimator.__name__}.fit", lambda estimator=estimator, **given: estimator().fit(**given), good
    soft = {"X": X, "y": PROBABILITIES}
    yield "MLELogisticClassifier.fit, soft labels", lambda **given: MLELogisticClassifier().fit(**given), soft
    for name in ("poisson", "laplace", "student_t", "gamma", "binomial", "beta"):
        good = {"X": X, "y": {"binomial": LABELS, "beta": PROBABILITIES[:, 0]}.get(name, COUNTS + 1)}
        yield f"MLERegressor({name}).fit", lambda name=name, **given: MLERegressor(name).fit(**given), good
    good = {"X": X, "y": REAL}
    yield "log-linear fit", lambda **given: GaussianMLERegressor(scale="log_linear").fit(**given), good


def method_calls():
    models = {"classifier": (classifier(), LABELS), "regressor": (regressor(), REAL), "poisson": (poisson(), COUNTS)}
    other = {
        "coverage": 0.9,
        "q": 0.5,
        "n_samples": 2,
        "random_state": 0,
        "return_std": False,
        "confidence_level": 0.9,
        "odds_ratios": False,
        "small_sample": True,
        "reference": None,
        "include_parameter_uncertainty": False,
    }
    for kind, (model, y) in models.items():
        for name, method in inspect.getmembers(model, callable):
            if name.startswith(("_", "set_", "get_")) or name == "fit":
                continue
            given = {"X": X, "y": y, "sample_weight": WEIGHT, "offset": np.zeros(N), **other}
            good = {key: given[key] for key in inspect.signature(method).parameters}
            if good:
                yield f"{kind}.{name}", method, good


def metric_calls():
    rows = {"y_true": LABELS, "y_pred": PROBABILITIES, "labels": np.array([0, 1]), "sample_weight": WEIGHT}
    rows |= {"log_proba": False, "base": 2.0}
    for name in ("cross_entropy", "kl_divergence", "jensen_shannon_divergence", "information_gain", "d2_cross_entropy"):
        metric = getattr(metrics, name)
        yield name, metric, {key: rows[key] for key in inspect.signature(metric).parameters}
    yield (
        "entropy",
        metrics.entropy,
        {"y_true": PROBABILITIES, "sample_weight": WEIGHT, "labels": np.array([0, 1]), "log_proba": False, "base": 2.0},
    )
    parts = {"strategy": "isotonic", "n_bins": 3, "n_resamples": 0, "random_state": 0}
    yield "cross_entropy_decomposition", metrics.cross_entropy_decomposition, {**rows, **parts}
    gaussian = dict.fromkeys(("mean_true", "mean_pred"), REAL) | dict.fromkeys(("std_true", "std_pred"), WEIGHT)
    both = {"sample_weight": WEIGHT, "base": 2.0}
    yield "gaussian_kl_divergence", metrics.gaussian_kl_divergence, {**gaussian, **both}
    forecast = {"y_true": REAL, "y_pred": FORECAST}
    yield "crps", metrics.crps, {**forecast, "sample_weight": WEIGHT}
    yield "negative_log_likelihood", metrics.negative_log_likelihood, {**forecast, **both}
    yield "pit_values", metrics.pit_values, forecast
    yield "pit_histogram", metrics.pit_histogram, {**forecast, "n_bins": 5, "sample_weight": WEIGHT}
    intervals = {"y_true": REAL, "interval": np.column_stack([REAL - 1, REAL + 1]), "sample_weight": WEIGHT}
    yield "coverage", metrics.coverage, intervals
    yield "interval_score", metrics.interval_score, {**intervals, "coverage": 0.9}


def other_calls():
    yield "get_scorer", metrics.get_scorer, {"name": "neg_cross_entropy"}
    yield "get_likelihood", get_likelihood, {"likelihood": "gaussian"}
    yield "check_likelihood", check_likelihood, {"likelihood": Laplace()}


def calls():
    for group in (fit_calls, method_calls, metric_calls, other_calls):
        yield from group()


# What is said of two arguments that do not fit each other: any of them may be at fault.
OF_TWO = re.compile(r"inconsistent numbers of samples|must have shape|speak of the same rows|one distribution a row")


def complaint(name, error):
    """Return what is wrong with an error about the argument ``name``; None if nothing is."""
    if not isinstance(error, ValueError | TypeError):
        return f"{type(error).__name__} escaped: {error}"
    text = str(error)
    if re.search(rf"(?<![a-zA-Z]){re.escape(name)}(?![a-z])", text) or OF_TWO.search(text):
        return None
    return f"the text does not name it: {text!r}"


def outcome(call, given):
    """Return the exception of a call, or its result; numpy's warnings count as exceptions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for category in (RuntimeWarning, np.exceptions.ComplexWarning, np.exceptions.VisibleDeprecationWarning):
            warnings.simplefilter("error", category)
        try:
            return call(**given)
        except Exception as error:
            return error
