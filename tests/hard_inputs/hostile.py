"""Values that nobody should pass, for every kind of argument; and what is wrong with the answer to one."""

import datetime
import decimal
import re
import warnings

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import MLELogisticClassifier


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
        "not a time": np.full(good.shape, np.datetime64("NaT", "D")),
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


def hostile_estimators():
    """What may stand where a fitted estimator should."""
    return {
        "unfitted": MLELogisticClassifier(),
        "an unfitted pipeline": make_pipeline(StandardScaler(), MLELogisticClassifier()),
        "a class": MLELogisticClassifier,
        "of another kind": KMeans(n_clusters=2, n_init=1).fit(np.eye(12)[:, :2]),
        "a transformed target": TransformedTargetRegressor(),
        "a mapping of classes": {"a": MLELogisticClassifier},
        "a mapping of numbers": {"a": 1.0},
        "a list of pairs": [("a", 1)],
    }


# What is said of two arguments that do not fit each other: any of them may be at fault.
OF_TWO = re.compile(
    r"inconsistent numbers of samples|must have shape|describe the same rows|one distribution per row|Unknown label"
)


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
