"""The likelihoods at certified maxima: total log-likelihood, a vanishing gradient, standard errors from the Hessian."""

import json
from pathlib import Path

import numpy as np
import pytest

from sklearn_mle.likelihoods import Gamma, Laplace, NegativeBinomial, Poisson, StudentT

DATA = Path(__file__).parents[1] / "data" / "glm"
REFERENCE = json.loads((DATA / "reference.json").read_text())
LIKELIHOODS = {
    "poisson": Poisson(),
    "gamma_log": Gamma(),
    "negbin_log": NegativeBinomial(),
    "student_t4": StudentT(df=4),
    "laplace": Laplace(),
}


def certified(name):
    """The likelihood, y, X with the intercept first, the coefficients of the location and the second predictor."""
    kind, data = name.split("/")
    answer = REFERENCE[name]
    table = np.loadtxt(DATA / f"{data}.csv", delimiter=",", skiprows=1)
    y, X = table[:, 0], np.column_stack([np.ones(len(table)), table[:, 1:]])
    coef = [np.longdouble(text) for text in answer["coef_text"]]
    second = []
    if kind == "gamma_log":
        second = [np.log(np.longdouble(answer["shape_mle"]))]
    elif kind == "negbin_log":
        second, coef = [-coef[-1]], coef[:-1]  # log theta
    elif kind == "student_t4":
        second, coef = coef[-1:], coef[:-1]
    elif kind == "laplace":
        second = [np.log(np.longdouble(answer["scale_mle"]))]
    return answer, LIKELIHOODS[kind], y, X.astype(np.longdouble), np.array(coef), np.array(second, dtype=np.longdouble)


def predictors(X, coef, second):
    return np.stack([X @ coef, *(np.full(len(X), value) for value in second)])


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
def test_the_log_likelihood(name, dtype):
    answer, likelihood, y, X, coef, second = certified(name)
    eta = predictors(X, coef, second).astype(dtype)
    total, _ = likelihood.total_and_gradient(likelihood.check_target(y), eta, None)
    expected = float(answer["loglik_text"])
    assert -total == pytest.approx(expected, rel=2e-14, abs=1e-12 * len(y))


@pytest.mark.parametrize("name", [name for name in REFERENCE if not name.startswith("laplace")])
def test_the_gradient_vanishes_and_the_hessian_gives_the_standard_errors(name):
    answer, likelihood, y, X, coef, second = certified(name)
    eta = predictors(X, coef, second)
    gradient, hessian = likelihood.gradient(y, eta), likelihood.hessian(y, eta)
    columns = [X, np.ones((len(y), 1))][: len(eta)]
    score = np.concatenate([gradient[k] @ columns[k] for k in range(len(eta))])
    matrix = np.block(
        [[columns[j].T @ (hessian[j, k][:, None] * columns[k]) for k in range(len(eta))] for j in range(len(eta))]
    )
    # 80-bit numbers hold the certified coefficients to 1e-19; the gradient is the curvature times that.
    rounding = np.abs(matrix) @ np.abs(np.concatenate([coef, second])) * 1e-18 + 1e-13
    assert (np.abs(score) < 100 * rounding).all()
    if answer["se_kind"].startswith("se: observed"):
        matrix = matrix[:-1, :-1]  # at the shape's estimate; the shape's own is a number of its own
    deviations = np.sqrt(np.diag(np.linalg.inv(matrix.astype(float))))
    np.testing.assert_allclose(deviations[: len(answer["se"])], answer["se"], rtol=1e-7)


@pytest.mark.parametrize("name", [name for name in REFERENCE if "deviance" in REFERENCE[name]])
def test_the_deviance(name):
    answer, likelihood, y, X, coef, second = certified(name)
    deviance = likelihood.deviance(y, predictors(X, coef, second).astype(float)).sum()
    assert deviance == pytest.approx(answer["deviance"], rel=1e-12)
