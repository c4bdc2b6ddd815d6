"""JSON out and in: the same predictions and inference, to the last bit of what is stored, and nothing but data."""

import json

import numpy as np
import pandas as pd
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError, RankDeficiencyWarning, SeparationWarning
from sklearn_mle.inference import infer, mean_interval
from sklearn_mle.likelihoods import StudentT, UserLikelihood

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = RNG.gamma(3.0, np.exp(X[:, 0]))
LABELS = np.array(["low", "middle", "high"])[np.digitize(Y, [1.5, 4])]

MODELS = {
    "gaussian": (GaussianMLERegressor(), Y),
    "log-linear": (GaussianMLERegressor(scale="log_linear"), Y),
    "precision": (GaussianMLERegressor(weight_type="precision"), Y),
    "gamma": (MLERegressor("gamma"), Y),
    "student_t": (MLERegressor(StudentT(df=4.0)), Y),
    "known": (MLERegressor("gaussian", predictors={"scale": 2.0}), Y),
    "some columns": (MLERegressor("gamma", predictors={"shape": [0, 2]}), Y),
    "prior": (MLERegressor("gamma", alpha=2.0), Y),
    "two classes": (MLELogisticClassifier(), Y > 2),
    "classes": (MLELogisticClassifier(), LABELS),
    "firth": (MLELogisticClassifier(bias_reduction="firth"), Y > 2),
    "weights of classes": (MLELogisticClassifier(class_weight={"low": 2.0, "middle": 1.0, "high": 1.0}), LABELS),
    "median": (MLERegressor("laplace"), Y),
}


def again(model):
    return type(model).from_json(model.to_json())


@pytest.mark.parametrize("name", MODELS)
def test_predictions_and_inference_are_those_of_the_fit(name):
    model, y = MODELS[name]
    model.fit(X, y)
    read = again(model)
    assert repr(read) == repr(model)
    assert read.get_params() == model.get_params() or name == "student_t"
    np.testing.assert_array_equal(read.predict(X), model.predict(X))
    if hasattr(model, "predict_proba"):
        np.testing.assert_array_equal(read.predict_proba(X), model.predict_proba(X))
    else:
        for parameter, values in model.predict_parameters(X).items():
            np.testing.assert_array_equal(read.predict_parameters(X)[parameter], values)
    for attribute in ("log_likelihood_", "gap_", "n_iter_", "status_", "n_obs_", "df_model_", "df_resid_"):
        assert getattr(read, attribute) == getattr(model, attribute)
    if model._fitted.retained.curvature is None or name in ("prior", "weights of classes"):
        with pytest.raises(NotSupportedError):
            read.summary()
    else:
        # The root of the covariance is rounded once more on its way.
        np.testing.assert_allclose(read.parameter_covariance(), model.parameter_covariance(), rtol=1e-11, atol=1e-15)
        assert read.condition_number_ == model.condition_number_
        assert list(read.summary().header.items()) == list(model.summary().header.items())
    assert json.loads(model.to_json()) == json.loads(read.to_json()) | {
        "curvature": json.loads(model.to_json())["curvature"]
    }


def test_names_of_columns_and_inference_with_data():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = MLERegressor("gamma", predictors={"shape": ["b"]}).fit(frame, Y)
    read = again(model)
    assert list(read.feature_names_in_) == ["a", "b", "c"]
    wanted = infer(model, frame, Y, covariance="HC1")
    np.testing.assert_allclose(infer(read, frame, Y, covariance="HC1").covariance, wanted.covariance, rtol=1e-9)
    np.testing.assert_allclose(mean_interval(infer(read), frame), mean_interval(infer(model), frame), rtol=1e-9)


def test_what_the_data_do_not_determine_stays_so():
    dependent = np.column_stack([X, X[:, 0] + X[:, 1]])
    with pytest.warns(RankDeficiencyWarning):
        model = GaussianMLERegressor().fit(dependent, Y)
    np.testing.assert_allclose(again(model).standard_errors(), model.standard_errors(), rtol=1e-10)
    assert np.isnan(again(model).standard_errors()).any()
    with pytest.warns(SeparationWarning):
        separated = MLELogisticClassifier().fit(X, X[:, 0] > 0)
    np.testing.assert_allclose(again(separated).standard_errors(), separated.standard_errors(), rtol=1e-9)


def test_it_is_strict_json_of_a_stated_schema():
    text = MLERegressor("gamma").fit(X, Y).to_json()
    document = json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
    assert (document["format"], document["version"], document["estimator"]) == (
        "sklearn-mle estimator",
        1,
        "MLERegressor",
    )
    assert document["likelihood"] == {"likelihood": "Gamma", "parameters": {}}
    np.testing.assert_array_equal(
        np.reshape(document["coefficients"]["array"], document["coefficients"]["shape"])[0, :-1],
        MLERegressor("gamma").fit(X, Y).coef_,
    )


def test_a_text_of_the_first_version_is_read():
    """Written once, by the first release; later versions must read it."""
    text = json.dumps(
        {
            "format": "sklearn-mle estimator",
            "version": 1,
            "estimator": "MLERegressor",
            "parameters": {"likelihood": "poisson"},
            "likelihood": {"likelihood": "Poisson", "parameters": {}},
            "terms": [{"columns": True, "intercept": True, "active": None, "known": None}],
            "prior": {"kind": "ridge", "precisions": [0.0]},
            "class_weights": None,
            "weight_type": "frequency",
            "n_offsets": 0,
            "n_features": 1,
            "features": None,
            "classes": None,
            "coefficients": {"array": [0.5, 1.0], "shape": [1, 2], "dtype": "<f8"},
            "dispersion": None,
            "fit": {
                "status": "CONVERGED",
                "gap": 0.0,
                "log_likelihood": -10.0,
                "n_obs": 6.0,
                "n_parameters": 2,
                "exists": True,
                "n_iter": 3,
                "n_passes": 5,
            },
            "curvature": None,
        }
    )
    np.testing.assert_allclose(MLERegressor.from_json(text).predict([[2.0]]), np.exp([2.0]))


class Own(UserLikelihood):
    parameter_names = ("location",)
    links = ("identity",)

    def nll(self, y, eta):
        return 0.5 * (y - eta[0]) ** 2 + 0.5 * np.log(2 * np.pi)


def test_code_is_neither_written_nor_read():
    with pytest.raises(NotSupportedError, match="cannot write a Own"):
        MLERegressor(Own()).fit(X, Y).to_json()
    document = json.loads(MLERegressor("gamma").fit(X, Y).to_json())

    def read(**changes):
        return MLERegressor.from_json(json.dumps(document | changes))

    for changes, words in (
        ({"likelihood": {"likelihood": "os.system", "parameters": {}}}, "does not know"),
        ({"likelihood": {"array": ["x"], "shape": [1], "dtype": "|O"}}, "likelihood must be one of"),
        ({"coefficients": {"array": ["x"], "shape": [1], "dtype": "V8"}}, "arrays hold numbers or strings"),
        ({"coefficients": {"array": [1.0], "shape": [1, 1], "dtype": "<f8"}}, r"coefficients of shape \(1, 1\)"),
        ({"version": 2}, "reads versions up to 1"),
        ({"format": "other"}, "not describe a fitted estimator"),
        ({"estimator": "GaussianMLERegressor"}, "read it with that class's from_json"),
        ({"terms": [{}]}, "damaged"),
        ({"parameters": {"nonsense": 1}}, "damaged"),
    ):
        with pytest.raises(ValueError, match=words):
            read(**changes)
    with pytest.raises(ValueError, match="not JSON"):
        MLERegressor.from_json("{")
