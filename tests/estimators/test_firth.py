"""``bias_reduction="firth"``: 50-digit references, weights as repeats, invariances, and what it is refused with."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.exceptions import RankDeficiencyWarning

REFERENCES = json.loads((Path(__file__).parents[1] / "data" / "firth" / "references.json").read_text())


def firth(**parameters):
    return MLELogisticClassifier(bias_reduction="firth", **parameters)


def separated(n=60, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, (X[:, 0] > 0).astype(int)


def overlapping(n_classes, n=300, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 3))
    logits = X @ generator.normal(size=(3, n_classes))
    return X, (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_fifty_digit_references(name, form):
    case = REFERENCES[name]
    X, offset = form(case["X"]), np.array(case["offset"])
    n_classes = offset.shape[1]
    given = offset[:, 1] - offset[:, 0] if n_classes == 2 else offset
    model = firth().fit(X, case["y"], sample_weight=case["weight"], offset=given)
    expected = np.array(case["coefficients"], dtype=float).reshape(n_classes - 1, -1)
    found = np.column_stack([model.coef_, model.intercept_])
    if n_classes > 2:
        found = found[1:] - found[0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert model.gap_ <= 1e-8


def adjusted_score(model, X, y, weight=None):
    """The gradient of loglik + log det / 2 in differences from class 0, by its definition: leverages, no library."""
    X = np.column_stack([X, np.ones(len(X))])
    weight = np.ones(len(X)) if weight is None else weight
    p = model.predict_proba(X[:, :-1])[:, 1:]
    k = p.shape[1]
    size = k * X.shape[1]
    W = weight[:, None, None] * (np.eye(k) * p[:, :, None] - p[:, :, None] * p[:, None, :])
    information = np.einsum("njk,na,nb->jakb", W, X, X).reshape(size, size)
    Q = np.einsum("na,jakb,nb->njk", X, np.linalg.inv(information).reshape(k, X.shape[1], k, X.shape[1]), X)
    eye = np.eye(k)
    third = (
        np.einsum("nj,jk,kl->njkl", p, eye, eye)
        - np.einsum("jk,nj,nl->njkl", eye, p, p)
        - np.einsum("jl,nj,nk->njkl", eye, p, p)
        - np.einsum("kl,nk,nj->njkl", eye, p, p)
        + 2 * np.einsum("nj,nk,nl->njkl", p, p, p)
    )
    codes = np.searchsorted(model.classes_, y)
    residual = (codes[:, None] == np.arange(1, k + 1)) - p + 0.5 * np.einsum("njk,njkl->nl", Q, third)
    return (weight[:, None] * residual).T @ X


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_the_adjusted_score_is_zero(n_classes):
    X, y = overlapping(n_classes)
    weight = np.random.default_rng(5).integers(1, 4, len(y)).astype(float)
    model = firth().fit(X, y, sample_weight=weight)
    assert np.abs(adjusted_score(model, X, y, weight)).max() < 1e-7


def test_the_adjusted_score_is_zero_where_classes_are_separated():
    X, _ = overlapping(3)
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    assert np.abs(adjusted_score(firth().fit(X, y), X, y)).max() < 1e-7


def test_the_order_of_the_classes_changes_nothing():
    X, y = overlapping(4)
    order = np.array([2, 0, 3, 1])
    model, other = firth().fit(X, y), firth().fit(X, order[y])
    np.testing.assert_allclose(other.coef_[order], model.coef_, atol=1e-7)


def test_units_and_origins_of_the_columns_change_nothing():
    X, y = separated()
    model = firth().fit(X, y)
    other = firth().fit(X * [1e-3, 1.0, 1e5] + [0.0, 7.0, 1e5], y)
    np.testing.assert_allclose(other.coef_ * [1e-3, 1.0, 1e5], model.coef_, rtol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_are_repeats_and_zero_is_absence(n_classes):
    X, y = overlapping(n_classes, n=80)
    weight = np.random.default_rng(2).integers(0, 4, len(y))
    weighted = firth().fit(X, y, sample_weight=weight)
    repeated = firth().fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-8)
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-10)


def test_two_soft_rows_are_two_weighted_rows():
    X, y = overlapping(2, n=50)
    soft = np.full((50, 2), 0.25) + 0.5 * np.eye(2)[y]
    weight = np.tile([0.25, 0.75], 50)
    labels = np.column_stack([1 - y, y]).ravel()
    model = firth().fit(X, soft)
    # The information counts a row once, whether its label is one or several.
    other = firth().fit(np.repeat(X, 2, axis=0), labels, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-8)


def test_without_an_intercept():
    X, y = overlapping(2)
    model = firth(fit_intercept=False).fit(X, y)
    eta = X @ model.coef_[0]
    p = 1 / (1 + np.exp(-eta))
    information = X.T @ (X * (p * (1 - p))[:, None])
    leverage = np.einsum("na,ab,nb->n", X, np.linalg.inv(information), X) * p * (1 - p)
    assert np.abs(X.T @ (y - p + leverage * (0.5 - p))).max() < 1e-7
    assert model.intercept_ == 0


def test_dependent_columns_get_the_minimum_norm():
    X, y = overlapping(2)
    with pytest.warns(RankDeficiencyWarning):
        model = firth().fit(np.column_stack([X, X[:, 0]]), y)
    single = firth().fit(X, y)
    np.testing.assert_allclose(model.coef_[0, [0, 3]], single.coef_[0, 0] / 2, rtol=1e-7)


def test_many_rows_start_from_a_sample_and_end_at_the_same_place():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40_000, 30))
    y = (generator.random(40_000) < 1 / (1 + np.exp(2 - X[:, 0]))).astype(int)
    model = firth().fit(X, y)
    p = model.predict_proba(X)[:, 1]
    augmented = np.column_stack([X, np.ones(len(X))])
    root = augmented * np.sqrt(p * (1 - p))[:, None]
    leverage = np.square(np.linalg.qr(root)[0]).sum(axis=1)
    score = augmented.T @ (y - p + leverage * (0.5 - p))
    assert np.abs(score).max() < 1e-5  # a millionth of a standard error of the score, about 60
    assert model.gap_ <= 1e-8


def test_separated_classes_raise_no_alarm_and_stay_finite():
    X, y = separated()
    model = firth().fit(X, y)
    assert np.abs(model.coef_).max() < 100
    assert model.log_likelihood_ < 0


def test_a_prior_beside_it_is_refused():
    with pytest.raises(ValueError, match="C must be inf"):
        firth(C=1.0).fit(*separated())


def test_standard_errors_are_those_of_the_information():
    X, y = separated()
    model = firth().fit(X, y)
    p = model.predict_proba(X)[:, 1]
    augmented = np.column_stack([X, np.ones(len(X))])
    information = augmented.T @ (augmented * (p * (1 - p))[:, None])
    expected = np.sqrt(np.linalg.inv(information).diagonal())
    curvature = fit_result(X, y).curvature
    np.testing.assert_allclose(np.sqrt(curvature.covariance().diagonal()), expected, rtol=1e-8)


def fit_result(X, y):
    from sklearn_mle._fit import FitOptions, fit
    from sklearn_mle._penalties import Jeffreys
    from sklearn_mle.likelihoods import Bernoulli

    return fit(Bernoulli(), X, y.astype(float), options=FitOptions(prior=Jeffreys()))
