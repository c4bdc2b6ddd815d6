"""Two models of the same data, one within the other: likelihood ratio, score and Wald tests."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy import stats
from sklearn.utils import check_array

from sklearn_mle._hessian_factors import information_factor
from sklearn_mle._numerics.arguments import argument_name, as_bool, refuse_masked
from sklearn_mle._numerics.factors import NotPositiveDefiniteError
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._predictors import Terms
from sklearn_mle.inference.at_estimate import AtEstimate, at_estimate, read_training
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.hypotheses import SHORT, HypothesisTest, chi_squared_test, likelihood_ratio_of
from sklearn_mle.inference.penalized_ratio import penalized_ratio
from sklearn_mle.inference.reading import read_estimator
from sklearn_mle.inference.tables import dense

# A statistic up to this size is the rounding of two fits: the larger model's estimate is at the boundary, where half of
# the distribution lies.
_NOTHING = 1e-6
# All rows are compared if both designs have at most so many entries. Otherwise several times as many rows as columns
# are: two spaces that differ do so on nearly all such rows.
_ENTRIES, _ENOUGH = 20_000_000, 1000
# The part of a column that rounding may leave outside the larger model's space, in single precision and in double.
_OUTSIDE = {True: 1e-3, False: 1e-6}
_OTHERWISE = "Compare them by AIC, or by the log-likelihood of held-out rows."


def likelihood_ratio_test(
    smaller: Any,
    larger: Any,
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    offset: Any = None,
    small_sample: bool = True,
) -> HypothesisTest:
    r"""Test whether a model fits better than a smaller one, nested in it, by more than chance explains.

    .. math:: 2 (\log L_\text{larger} - \log L_\text{smaller}) \sim \chi^2_{k_\text{larger} - k_\text{smaller}}

    Of two Gaussian models with one estimated scale each it is the F test, which is exact: F is an increasing function
    of their ratio. Where the smaller model is the larger at the boundary of one parameter (Poisson of the negative
    binomial, Gaussian of a Student's t with estimated df), the distribution is half a point mass at zero and half
    chi-squared.

    Parameters
    ----------
    smaller, larger : fitted estimators
        Unpenalized maximum likelihood fits to the same rows, as for ``infer``; pipelines select or derive columns. Of
        two bias-reduced (Firth) fits the ratio of penalized likelihoods is taken, both penalized by the information of
        the larger model, in which the columns that the smaller lacks are held at zero: see
        ``penalized_likelihood_ratio_test``.
    X : array-like, or a pair of them
        The data of both fits. An estimator that was fitted to some named columns of a frame is given these. A pair
        (X of the smaller, X of the larger) serves estimators whose columns have no names.
    y, sample_weight, offset : array-like of shape (n_samples,)
        As in the fits.
    small_sample : bool, default=True
        For two unpenalized Gaussian models with one estimated scale: F instead of chi-squared.

    Returns
    -------
    HypothesisTest
        The statistic, its degrees of freedom, and p, a probability.

    Raises
    ------
    ValueError
        If the larger model has no more parameters, fits worse, or does not contain the smaller: another likelihood, or
        columns of the smaller that are no combinations of the larger's (checked on the data, whatever their names). If
        a fit was penalized.
    TypeError
        If ``infer`` does not support the estimator.

    References
    ----------
    Self and Liang (1987), Asymptotic properties of maximum likelihood estimators and likelihood ratio tests under
    nonstandard conditions, JASA 82 (the boundary).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import likelihood_ratio_test
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> smaller = MLELogisticClassifier().fit(X[["bmi"]], y > 140)
    >>> larger = MLELogisticClassifier().fit(X[["bmi", "bp"]], y > 140)
    >>> likelihood_ratio_test(smaller, larger, X, y > 140)
    Likelihood ratio test: chi2(1) = 22.2944, p = 2.339e-06
    """
    small_sample = as_bool("small_sample", small_sample)
    pair = X if isinstance(X, tuple) else (X, X)
    if len(pair) != 2:
        raise ValueError(f"X: a pair has the data of the smaller and of the larger model; got {len(pair)} parts.")
    given = {"smaller": (smaller, pair[0]), "larger": (larger, pair[1])}
    read = {name: read_estimator(name, *each, select=True) for name, each in given.items()}
    bias_reduced = all(model.bias_reduced for model, _ in read.values())
    for name, (model, _) in read.items():
        with argument_name(name):
            refuse("likelihood_ratio_test", model, beside=None if bias_reduced else "maximum")
    with single_threaded_blas, np.errstate(all="ignore"):
        small, large = (at_estimate(*read_training(*each, y, sample_weight, offset)) for each in read.values())
        if bias_reduced:
            return penalized_ratio(small, large)
        meanings = [at.model.weight_type for at in (small, large)]
        if sample_weight is not None and meanings[0] != meanings[1]:
            raise ValueError(
                f"sample_weight: weights mean different things in the two fits, weight_type={meanings[0]!r} in smaller "
                f"and {meanings[1]!r} in larger. Fit both with the same weight_type."
            )
        low, high = small.log_likelihood, large.log_likelihood
    k_small, k_large = small.n_parameters, large.n_parameters
    df = k_large - k_small
    if df <= 0:
        raise ValueError(
            f"larger has {k_large} parameters and smaller {k_small} that X, y, sample_weight and offset determine: "
            "give the model with more restrictions first."
        )
    boundary = small.likelihood.boundary_of(large.likelihood)
    if boundary is None:
        raise ValueError(
            f"smaller has {small.likelihood!r} and larger {large.likelihood!r}: they are not nested. {_OTHERWISE}"
        )
    refuse_unless_nested(small, large)
    statistic = 2 * (high - low)
    if statistic < -2 * SHORT:
        raise ValueError(
            f"larger has a log-likelihood of {high:.6g}, below that of smaller, {low:.6g}: a fit has not converged, or "
            "X, y, sample_weight and offset are not those of the fits."
        )
    statistic = max(statistic, 0.0)
    if not boundary:
        left = large.n_obs - large.n_coefficients
        exact = small_sample and small.model.exact and large.model.exact and left > 0
        df_resid = left if exact else math.inf
        return likelihood_ratio_of("Likelihood ratio test", statistic, df, large.total_weight, df_resid)
    # With d further, regular, restrictions: half chi2(d) and half chi2(d + 1).
    rest = float(stats.chi2.sf(statistic, df - 1)) if df > 1 else float(statistic <= _NOTHING)
    p = 0.5 * (float(stats.chi2.sf(statistic, df)) + rest)
    return HypothesisTest("Likelihood ratio test (on the boundary)", statistic, df, p)


def score_test(
    smaller: Any, X: Any, y: Any, extra: Any, *, sample_weight: Any = None, offset: Any = None
) -> HypothesisTest:
    r"""Test whether further columns belong in a model, using only the fit without them (Rao's score test).

    .. math:: S = g^\top A^{-1} g \sim \chi^2_d

    with g the gradient and A the expected information of the model with the extra columns, at the estimate without.

    Parameters
    ----------
    smaller : fitted estimator
        An unpenalized maximum likelihood fit, as for ``infer``.
    X, y : array-like
        The data of the fit.
    extra : array-like of shape (n_samples, d) or (n_samples,)
        The columns in question; they are added to every linear predictor that has columns (of every class).
    sample_weight, offset : array-like, default=None
        As in the fit.

    Returns
    -------
    HypothesisTest
        The statistic, its degrees of freedom, and p, a probability.

    Raises
    ------
    ValueError
        If the fit was penalized, or an extra column depends on the others.
    TypeError
        If X is an array in storage, too large to be read at once, or ``infer`` does not support the estimator.

    References
    ----------
    Rao (1948), Large sample tests of statistical hypotheses concerning several parameters, Mathematical Proceedings of
    the Cambridge Philosophical Society 44.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import score_test
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = MLELogisticClassifier().fit(X[["bmi"]], y > 140)
    >>> score_test(model, X[["bmi"]], y > 140, extra=X["bp"])
    Score test: chi2(1) = 22.1271, p = 2.552e-06
    """
    model, X = read_estimator("smaller", smaller, X)
    with argument_name("smaller"):
        refuse("score_test", model)
    model, data = read_training(model, X, y, sample_weight, offset)
    data.require_memory("score_test")
    refuse_masked(extra=extra)
    with argument_name("extra"):
        extra = check_array(extra, ensure_2d=False, dtype=np.float64, accept_sparse="csr", input_name="extra")
    extra = extra[:, None] if extra.ndim == 1 else extra
    if extra.shape[0] != data.X.shape[0]:
        raise ValueError(f"extra must have one row per row of X, {data.X.shape[0]}; got {extra.shape[0]}.")
    (_, p), d = data.X.shape, extra.shape[1]
    is_sparse = sp.issparse(data.X) or sp.issparse(extra)
    wider = replace(data, X=sp.hstack([data.X, extra], format="csr") if is_sparse else np.hstack([data.X, extra]))
    # Every predictor with columns gets them, the location even if it has none.
    terms = tuple(
        replace(term, columns=True).restricted(np.append(term.indices(p), p + np.arange(d)), p + d)
        if term.columns or j == 0
        else term
        for j, term in enumerate(model.terms)
    )
    larger = replace(
        model,
        coefficients=np.insert(model.coefficients, [p] * d, 0.0, axis=1),
        features=(*model.features, *(f"extra {k}" for k in range(d))),
        retained=None,  # whose curvature has other columns
        terms=terms,
    )
    with single_threaded_blas, np.errstate(all="ignore"):
        before = at_estimate(model, data)
        at = AtEstimate.of(larger, wider)
        added = at.n_parameters - before.n_parameters
        expected = d * (len(terms) - 1 if model.is_classifier and len(terms) > 1 else sum(t.columns for t in terms))
        if added < expected:
            raise ValueError("extra: some of its columns depend on the others and on those of X; leave them out.")
        try:
            factor = information_factor(at.objective, at.theta)
        except NotPositiveDefiniteError:
            raise ValueError(
                "extra: the expected information of the model with these columns is singular. Look for columns of "
                "extra that depend on X, or extreme numbers in X, y, sample_weight or offset."
            ) from None
        gradient = at.objective.gradient(at.theta)
    return chi_squared_test("Score test", factor.squared_norm(gradient) * at.mean_weight, added)


def refuse_unless_nested(small: AtEstimate, large: AtEstimate) -> None:
    """Raise ValueError unless the larger of two models contains the smaller, predictor by predictor.

    Each predictor of the smaller model, known values included, must be possible in the larger one: its columns are
    combinations of the larger model's columns (and of the intercept, if there is one). The values of columns count, not
    their names. Rows of weight zero are absent.
    """
    looked_at: set[Any] = set()
    for j, (inner, outer) in enumerate(zip(small.model.terms, large.model.terms, strict=False)):
        name = "the linear predictor" if small.model.is_classifier else small.likelihood.predictor_names[j]
        known = [not (term.columns or term.intercept) for term in (inner, outer)]
        if all(known) and small.model.coefficients[j, -1] != large.model.coefficients[j, -1]:
            raise ValueError(
                f"smaller and larger have different known values of {name}: they are not nested. {_OTHERWISE}"
            )
        if known[1] and not known[0]:
            raise ValueError(
                f"smaller estimates {name}, which larger holds at a known value: they are not nested. {_OTHERWISE}"
            )
        if known[0] or (inner.key, outer.key) in looked_at:
            continue
        looked_at.add((inner.key, outer.key))
        outside = _outside(inner, outer, small, large)
        if outside:
            several = f"{', '.join(map(repr, outside[:5]))}{', ...' if len(outside) > 5 else ''}"
            raise ValueError(
                f"smaller has terms that no combination of larger's columns gives in {name}: {several}. They "
                f"are not nested, so the ratio has no known distribution. {_OTHERWISE}"
            )


def _outside(inner: Terms, outer: Terms, small: AtEstimate, large: AtEstimate) -> list[str]:
    """Return the names of the inner predictor's terms that the outer one cannot have."""
    X_small, X_large, weight = small.data.X, large.data.X, large.data.sample_weight
    of_small, of_large = inner.indices(X_small.shape[1]), outer.indices(X_large.shape[1])
    if X_small is X_large and np.isin(of_small, of_large).all() and inner.intercept <= outer.intercept:
        return []
    n = X_large.shape[0]
    present = np.arange(n) if weight is None else np.flatnonzero(weight > 0)
    if len(present) * (len(of_large) + len(of_small) + 2) > _ENTRIES:
        enough = min(len(present), 4 * len(of_large) + _ENOUGH)
        present = np.sort(np.random.default_rng(0).choice(present, enough, replace=False))
    ones = np.ones((len(present), 1))
    target = np.hstack([dense(X_small[present])[:, of_small], ones[:, : inner.intercept]])
    basis = np.hstack([dense(X_large[present])[:, of_large], ones[:, : outer.intercept]])
    size = np.linalg.norm(target, axis=0)
    if outer.intercept:
        # Only what varies is compared, or the intercept's rounding would count.
        target, basis = (part - part.mean(axis=0) for part in (target, basis))
    length, spread = (np.linalg.norm(part, axis=0) for part in (target, basis))
    basis = basis[:, spread > 0] / spread[spread > 0]
    rest = target - basis @ np.linalg.lstsq(basis, target)[0]
    single = any(np.dtype(X.dtype).itemsize < 8 for X in (X_small, X_large))
    # A column that hardly varies has few digits for its variation.
    allowed = _OUTSIDE[single] * length + 64 * np.finfo(np.float32 if single else np.float64).eps * size
    names = [*(small.model.features[k] for k in of_small), *(["intercept"] if inner.intercept else [])]
    return [name for name, wrong in zip(names, np.linalg.norm(rest, axis=0) > allowed, strict=True) if wrong]
