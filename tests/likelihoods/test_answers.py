"""What users' likelihoods answer: wrong shapes, nan, kinks and names that are taken are said, not fitted."""

import re

import numpy as np
import pandas as pd
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.likelihoods import StudentT, UserLikelihood, check_likelihood, likelihood_names
from sklearn_mle.likelihoods._answers import RESERVED, kinks


class Normal(UserLikelihood):
    """The Gaussian as a user writes it."""

    parameter_names = ("location", "scale")
    links = ("identity", "log")

    def nll(self, y, eta):
        location, log_scale = eta
        return 0.5 * np.log(2 * np.pi) + log_scale + 0.5 * ((y - location) * np.exp(-log_scale)) ** 2


class Cornered(UserLikelihood):
    """Laplace's, its kink not declared."""

    parameter_names = ("location", "scale")
    links = ("identity", "log")

    def nll(self, y, eta):
        return np.log(2) + eta[1] + np.abs(y - eta[0]) * np.exp(-eta[1])


class Hinged(Normal):
    """A Gaussian whose log scale has a corner at 1, a hundredth of a nat steep."""

    def nll(self, y, eta):
        return super().nll(y, eta) + 0.01 * np.maximum(eta[1] - 1, 0)


class Rounded(Cornered):
    """Laplace's with a corner rounded off within a tenth: smooth, though it bends ten times as fast as a Gaussian's."""

    def nll(self, y, eta):
        return np.log(2) + eta[1] + np.sqrt((y - eta[0]) ** 2 + 0.01) * np.exp(-eta[1])


def test_kinks_are_found():
    with pytest.raises(ValueError, match=r"nll has a kink in location: at y = .* its slope jumps by") as raised:
        check_likelihood(Cornered())
    # At the start the log scale is from 0 to 1/4 and the slope jumps by 2 exp(-log_scale); a step sees half or more.
    assert 0.5 * 2 * np.exp(-0.25) < float(re.search(r"jumps by (\S+) ", str(raised.value))[1]) <= 2
    y, eta = np.array([0.3, -1.0, 2.0]), np.zeros((2, 3))
    with np.errstate(over="ignore", invalid="ignore"):  # of scales far out
        assert list(kinks(Normal(), 1e4 * y, 1e4 * eta)) == []
    assert [text[:24] for text in kinks(Hinged(), y, eta)] == ["nll has a kink in log_sc"]
    assert list(kinks(Rounded(), y, eta)) == []


def wrong(method, answer):
    """A Gaussian one of whose methods answers wrongly."""

    def wrongly(self, y, eta):
        return answer(y, eta)

    return type("Wrong", (Normal,), {method: wrongly, "__module__": __name__})()


@pytest.mark.parametrize(
    ("likelihood", "message"),
    [
        (wrong("nll", lambda y, eta: np.sum(y)), r"Wrong.nll must return one number per row.*\(30,\); .*shape \(\)"),
        (
            wrong("nll", lambda y, eta: np.ones((1, len(y)))),
            r"Wrong.nll must return .*\(30,\); it returned shape \(1, 30",
        ),
        (wrong("nll", lambda y, eta: np.where(y > 2, np.nan, y)), r"Wrong.nll is nan for row 7, y = 2.5, eta = \["),
        (
            wrong("gradient", lambda y, eta: eta[0]),
            r"Wrong.gradient must return shape \(2, n\).*returned shape \(30,\)",
        ),
        (wrong("gradient", lambda y, eta: 0.0), r"Wrong.gradient must return shape \(2, n\).*returned shape \(\)"),
        (wrong("gradient", lambda y, eta: np.where(y > 2, np.nan, eta)), r"Wrong.gradient is nan for row 7, y = 2.5"),
        (wrong("hessian", lambda y, eta: np.ones((2, len(y)))), r"Wrong.hessian must return shape \(2, 2, n\)"),
        (wrong("hessian", lambda y, eta: np.full((2, 2, len(y)), np.nan)), r"Wrong.hessian is nan for row 0"),
        (wrong("start", lambda y, weight: np.zeros(3)), r"Wrong.start must return one number per linear predictor"),
    ],
)
def test_a_fit_names_the_method_and_the_row(likelihood, message):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 1)), rng.uniform(-1, 1, 30)
    y[7] = 2.5
    with pytest.raises(ValueError, match=message):
        MLERegressor(likelihood).fit(X, y)


@pytest.mark.parametrize("name", ["coef", "intercept", "status", "gap", "n_obs", "scale_coef"])
def test_names_that_a_fitted_model_needs_are_refused(name):
    class Named(Normal):
        parameter_names = ("location", name)

    X, y = np.arange(6.0)[:, None], np.array([1.0, 3, 2, 5, 4, 6])
    with pytest.raises(
        ValueError, match=f"Named.parameter_names holds '{name}', but a fitted model has {name}_ of its"
    ):
        MLERegressor(Named()).fit(X, y)
    with pytest.raises(ValueError, match=f"parameter_names holds '{name}', but a fitted model has {name}_ of its own"):
        check_likelihood(Named())


def test_names_that_are_no_attributes_are_refused():
    class Named(Normal):
        parameter_names = ("location", "log scale")

    with pytest.raises(ValueError, match="holds 'log scale', of which no attribute log scale_ can be made"):
        check_likelihood(Named())


def test_a_dispersion_parameter_that_is_none_of_the_parameters_or_has_no_logarithm_is_refused():
    class Named(Normal):
        dispersion_parameter = "shape"

    with pytest.raises(ValueError, match="dispersion_parameter is 'shape', which must be one of parameter_"):
        MLERegressor(Named()).fit([[0.0], [1.0]], [0.0, 1.0])
    Named.dispersion_parameter, Named.links = "scale", ("identity", "identity")
    with pytest.raises(ValueError, match="'scale', .* with the link 'log'; the parameters are"):
        check_likelihood(Named())
    Named.links = ("identity", "cauchit")
    with pytest.raises(ValueError, match="links must be a tuple of 2, one per parameter, of "):
        check_likelihood(Named())


def test_all_that_fits_publish_is_reserved():
    """Of every likelihood, and of classes: what it publishes under no predictor's name is none of a user's."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 2)), rng.uniform(0.1, 0.9, 40)
    frame = pd.DataFrame(X, columns=["a", "b"])
    fits = [MLELogisticClassifier().fit(frame, y > 0.5), GaussianMLERegressor(scale="log_linear").fit(frame, y)]
    fits += [MLERegressor(name).fit(frame, y) for name in likelihood_names()]
    fits.append(MLERegressor(StudentT(df=None)).fit(frame, y))
    for model in fits:
        names = {name[:-1] for name in vars(model) if name.endswith("_") and not name.startswith("_")}
        likelihood = model._fitted.likelihood
        own = {*likelihood.predictor_names, *likelihood.parameter_names, "scale"}
        assert names - own <= RESERVED, type(model).__name__
