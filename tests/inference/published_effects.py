"""Four published data sets, pipelines from their columns to a model, and reference values of effects.

The values are those of independent code with 100 digits, which R's analytic delta method and marginaleffects confirm:
see tests/data/README.md.
"""

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, SplineTransformer

from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import RankDeficiencyWarning
from sklearn_mle.inference import infer

FOLDER = Path(__file__).parents[1] / "data" / "effects"
REFERENCE = json.loads((FOLDER / "reference.json").read_text())
WOMEN = ["children", "hincome"]
KNOTS = np.array([[0.5], [2.5], [3.5], [5.0]])
# The levels of factors, the reference first.
LEVELS: dict[str, list[Any]] = {
    "race": ["white", "black", "other"],
    "smoke": ["no", "yes"],
    "fem": ["Men", "Women"],
    "mar": ["Single", "Married"],
    "Month": [5, 6, 7, 8, 9],
    "children": ["absent", "present"],
    "region": ["Atlantic", "BC", "Ontario", "Prairie", "Quebec"],
}


def dummies(*names: str) -> OneHotEncoder:
    """Return columns of a factor's levels but the first."""
    return OneHotEncoder(categories=[LEVELS[name] for name in names], drop="first", sparse_output=False)


def interactions() -> PolynomialFeatures:
    """Return columns and the products of any two."""
    return PolynomialFeatures(2, interaction_only=True, include_bias=False)


def beside(*steps: Any) -> Any:
    """Return transformers of columns, beside each other."""
    return make_column_transformer(*steps)


PIPELINES = {
    # Products of two levels of one factor are zero: a column that depends on the others.
    "birthwt": lambda: beside(
        (PolynomialFeatures(2, include_bias=False), ["age"]),
        ("passthrough", ["lwt", "ht"]),
        (make_pipeline(dummies("race", "smoke"), interactions()), ["race", "smoke"]),
    ),
    "biochemists": lambda: beside(
        (make_pipeline(beside((dummies("fem"), [0]), ("passthrough", [1])), interactions()), ["fem", "ment"]),
        (dummies("mar"), ["mar"]),
        ("passthrough", ["kid5"]),
        (SplineTransformer(knots=KNOTS, degree=3, include_bias=False), ["phd"]),
    ),
    "airquality": lambda: beside(
        (interactions(), ["Wind", "Temp"]),
        (FunctionTransformer(np.square), ["Temp"]),
        (dummies("Month"), ["Month"]),
    ),
    "womenlf": lambda: beside(
        (
            make_pipeline(beside((dummies("children"), [1]), ("passthrough", [0])), interactions()),
            ["hincome", "children"],
        ),
        (FunctionTransformer(np.square), ["hincome"]),
        (dummies("region"), ["region"]),
    ),
}
MODELS = {
    "birthwt": ("logistic/birthwt", "low", lambda: MLELogisticClassifier()),
    "biochemists": ("poisson/biochemists", "art", lambda: MLERegressor("poisson")),
    "airquality": ("gamma/airquality", "Ozone", lambda: MLERegressor("gamma")),
    "womenlf": ("multinomial/womenlf", "partic", lambda: MLELogisticClassifier()),
}
CLUSTERS = {"birthwt": "cl", "biochemists": "phd", "airquality": "Month"}


@cache
def frame(name: str) -> tuple[pd.DataFrame, Any, Any]:
    """Return the columns with factors as categories, y, and the clusters if there are any."""
    data = pd.read_csv(FOLDER / f"{name}.csv")
    clusters = data[CLUSTERS[name]] if name in CLUSTERS else None
    y = data.pop(MODELS[name][1])
    for column in data.columns.intersection(list(LEVELS)):
        data[column] = pd.Categorical(data[column], LEVELS[column])
    return data.drop(columns="cl", errors="ignore"), y, clusters


@cache
def fitted(name: str) -> Any:
    """Return the fitted pipeline."""
    X, y, _ = frame(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficiencyWarning)
        return make_pipeline(PIPELINES[name](), MODELS[name][2]()).fit(X, y)


@cache
def inference(name: str, kind: str) -> Any:
    """Return the inference with a covariance by its name in the reference."""
    X, y, clusters = frame(name)
    options = {
        "model": {"dispersion": "pearson"} if name == "airquality" else {},
        "expected_ml_shape": {"covariance": "expected"},
        "hessian_ml_shape": {"covariance": "hessian"},
        "HC0": {"covariance": "HC0", "bread": "expected"},
        "HC3": {"covariance": "HC3", "bread": "expected"},
        "HC0_observed_bread": {"covariance": "HC0"},
        "cluster": {"covariance": "cluster", "bread": "expected", "groups": clusters, "small_sample": False},
        "cluster_observed_bread": {"covariance": "cluster", "groups": clusters, "small_sample": False},
    }[kind]
    return infer(fitted(name), X, y, **options)


def errors_of(name: str, kind: str, entries: list[dict[str, Any]]) -> np.ndarray:
    """Return the reference's standard errors; clusters without their factor G / (G - 1), which it has alone."""
    errors = np.array([entry["se"][kind] for entry in entries])
    if not kind.startswith("cluster"):
        return errors
    n_groups = frame(name)[2].nunique()
    return errors * np.sqrt((n_groups - 1) / n_groups)
