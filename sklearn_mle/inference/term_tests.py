"""Tests of the terms of a model: the columns of X and their interactions, whatever the transformers made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit import FitOptions, fit
from sklearn_mle._numerics.stored import StoredArray
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle.inference.at_estimate import AtEstimate, at_estimate, read_training, with_dispersion
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.column_terms import Term, column_terms
from sklearn_mle.inference.deviances import pearson, total_deviance
from sklearn_mle.inference.hypotheses import HypothesisTest, chi_squared_test
from sklearn_mle.inference.infer import infer
from sklearn_mle.inference.model import FittedModel
from sklearn_mle.inference.reading import read_estimator
from sklearn_mle.inference.summary import Summary

Array = NDArray[Any]

KINDS = ("sequential", "marginal", "last")
TESTS = ("likelihood_ratio", "wald")


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
        ``"wald"`` takes any covariance that ``infer`` knows, by ``options``, and fits nothing; it is marginal or last.
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
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {list(KINDS)}; got {kind!r}.")
    if test not in TESTS:
        raise ValueError(f"test must be one of {list(TESTS)}; got {test!r}.")
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
    ValueError
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


def _pairs(terms: Sequence[Term], kind: str) -> "dict[Term, tuple[list[Term], list[Term]]]":
    """Return, for each term, the terms of the smaller and of the larger model."""
    out = {}
    for place, term in enumerate(terms):
        larger = list(terms)
        if kind == "sequential":
            larger = list(terms[: place + 1])
        elif kind == "marginal":
            larger = [other for other in terms if not other.contains(term)]
        out[term] = [other for other in larger if other is not term], larger
    return out


def _wald(
    estimator: Any, X: Any, y: Any, kind: str, options: dict[str, Any], dispersion: str | None
) -> "tuple[dict[Term, HypothesisTest], dict[str, Any]]":
    """Return W(the term and what contains it) - W(what contains it) for each term, or W(the term)."""
    inference = infer(estimator, X, y, dispersion=dispersion, **options)
    model = inference.model
    terms = _terms(model, X, options["offset"])
    if model.likelihood.shift_invariant:
        assert model.classes is not None
        inference = inference.against(model.classes[0])
    each = model.entries[: len(inference.parameters)] % model.coefficients.shape[1]

    def statistic(some: Sequence[Term]) -> tuple[float, int]:
        columns = np.concatenate([term.columns for term in some])
        tested = np.eye(len(inference.parameters))[np.isin(each, columns)]
        found = inference.wald_test(tested)
        return found.statistic * (found.df if np.isfinite(inference.df) else 1), len(tested)

    tests = {}
    for term in terms:
        above = [other for other in terms if other.contains(term)] if kind == "marginal" else []
        value, df = statistic([term, *above])
        if above:
            less, fewer = statistic(above)
            value, df = value - less, df - fewer
        tests[term] = chi_squared_test(term.name, value, df, inference.df)
    letter = "F" if np.isfinite(inference.df) else "chi2"
    return tests, {
        "model": model.name,
        "test": f"Wald, {letter}",
        "covariance": inference.header["covariance"],
        "observations": inference.header["observations"],
    }


def _ratios(
    estimator: Any, X: Any, y: Any, kind: str, sample_weight: Any, offset: Any, dispersion: str | None
) -> "tuple[dict[Term, HypothesisTest], dict[str, Any]]":
    model, transformed = read_estimator("estimator", estimator, X)
    if dispersion is not None:
        if dispersion != "pearson":
            raise ValueError(f"dispersion must be None or 'pearson'; got {dispersion!r}.")
        refuse("infer", model, dispersion=dispersion, covariance="auto", weight_type=model.weight_type, penalized=None)
    refuse("anova", model)
    model, data = read_training(model, transformed, y, sample_weight, offset)
    if isinstance(data.X, StoredArray):
        raise TypeError(
            "X: anova fits models to some of the columns in memory, but X is in storage and large; "
            "pass some of its rows."
        )
    terms = _terms(model, X, offset)
    every = np.concatenate([term.columns for term in terms])
    with single_threaded_blas, np.errstate(all="ignore"):
        ratios = _Ratios(at_estimate(model, data), np.setdiff1d(np.arange(data.X.shape[1]), every), dispersion)
        tests = {term: ratios.test(term.name, *pair) for term, pair in _pairs(terms, kind).items()}
    return tests, {
        "model": model.name,
        "test": f"{'deviances' if dispersion else 'likelihood ratio'}, {'F' if ratios.by_f else 'chi2'}",
        "observations": ratios.whole.n_obs,
    }


def _terms(model: FittedModel, X: Any, offset: Any) -> list[Term]:
    terms = column_terms(model, X, offset)
    if not terms:
        raise ValueError("X: the model depends on none of its columns, so there is no term to test.")
    return terms


@dataclass
class _Ratios:
    """Tests between models of some of the terms, all of them within one model on its data."""

    whole: AtEstimate
    # Columns that depend on no column of X: they are in every model.
    always: NDArray[np.intp]
    dispersion: str | None

    def __post_init__(self) -> None:
        n, k = self.whole.n_obs, self.whole.n_coefficients
        self.left = n - k
        self.by_f = self.left > 0 and (self.dispersion is not None or self.whole.model.exact)
        self._fitted: dict[tuple[int, ...], AtEstimate] = {}

    def test(self, name: str, small: Sequence[Term], large: Sequence[Term]) -> HypothesisTest:
        """Return the test of a smaller model within a larger one."""
        whole = self.whole
        low, high = self._at(small), self._at(large)
        df = high.n_parameters - low.n_parameters
        if df <= 0:
            raise ValueError(
                f"X: the columns of {name!r} depend on the others' columns and the intercept, so the term tests "
                "nothing. Code factors with one level left out, or leave the term out of the model."
            )
        if self.dispersion is not None:
            if self.left <= 0:
                raise ValueError("dispersion='pearson' needs more observations than coefficients.")
            scale = pearson(whole) / self.left
            if whole.likelihood.dispersion_parameter is not None:
                scale *= float(np.exp(whole.likelihood.variance_power * whole.model.log_dispersion))
            value = (total_deviance(low) - total_deviance(high)) / scale
        elif self.by_f:
            total = float(whole.weight.sum())
            shares = [np.expm1(2 * (whole.log_likelihood - at.log_likelihood) / total) for at in (low, high)]
            value = (shares[0] - shares[1]) * self.left
        else:
            value = 2 * (high.log_likelihood - low.log_likelihood)
        return chi_squared_test(name, max(float(value), 0.0), df, self.left if self.by_f else np.inf)

    def _at(self, terms: Sequence[Term]) -> AtEstimate:
        """Return the model of some terms at its maximum."""
        keep = np.sort(np.concatenate([self.always, *(term.columns for term in terms)])).astype(np.intp)
        if len(keep) == self.whole.data.X.shape[1]:
            return self.whole
        key = tuple(keep.tolist())
        if key not in self._fitted:
            self._fitted[key] = self._fit(keep)
        return self._fitted[key]

    def _fit(self, keep: NDArray[np.intp]) -> AtEstimate:
        model, data = self.whole.model, self.whole.data
        p = data.X.shape[1]
        terms = []
        for j, term in enumerate(model.terms):
            here = np.flatnonzero(np.isin(keep, term.indices(p)))
            if not term.columns or len(here) or not j or model.is_classifier:
                # The location keeps none of the columns that are left for others.
                terms.append(term.restricted(here.astype(np.intp), len(keep)))
            else:
                terms.append(replace(term, columns=False))
        at = model.likelihood.dispersion_index
        if at is not None and not model.is_classifier and not (terms[at].intercept or terms[at].columns):
            terms[at] = replace(terms[at], known=float(np.exp(model.log_dispersion)))
        some = replace(data, X=data.X[:, keep])
        found = fit(
            model.likelihood,
            some.X,
            some.y,
            sample_weight=some.sample_weight,
            offset=some.offset,
            options=FitOptions(terms=tuple(terms)),
        )
        smaller = replace(
            model,
            coefficients=found.coefficients,
            terms=tuple(terms),
            features=tuple(model.features[k] for k in keep),
            retained=None,
            weight_type="frequency",
        )
        return AtEstimate.of(with_dispersion(smaller, some, model.weight_type), some)
