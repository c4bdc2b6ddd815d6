"""Stated cases of classification: one row a case."""

import math

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.exceptions import RankDeficiencyWarning, SeparationWarning
from tests.hard_inputs.matrix.case import Case, Either, Refuses, Right, Warns
from tests.hard_inputs.matrix.references import glm

rng = np.random.default_rng(1)
N = 32
Z = np.round(rng.standard_normal((N, 2)) * 64) / 64
Y = (Z @ [1.0, -0.7] + rng.logistic(size=N) > 0).astype(int)
YEAR = np.column_stack([2000 + np.arange(N) % 3 - 1.0, Z[:, 1]])
NEAR = np.column_stack([Z[:, 0], Z[:, 0] + 1e-7 * Z[:, 1]])
TINY_AND_HUGE = Z * [1e-300, 1e300]
DECADES = 10.0 ** rng.uniform(-10, 10, N)
SPARSE = np.where(np.abs(Z) > 0.6, Z, 0.0)
# A dummy that is 1 in rows of class 1 alone: its coefficient diverges, the others are those of the rows without it.
ONLY_ONES = ((np.arange(N) % 4 == 0) & (Y == 1)).astype(float)
# Two groups, three classes; rows of group 1 last. The MLE is the logarithm of the frequencies.
GROUP, THREE = np.repeat([0.0, 1.0], [10, 12]), np.repeat([0, 1, 2, 0, 1, 2], [2, 3, 5, 6, 2, 4])


def fitted(X, y, sample_weight=None, offset=None, **params):
    return MLELogisticClassifier(**params).fit(X, y, sample_weight=sample_weight, offset=offset)


def told(model):
    """Coefficients, then the intercept."""
    return np.append(model.coef_, model.intercept_)


def logit(X, y, sample_weight=None, offset=None, **params):
    return told(fitted(X, y, sample_weight, offset, **params))


def truth(X, y=Y, **given):
    return lambda: glm("logit", X, y, **given)


def classes_and_coefficients(y, X=Z):
    model = fitted(X, y)
    return [*model.classes_.tolist(), *told(model)]


def with_labels(low, high):
    return lambda: [low, high, *glm("logit", Z, Y)]


def rare(events, n):
    """Events in the second half of a dummy's rows and as many, less one, in the first: logits of frequencies."""
    x = np.repeat([0.0, 1.0], n // 2)
    y = np.zeros(n, int)
    y[: events - 1] = 1
    y[-events:] = 1
    return logit(x[:, None], y)


def rare_truth(events, n):
    low, high = (math.log(k / (n / 2 - k)) for k in (events - 1, events))
    return [high - low, low]


def stored_twice():
    """The same sparse matrix by rows, each entry in two halves, zeros among them."""
    halves = np.tile(SPARSE / 2, 2)
    return sp.csr_array((halves.ravel(), np.tile([0, 1], 2 * N), np.arange(0, 4 * N + 1, 4)), shape=SPARSE.shape)


def int64_indices():
    matrix = sp.csr_array(SPARSE)
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return matrix


def unsorted():
    return sp.csr_array((SPARSE[:, ::-1].ravel(), np.tile([1, 0], N), np.arange(0, 2 * N + 1, 2)), shape=SPARSE.shape)


def read_only():
    X = Z.copy()
    X.setflags(write=False)
    return X


def log_frequencies():
    counts = np.array([np.bincount(THREE[g == GROUP], minlength=3) for g in (0, 1)])
    logs = np.log(counts)
    centred = logs - logs.mean(axis=1, keepdims=True)
    return np.append(centred[1] - centred[0], centred[0])


def firth_of_a_table():
    """Jeffreys' prior of a 2 x 2 table adds one half to each cell; here one cell is empty."""
    x = np.repeat([0.0, 1.0], [8, 7])[:, None]
    y = np.repeat([0, 1, 0, 1], [8, 0, 3, 4])
    return logit(x, y, bias_reduction="firth")


def frame(**columns):
    return pd.DataFrame({"a": Z[:, 0], "b": Z[:, 1], **columns})


CASES = [
    Case("a year column, 2000 +- 1", lambda: logit(YEAR, Y), Right(truth(YEAR), 1e-9)),
    Case("columns of 1e-300 and 1e300", lambda: logit(TINY_AND_HUGE, Y), Right(truth(TINY_AND_HUGE), 1e-11)),
    Case("two columns that differ by 1e-7", lambda: logit(NEAR, Y), Right(truth(NEAR), 1e-7)),
    Case("three events in 200,000 rows", lambda: rare(2, 200_000), Right(lambda: rare_truth(2, 200_000), 1e-9)),
    Case("float32 is what it holds", lambda: logit(YEAR.astype("f4"), Y), Right(truth(YEAR.astype("f4")), 1e-9)),
    Case("float16, too", lambda: logit(Z.astype("f2"), Y), Right(truth(Z.astype("f2")))),
    Case("weights over twenty decades", lambda: logit(Z, Y, DECADES), Right(truth(Z, weight=DECADES), 1e-8)),
    Case("weights of 1e-300", lambda: logit(Z, Y, np.full(N, 1e-300)), Right(truth(Z))),
    Case("offsets of 1e3", lambda: logit(Z, Y, offset=1e3 + Z[:, 0]), Right(truth(Z, offset=1e3 + Z[:, 0]), 1e-9)),
    Case("soft labels", lambda: logit(Z, np.column_stack([1 - Y / 4, Y / 4])), Right(truth(Z, Y / 4))),
    Case(
        "soft labels, weighted, some certain",
        lambda: logit(Z, np.eye(2)[Y] * 0.5 + 0.5 * np.eye(2)[Y[::-1]], np.arange(N)),
        Right(truth(Z, (Y + Y[::-1]) / 2, weight=np.arange(N))),
    ),
    Case("C = 1", lambda: logit(Z, Y, C=1.0), Right(truth(Z, ridge=1.0))),
    Case("C = 1e-12", lambda: logit(Z, Y, C=1e-12), Right(truth(Z, ridge=1e12), 1e-9)),
    Case("three classes in two groups", lambda: logit(GROUP[:, None], THREE), Right(log_frequencies)),
    Case(
        "Firth with an empty cell",
        firth_of_a_table,
        Right(lambda: [math.log(4.5 / 3.5) - math.log(0.5 / 8.5), math.log(0.5 / 8.5)], 1e-7),
    ),
    Case(
        "int8 labels at both ends",
        lambda: classes_and_coefficients(np.where(Y, 127, -128).astype(np.int8)),
        Right(with_labels(-128, 127)),
    ),
    Case("bool labels", lambda: classes_and_coefficients(Y == 1), Right(with_labels(False, True))),
    Case(
        "str labels in objects",
        lambda: classes_and_coefficients(np.array(["n", "y"], object)[Y]),
        Right(with_labels("n", "y")),
    ),
    Case("np.str_ labels", lambda: classes_and_coefficients(np.array(["n", "y"])[Y]), Right(with_labels("n", "y"))),
    Case(
        "uint64 labels beyond int64",
        lambda: classes_and_coefficients(np.where(Y, np.uint64(2**64 - 1), np.uint64(2**63))),
        Right(with_labels(2**63, 2**64 - 1)),
    ),
    Case(
        "a categorical with an unused level",
        lambda: classes_and_coefficients(pd.Series(pd.Categorical(np.array(["n", "y"])[Y], ["n", "unused", "y"]))),
        Right(with_labels("n", "y")),
    ),
    Case("nullable labels", lambda: classes_and_coefficients(pd.Series(Y, dtype="Int64")), Right(with_labels(0, 1))),
    Case("nullable labels with NA", lambda: logit(Z, pd.Series(Y, dtype="Int64").where(Y == 1)), Refuses(r"\by\b")),
    Case("labels None and str", lambda: logit(Z, np.array([None, "y"], object)[Y]), Refuses(r"\by\b.*label")),
    Case("continuous labels", lambda: logit(Z, Z[:, 0]), Refuses(r"(?i)label|\by\b")),
    Case("one class", lambda: logit(Z, np.ones(N)), Refuses("class")),
    Case("one row", lambda: logit(Z[:1], Y[:1]), Refuses("class|sample")),
    Case(
        "nullable integers with NA in X",
        lambda: logit(frame(c=pd.Series([1, None] * 16, dtype="Int64")), Y),
        Refuses(r"\bX\b.*NaN"),
    ),
    Case("timestamps in X", lambda: logit(frame(when=pd.Timestamp("2020-01-01")), Y), Refuses(r"\bX\b")),
    Case("infinity in X", lambda: logit(np.where(Z[3, 0] == Z, np.inf, Z), Y), Refuses(r"\bX\b.*infinity")),
    Case("words in X", lambda: logit(frame(word="hi"), Y), Refuses(r"\bX\b.*could not convert")),
    Case(
        "duplicate column names",
        lambda: logit(frame().set_axis(["a", "a"], axis=1), Y),
        Either(Right(truth(Z)), Refuses("X.*unique column names")),
    ),
    Case("a polars frame", lambda: logit(pl.DataFrame({"a": Z[:, 0], "b": Z[:, 1]}), Y), Right(truth(Z))),
    Case("sparse: stored zeros, duplicates", lambda: logit(stored_twice(), Y), Right(truth(SPARSE))),
    Case("sparse: indices of 64 bits", lambda: logit(int64_indices(), Y), Right(truth(SPARSE))),
    Case("sparse: unsorted rows", lambda: logit(unsorted(), Y), Right(truth(SPARSE))),
    Case("sparse: by columns, float32", lambda: logit(sp.csc_matrix(SPARSE, dtype="f4"), Y), Right(truth(SPARSE))),
    Case("read-only memory", lambda: logit(read_only(), Y), Right(truth(Z))),
    Case(
        "columns first, every other one",
        lambda: logit(np.asfortranarray(np.repeat(Z, 2, axis=1))[:, ::2], Y),
        Right(truth(Z)),
    ),
    Case("rows backwards", lambda: logit(Z[::-1], Y[::-1]), Right(truth(Z))),
    Case("big-endian numbers", lambda: logit(Z.astype(">f8"), Y), Right(truth(Z))),
    Case(
        "separated in one dummy",
        lambda: logit(frame(only_ones=ONLY_ONES), Y)[[0, 1, 3]],
        Warns(SeparationWarning, "only_ones", truth(Z[ONLY_ONES == 0], Y[ONLY_ONES == 0]), 1e-3),
    ),
    Case(
        "separated throughout",
        lambda: logit(Y[:, None] - 0.5, Y).size,
        Warns(SeparationWarning, "complete separation", lambda: [2]),
    ),
    Case(
        "no more rows than columns",
        lambda: logit(rng.standard_normal((8, 20)), np.arange(8) % 2).size,
        Warns(SeparationWarning, "no finite maximum", lambda: 21),
    ),
    Case(
        "an all-zero column",
        lambda: logit(frame(zero=0.0), Y)[[0, 1, 3]],
        Warns(RankDeficiencyWarning, "zero", truth(Z)),
    ),
    Case(
        "a constant column",
        lambda: logit(frame(always=7.0), Y),
        Warns(RankDeficiencyWarning, "always", lambda: np.insert(glm("logit", Z, Y), 2, 0.0)),
    ),
    Case(
        "a column twice",
        lambda: logit(Z[:, [0, 1, 0]], Y),
        Warns(
            RankDeficiencyWarning,
            "column [02]\\b",
            lambda: np.array(glm("logit", Z, Y))[[0, 1, 0, 2]] * [0.5, 1, 0.5, 1],
        ),
    ),
    Case(
        "a class of weight zero",
        lambda: np.diff(
            fitted(Z, np.where(np.arange(N) < 3, 2, Y), (np.arange(N) >= 3) * 1.0).decision_function(Z)[:, :2]
        ),
        Warns(
            SeparationWarning,
            "class 2: every row has weight zero",
            lambda: Z @ glm("logit", Z[3:], Y[3:])[:2] + glm("logit", Z[3:], Y[3:])[2],
        ),
    ),
    Case("weights that are all zero", lambda: logit(Z, Y, np.zeros(N)), Refuses("sample_weight is zero on every row")),
    Case(
        "a negative weight",
        lambda: logit(Z, Y, np.where(np.arange(N) == 5, -1.0, 1.0)),
        Refuses("sample_weight.*row 5"),
    ),
    Case(
        "rows of weight zero hold anything finite",
        lambda: logit(np.where(np.arange(N)[:, None] < 5, 1e200, Z), Y, (np.arange(N) >= 5) * 1.0),
        Right(truth(Z[5:], Y[5:])),
    ),
    Case(
        "rows of probabilities that sum to two",
        lambda: logit(Z, np.ones((N, 2))),
        Refuses(r"\by\b.*rows must sum to 1"),
    ),
    Case("an offset of another length", lambda: logit(Z, Y, offset=np.zeros(3)), Refuses("offset must have shape")),
    Case("an offset of nan", lambda: logit(Z, Y, offset=np.full(N, np.nan)), Refuses("offset.*NaN")),
    Case(
        "predicting without the offset of the fit", lambda: fitted(Z, Y, offset=Z[:, 0]).predict(Z), Refuses("offset")
    ),
    Case(
        "predicting other columns",
        lambda: fitted(frame(), Y).predict(frame().rename(columns={"a": "c"})),
        Refuses("feature names"),
    ),
]
