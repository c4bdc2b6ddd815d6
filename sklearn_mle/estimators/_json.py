"""Fitted estimators as JSON: what was fitted, the coefficients and the curvature, in words that do not age.

Nothing of the text is executed, and no class but this library's own is made. A field that a later version adds has a
meaning where it is missing; a change that older readers would misread raises ``VERSION``.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import sklearn_mle.likelihoods as likelihoods_of_library
from sklearn_mle._curvature import Curvature
from sklearn_mle._fit import FitResult
from sklearn_mle._numerics.factors import InverseRootFactor
from sklearn_mle._penalties import Jeffreys, Ridge
from sklearn_mle._predictors import LinearPredictors, Terms, sum_to_zero_basis
from sklearn_mle._rank import Identification
from sklearn_mle._rows.columns import Columns
from sklearn_mle._solvers import Status
from sklearn_mle.estimators._state import publish
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.model import Fitted
from sklearn_mle.likelihoods import Likelihood, UserLikelihood

FORMAT, VERSION = "sklearn-mle estimator", 1
_LIKELIHOODS = {
    name: value
    for name, value in vars(likelihoods_of_library).items()
    if isinstance(value, type) and issubclass(value, Likelihood) and not issubclass(value, UserLikelihood)
}
_COLUMNS = ("shift", "scale", "constant", "noise", "spread", "largest")
_IDENTIFICATION = ("active", "dependent", "basis", "mean", "is_null_space")
_FACTS: dict[str, Callable[[Any], Any]] = {
    "gap": float,
    "log_likelihood": float,
    "n_obs": float,
    "n_iter": int,
    "n_passes": int,
    "n_parameters": int,
    "exists": bool,
}


def written(estimator: Any) -> str:
    """Return a fitted estimator as JSON."""
    model = estimator._fitted_model()
    kept = {**vars(model.retained), "n_iter": np.ravel(estimator.n_iter_)[0], "n_passes": estimator.n_passes_}
    names, j = getattr(estimator, "feature_names_in_", None), model.likelihood.dispersion_index
    dispersion = None
    if model.classes is None and j is not None and not model.terms[j].columns:
        dispersion = float(getattr(estimator, f"{model.likelihood.parameter_names[j]}_"))
    document = {
        "format": FORMAT,
        "version": VERSION,
        "estimator": type(estimator).__name__,
        "parameters": {name: _plain(value) for name, value in estimator.get_params(deep=False).items()},
        "likelihood": _plain(model.likelihood),
        "terms": [_of_terms(term) for term in model.terms],
        "prior": {"kind": "jeffreys" if model.bias_reduced else "ridge", "precisions": list(model.prior.precisions)},
        "class_weights": _plain(model.class_weights),
        "weight_type": model.weight_type,
        "n_offsets": model.n_offsets,
        "n_features": len(model.features),
        "features": None if names is None else [str(name) for name in names],
        "classes": None if model.classes is None else _plain(np.asarray(estimator.classes_)),
        "coefficients": _plain(model.coefficients),
        "dispersion": dispersion,
        "fit": {"status": estimator.status_.name, **{name: kind(kept[name]) for name, kind in _FACTS.items()}},
        "curvature": None if kept["curvature"] is None else _of_curvature(kept["curvature"]),
    }
    return json.dumps(_finite(document), allow_nan=False)


def read(kind: type, text: str) -> Any:
    """Return the fitted estimator, of this class, that was written."""
    try:
        document = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"text is not JSON: {error}. Pass the text that to_json returned.") from None
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise ValueError(f"text does not describe a fitted estimator of this library: its 'format' must be {FORMAT!r}.")
    if document.get("version") not in range(1, VERSION + 1):
        raise ValueError(
            f"text is of version {document.get('version')!r} of the schema, but this library reads versions up "
            f"to {VERSION}: upgrade it."
        )
    if document.get("estimator") != kind.__name__:
        raise ValueError(f"text holds a {document.get('estimator')!r}; read it with that class's from_json.")
    try:
        return _estimator(kind, document)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"text is damaged: {type(error).__name__} {error}. Write it again with to_json.") from error


def _estimator(kind: type, document: Mapping[str, Any]) -> Any:
    likelihood = _value(document["likelihood"])
    if not isinstance(likelihood, Likelihood):
        raise ValueError(f"text: likelihood must be one of {sorted(_LIKELIHOODS)}; got {likelihood!r}.")
    coefficients = np.asarray(_value(document["coefficients"]), dtype=np.float64)
    terms, p = tuple(map(_terms, document["terms"])), int(document["n_features"])
    if coefficients.shape != (len(terms), p + 1):
        raise ValueError(f"text: coefficients of shape {coefficients.shape}; ({len(terms)}, {p + 1}) is needed.")
    prior = document["prior"]
    fitted = Fitted(
        likelihood,
        terms,
        Jeffreys() if prior["kind"] == "jeffreys" else Ridge(tuple(map(float, prior["precisions"]))),
        _value(document["class_weights"]),
        document["weight_type"],
        int(document["n_offsets"]),
    )
    facts: dict[str, Any] = {name: kind(document["fit"][name]) for name, kind in _FACTS.items()}
    result = FitResult(
        coefficients,
        None if document["dispersion"] is None else float(document["dispersion"]),
        status=Status[document["fit"]["status"]],
        warnings=(),
        curvature=None if document["curvature"] is None else _curvature(document["curvature"], p),
        **facts,
    )
    estimator = kind(**{name: _value(value) for name, value in document["parameters"].items()})
    state: dict[str, Any] = {"n_features_in_": p}
    if document["features"] is not None:
        state["feature_names_in_"] = np.array([str(name) for name in document["features"]], dtype=object)
    if document["classes"] is not None:
        state["classes_"] = _value(document["classes"])
    state |= estimator._attributes(fitted, coefficients, result.dispersion)
    publish(estimator, {**state, **estimator._report(fitted, result)})
    return estimator


def _of_terms(term: Terms) -> dict[str, Any]:
    active = None if term.active is None else term.active.tolist()
    return {"columns": term.columns, "intercept": term.intercept, "active": active, "known": term.known}


def _terms(term: Mapping[str, Any]) -> Terms:
    active = None if term["active"] is None else np.asarray(term["active"], dtype=np.intp)
    known = None if term["known"] is None else float(term["known"])
    return Terms(bool(term["columns"]), bool(term["intercept"]), active, known)


def _of_curvature(curvature: Curvature) -> dict[str, Any]:
    """Return the covariance's root in theta, and how theta becomes coefficients."""
    predictors, factor = curvature.predictors, curvature.factor
    return {
        "root": _plain(factor.unwhiten(np.eye(factor.size))),
        "condition": factor.condition,
        "mean_weight": curvature.mean_weight,
        "terms": [_of_terms(term) for term in predictors.terms],
        "n_classes": None if predictors.contrast is None else len(predictors.contrast),
        "held": [[k, value] for k, value in predictors.held.items()],
        "columns": _of_record(curvature.columns, _COLUMNS),
        "identification": None
        if curvature.identification is None
        else [_of_record(one, _IDENTIFICATION) for one in curvature.identification],
        "divergent": _plain(curvature.divergent),
        "response_scale": None if curvature.response_scale is None else [float(s) for s in curvature.response_scale],
        "drift": curvature.drift,
    }


def _of_record(record: Any, names: Sequence[str]) -> dict[str, Any] | None:
    return None if record is None else {name: _plain(getattr(record, name)) for name in names}


def _curvature(kept: Mapping[str, Any], p: int) -> Curvature:
    n_classes = kept["n_classes"]
    predictors = LinearPredictors(
        p,
        [_terms(term) for term in kept["terms"]],
        None if n_classes is None else sum_to_zero_basis(int(n_classes)),
        {int(k): float(value) for k, value in kept["held"]},
    )
    root = np.asarray(_value(kept["root"]), dtype=np.float64).reshape(predictors.size, predictors.size)
    found = kept["identification"]
    return Curvature(
        InverseRootFactor(root, float(kept["condition"])),
        predictors,
        _record(Columns, kept["columns"], _COLUMNS),
        float(kept["mean_weight"]),
        None if found is None else [_record(Identification, one, _IDENTIFICATION) for one in found],
        _value(kept["divergent"]),
        None if kept["response_scale"] is None else [float(scale) for scale in kept["response_scale"]],
        float(kept["drift"]),
    )


def _record(kind: type, record: Mapping[str, Any] | None, names: Sequence[str]) -> Any:
    return None if record is None else kind(**{name: _value(record[name]) for name in names})


def _plain(value: Any) -> Any:
    """Return a value in the types of JSON: arrays, tuples, mappings and likelihoods under the name of their kind."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return _plain(value.item())
    if isinstance(value, np.ndarray) and (
        value.dtype.kind in "biufU" or all(isinstance(v, str) for v in value.ravel())
    ):
        return {"array": value.ravel().tolist(), "shape": list(value.shape), "dtype": value.dtype.str}
    if isinstance(value, tuple):
        return {"tuple": [_plain(entry) for entry in value]}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {"mapping": [[_plain(key), _plain(entry)] for key, entry in value.items()]}
    if isinstance(value, Likelihood) and _LIKELIHOODS.get(type(value).__name__) is type(value):
        parameters = {name: _plain(entry) for name, entry in value.get_params(deep=False).items()}
        return {"likelihood": type(value).__name__, "parameters": parameters}
    raise NotSupportedError(
        f"to_json cannot write a {type(value).__name__}: it writes numbers, strings, lists, mappings, arrays of "
        "these, and this library's likelihoods (your own are code). Use pickle or skops for files from a "
        "source that you trust."
    )


def _value(plain: Any) -> Any:
    """Return what ``_plain`` was given."""
    if isinstance(plain, list):
        return [_value(entry) for entry in plain]
    if not isinstance(plain, Mapping):
        return plain
    if "number" in plain:
        return float(plain["number"])
    if "array" in plain:
        dtype = np.dtype(plain["dtype"])
        if dtype.kind not in "biufUO":
            raise ValueError(f"text: arrays hold numbers or strings; got dtype {plain['dtype']!r}.")
        entries = [float(entry) for entry in plain["array"]] if dtype.kind == "f" else plain["array"]
        return np.array(entries, dtype=dtype).reshape(plain["shape"])
    if "tuple" in plain:
        return tuple(_value(entry) for entry in plain["tuple"])
    if "mapping" in plain:
        return {_value(key): _value(entry) for key, entry in plain["mapping"]}
    if plain.get("likelihood") in _LIKELIHOODS:
        kind = _LIKELIHOODS[plain["likelihood"]]
        return kind(**{name: _value(entry) for name, entry in plain["parameters"].items()})
    raise ValueError(f"text has entries that this version does not know: {sorted(plain)[:5]}.")


def _finite(value: Any) -> Any:
    """Return a document with the numbers that JSON lacks as texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    return [_finite(entry) for entry in value] if isinstance(value, list) else value
