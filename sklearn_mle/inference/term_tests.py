"""Tests of the terms of a model: the columns of X and their interactions, whatever the transformers made of them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arguments import check_choice
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._predictors import Terms
from sklearn_mle.inference.at_estimate import AtEstimate, at_estimate, fitted_again, read_training
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.column_terms import Term, column_terms
from sklearn_mle.inference.header import pearson_dispersion, total_deviance
from sklearn_mle.inference.hypotheses import HypothesisTest, chi_squared_test, ratio_at_least_zero
from sklearn_mle.inference.infer import infer
from sklearn_mle.inference.model import FittedModel, divide_dispersion
from sklearn_mle.inference.reading import read_estimator
from sklearn_mle.inference.summary import Summary


def anova(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    kind: str = "marginal",
    test: str = "likelihood_ratio",
    sample_weight: Any = None,
    offset: Any = None,
    dispersion: str | None = None,
    **options: Any,
) -> Summary:
    r"""Test each term of a model: each column of X before the transformers, and each interaction.

    .. math:: 2 (\log L_\text{with} - \log L_\text{without}) \sim \chi^2_d

    or, for least squares, :math:`(\mathrm{RSS}_\text{without} - \mathrm{RSS}_\text{with}) / (d s^2) \sim F(d, n - k)`
    with :math:`s^2` that of the whole model. A term is all columns that the model sees and that are made of the same
    columns of X: one-hot columns of a factor, splines, products.

    Parameters
    ----------
    estimator : fitted estimator
        As for ``infer``: a pipeline, say, whose terms are then of the columns that it takes.
    X, y : array-like
        The data of the fit.
    kind : {"marginal", "sequential", "last"}, default="marginal"
        ``"sequential"`` (type I) adds one term after the other, those of one column first, in the order of X.
        ``"marginal"`` (type II) compares the models with and without the term, both without the interactions that
        contain it. ``"last"`` (type III) leaves only the term itself out of the whole model, which depends on how
        factors are coded where there are interactions.
    test : {"likelihood_ratio", "wald"}, default="likelihood_ratio"
        ``"wald"`` fits nothing, and takes any covariance of ``infer`` by ``options``; of "CR2" and "CR3" each test has
        its own degrees of freedom. It is marginal or last.
    sample_weight, offset : array-like, default=None
        As in the fit.
    dispersion : {None, "pearson"}, default=None
        ``"pearson"``: the analysis of deviance of generalized linear models, F with Pearson's dispersion of the whole
        model, as R's ``anova(test = "F")``. With ``test="wald"`` it is ``infer``'s.
    **options
        Of ``infer``, for ``test="wald"``: covariance, groups, bread, ...

    Returns
    -------
    Summary
        A row for each term: degrees of freedom, chi-squared or F, and p, a probability; ``to_frame()``, shape
        (n_terms, 3).

    Raises
    ------
    ValueError
        If an argument is not valid, or the model has no term.
    NotSupportedError
        If the estimate is no maximum of a likelihood (for likelihood ratios).
    TypeError
        If ``infer`` does not support the estimator.

    Warns
    -----
    ConvergenceWarning
        If a model has a lower log-likelihood than one within it, because a fit ended at a local maximum.

    References
    ----------
    Fox (2016), Applied Regression Analysis and Generalized Linear Models, 3rd edition, sections 8.2.5 and 15.3.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import PolynomialFeatures
    >>> from sklearn_mle.inference import anova
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X = X[["bmi", "bp"]]
    >>> squares = PolynomialFeatures(2, include_bias=False)
    >>> model = make_pipeline(squares, LinearRegression()).fit(X, y)
    >>> table = anova(model, X, y)
    >>> table.index, table.columns["F"].round(4), table.columns["p"].round(4)
    (('bmi', 'bp', 'bmi:bp'), array([73.8767, 20.4324,  3.1278]),
     array([0.    , 0.    , 0.0777]))
    """
    check_choice("kind", kind, ("sequential", "marginal", "last"))
    check_choice("test", test, ("likelihood_ratio", "wald"))
    if test == "wald":
        if kind == "sequential":
            raise ValueError(
                "kind='sequential' compares models that are fitted one after the other: use likelihood ratios."
            )
        options |= {"sample_weight": sample_weight, "offset": offset}
        tests, header = _wald(estimator, X, y, kind, options, dispersion)
    else:
        if options:
            raise ValueError(f"{next(iter(options))}: only test='wald' takes options of infer.")
        tests, header = _ratios(estimator, X, y, kind, sample_weight, offset, dispersion)
    return _table(f"Analysis of {'variance' if 'F' in header['test'] else 'deviance'}, {kind}", header, tests)


def drop_one(
    estimator: Any, X: Any, y: Any, *, sample_weight: Any = None, offset: Any = None, dispersion: str | None = None
) -> Summary:
    r"""Test each term that no interaction contains, against the model without it.

    .. math:: 2 (\log L - \log L_\text{without}) \sim \chi^2_d

    Parameters
    ----------
    estimator : fitted estimator
        As for ``infer``.
    X, y : array-like
        The data of the fit.
    sample_weight, offset : array-like, default=None
        As in the fit.
    dispersion : {None, "pearson"}, default=None
        As in ``anova``.

    Returns
    -------
    Summary
        A row for each term: degrees of freedom, chi-squared or F, and p, a probability; ``to_frame()``, shape
        (n_terms, 3).

    Raises
    ------
    ValueError, TypeError
        As ``anova``.

    References
    ----------
    Venables and Ripley (2002), Modern Applied Statistics with S, section 6.8.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import drop_one
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X = X[["bmi", "age"]]
    >>> table = drop_one(MLELogisticClassifier().fit(X, y > 140), X, y > 140)
    >>> table.columns["chi2"].round(4), table.columns["p"].round(4)
    (array([97.2407,  2.6701]), array([0.    , 0.1022]))
    """
    tests, header = _ratios(estimator, X, y, "marginal", sample_weight, offset, dispersion)
    free = {term: found for term, found in tests.items() if not any(other.contains(term) for other in tests)}
    return _table("Terms left out one by one", header, free)


def _table(title: str, header: dict[str, Any], tests: "dict[Term, HypothesisTest]") -> Summary:
    columns = {
        "df": np.array([float(found.df) for found in tests.values()]),
        "F" if "F" in header["test"] else "chi2": np.array([found.statistic for found in tests.values()]),
        "p": np.array([found.p_value for found in tests.values()]),
    }
    return Summary(title, header, tuple(term.name for term in tests), columns)


def _wald(
    estimator: Any, X: Any, y: Any, kind: str, options: dict[str, Any], dispersion: str | None
) -> "tuple[dict[Term, HypothesisTest], dict[str, Any]]":
    """Return W(the term and what contains it) - W(what contains it) for each term, or W(the term)."""
    inference = infer(estimator, X, y, dispersion=dispersion, **options)
    model = inference.model
    terms = _terms(model, X)
    if model.likelihood.shift_invariant:
        assert model.classes is not None
        inference = inference.against(model.classes[0])
    units = np.eye(len(inference.parameters))
    columns = model.entries[: len(units)] % model.coefficients.shape[1]
    tests = {}
    for term in terms:
        own = np.flatnonzero(np.isin(columns, term.columns))
        tested = units[own]
        above = [other.columns for other in terms if kind == "marginal" and other.contains(term)]
        if above:
            held = np.flatnonzero(np.isin(columns, np.concatenate(above)))
            inference.wald_test(units[np.append(own, held)])  # an error where the data do not determine all of them
            # The difference is the statistic of the term's coefficients less their regression on those held at zero.
            error, covariance = inference.standard_errors[held], inference.covariance[held]
            correlation = covariance[:, held] / error / error[:, None]
            tested[:, held] = -np.linalg.solve(correlation, covariance[:, own] / error[:, None]).T / error
        tests[term] = inference.wald_test(tested)
    by_f = any(np.isfinite(found.df_resid) for found in tests.values())
    return tests, {
        "model": model.name,
        "test": f"Wald, {'F' if by_f else 'chi2'}",
        "covariance": inference.header["covariance"],
        "observations": inference.header["observations"],
    }


def _ratios(
    estimator: Any, X: Any, y: Any, kind: str, sample_weight: Any, offset: Any, dispersion: str | None
) -> "tuple[dict[Term, HypothesisTest], dict[str, Any]]":
    model, transformed = read_estimator("estimator", estimator, X)
    check_choice("dispersion", dispersion, (None, "pearson"))
    if dispersion is not None:
        refuse("infer", model, dispersion=dispersion, covariance="auto", weight_type=model.weight_type, penalized=None)
    refuse("anova", model)
    model, data = read_training(model, transformed, y, sample_weight, offset)
    data.require_memory("anova")
    terms = _terms(model, X)
    every = np.concatenate([term.columns for term in terms])
    # Columns that depend on no column of X: they are in every model.
    always = np.setdiff1d(np.arange(data.X.shape[1]), every)

    @cache  # most models are in several tests
    def of_columns(*columns: int) -> AtEstimate:
        return _with_columns(whole, np.array(columns, dtype=np.intp), dispersion)

    def of_terms(some: Sequence[Term]) -> AtEstimate:
        return of_columns(*np.sort(np.concatenate([always, *(term.columns for term in some)])).tolist())

    with single_threaded_blas, np.errstate(all="ignore"):
        whole = at_estimate(model, data)
        tests = {}
        for place, term in enumerate(terms):
            larger = terms[: place + 1] if kind == "sequential" else terms
            if kind == "marginal":
                larger = [other for other in terms if not other.contains(term)]
            low, high = of_terms([other for other in larger if other is not term]), of_terms(larger)
            tests[term] = _ratio_test(term.name, whole, low, high, dispersion)
    return tests, {
        "model": model.name,
        "test": f"{'deviances' if dispersion else 'likelihood ratio'}, {'F' if _is_f(whole, dispersion) else 'chi2'}",
        "observations": whole.n_obs,
    }


def _terms(model: FittedModel, X: Any) -> list[Term]:
    terms = column_terms(model, X)
    if not terms:
        raise ValueError("X: the model depends on none of its columns, so there is no term to test.")
    return terms


def _ratio_test(
    name: str, whole: AtEstimate, low: AtEstimate, high: AtEstimate, dispersion: str | None
) -> HypothesisTest:
    """Return the test of a smaller model within a larger one, both within the whole model, at their maxima."""
    df, left = high.n_parameters - low.n_parameters, whole.n_obs - whole.n_coefficients
    if dispersion is not None:
        df = high.n_coefficients - low.n_coefficients  # a constant may be held in one of them
    if df <= 0:
        raise ValueError(
            f"X: the columns of {name!r} depend on the others' columns and the intercept, so the term tests "
            "nothing. Code factors with one level left out, or leave the term out of the model."
        )
    if dispersion is not None:
        scale = pearson_dispersion(whole)
        if divide_dispersion(whole.likelihood):
            scale *= float(np.exp(whole.likelihood.variance_power * whole.model.log_dispersion))
        value = (total_deviance(low) - total_deviance(high)) / scale
    elif _is_f(whole, dispersion):
        scale = 2 / whole.total_weight
        shares = [np.expm1(scale * (whole.log_likelihood - at.log_likelihood)) for at in (low, high)]
        value = (shares[0] - shares[1]) * left
    else:
        value = 2 * (high.log_likelihood - low.log_likelihood)
    finding = (
        f"The model with {name!r} has a log-likelihood of {high.log_likelihood:.6g}, below that of the model "
        f"without, {low.log_likelihood:.6g}"
    )
    value = ratio_at_least_zero(float(value), finding, stacklevel=4)
    return chi_squared_test(name, value, df, left if _is_f(whole, dispersion) else np.inf)


def _is_f(whole: AtEstimate, dispersion: str | None) -> bool:
    """Return whether the tests are by F: with Pearson's dispersion, and for least squares."""
    return whole.n_obs > whole.n_coefficients and (dispersion is not None or whole.model.exact)


def _with_columns(whole: AtEstimate, keep: NDArray[np.intp], dispersion: str | None) -> AtEstimate:
    """Return the model of some of the columns that the whole model sees, in their order, at its maximum."""
    model, data = whole.model, whole.data
    p, kept = data.X.shape[1], []
    if len(keep) == p:
        return whole
    for j, term in enumerate(model.terms):
        here = np.flatnonzero(np.isin(keep, term.indices(p)))
        if not term.columns or len(here) or not j or model.is_classifier:
            # The location remains a predictor with columns, even if it keeps none of them.
            kept.append(term.restricted(here.astype(np.intp), len(keep)))
        else:
            kept.append(replace(term, columns=False))
    at = model.likelihood.dispersion_index
    # Deviances are compared at one dispersion, where they depend on it.
    held = dispersion is not None and not divide_dispersion(model.likelihood)
    if at is not None and not kept[at].columns and (held or not kept[at].intercept):
        kept[at] = Terms(False, False, known=float(np.exp(model.log_dispersion)))
    return fitted_again(model, replace(data, X=data.X[:, keep]), kept, [model.features[k] for k in keep])
