"""Inference on a fitted estimator: without the data, from what fit retained; with them, of every kind."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_mle._curvature import MOST_KEPT, Curvature
from sklearn_mle._numerics.arguments import as_bool, check_choice, check_count
from sklearn_mle._numerics.partitions import is_dask
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle.inference.at_estimate import NOTICEABLE_GAP, AtEstimate, gap_of, read_training, with_dispersion
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.clusters import clusters_of
from sklearn_mle.inference.covariance import CLUSTERED, COVARIANCES, Request, covariance_of
from sklearn_mle.inference.header import (
    SmallSample,
    against_the_null,
    exact_sample,
    header_of,
    likelihood_is_trusted,
    small_sample_of,
)
from sklearn_mle.inference.hypotheses import HypothesisTest
from sklearn_mle.inference.model import WEIGHT_TYPES, FitSummary, FittedModel
from sklearn_mle.inference.partitioned import AtPartitions, refuse_in_partitions
from sklearn_mle.inference.reading import read_location
from sklearn_mle.inference.result import Inference
from sklearn_mle.inference.separation import at_the_limit

# In standard errors: a curvature that was formed further from the estimate than this gets a note.
_WORTH_A_NOTE = 1e-4


def infer(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    *,
    sample_weight: Any = None,
    offset: Any = None,
    covariance: str = "auto",
    groups: Any = None,
    lags: int | None = None,
    weight_type: str | None = None,
    penalized: str | None = None,
    small_sample: bool = True,
    dispersion: str | None = None,
    bread: str | None = None,
) -> Inference:
    r"""Return estimates with their covariance: standard errors, intervals, tests and a summary table.

    With A the curvature of the total negative log-likelihood at the estimate and s_i the gradient of observation i,

    .. math:: V = A^{-1} \;\text{(model)} ,\qquad V = A^{-1} \Big(\sum_i s_i s_i^\top\Big) A^{-1} \;\text{(sandwich)}

    Parameters
    ----------
    estimator : fitted estimator
        Ours; scikit-learn's LogisticRegression, LinearRegression, Ridge, PoissonRegressor, GammaRegressor,
        TweedieRegressor, HuberRegressor, SGDClassifier or SGDRegressor (where their loss is a likelihood's and their
        penalty has a curvature); or a Pipeline or search around one of them, whose transforms are applied to X, frozen
        or thresholded. Of a DistributionalRegressor around one of them, its location, which is that estimator's.
    X, y : array-like, default=None
        The data of the fit. Rows that Dask keeps stay there: of our estimators ``"hessian"``, ``"expected"``,
        ``"opg"``, ``"HC0"`` and ``"HC1"`` take three passes over them. Without the data the inference is of the
        model-based kind, from the curvature that our estimators keep (of up to 2,000 parameters).
    sample_weight, offset : array-like, default=None
        As in the fit.
    covariance : str, default="auto"
        - ``"hessian"``: inverse of the observed information; the meaning of ``"auto"`` unless stated otherwise.
          (``"HC0"`` is that of a DistributionalRegressor's location, whose noise has another likelihood.)
        - ``"expected"``: inverse of the expected information.
        - ``"opg"``: inverse of the sum of s s', uncentred.
        - ``"HC0"``: sandwich; ``"HC1"``: times n / (n - k); ``"HC2"``, ``"HC3"``: each s_i divided by
          :math:`\sqrt{1 - h_i}` or by :math:`1 - h_i`, h the leverages of :math:`W^{1/2} X` with W the expected
          information of the location (models in which nothing else depends on X).
        - ``"cluster"``: sandwich of the sums of s over ``groups``, times G / (G - 1) (n - 1) / (n - k). Of groups in
          several ways: those of each way, less those of their intersections, and so on, each with its own G.
        - ``"CR2"``, ``"CR3"``: the same with the leverage of each cluster, which makes the covariance of CR2 unbiased
          under the model and that of CR3 a jackknife's, and with Satterthwaite's degrees of freedom, each coefficient's
          own: for few clusters, or clusters of unequal size. Tests of several coefficients are Pustejovsky and
          Tipton's (HTZ).
        - ``"HAC"``: sandwich with the products of s up to ``lags`` rows apart (Newey and West): rows in the order of
          time. Times n / (n - k).
        - ``"kernel"``: for likelihoods with a kink (laplace, asymmetric_laplace), the sandwich with the density of y
          at its quantile estimated by a Gaussian kernel (Powell), their ``"auto"``; ``"hessian"`` is refused there. It
          is that of ``summary(rq, se = "ker")`` in R's quantreg.
    groups : array-like of shape (n,) or (n, m), default=None
        Clusters, for ``covariance="cluster"``, ``"CR2"`` and ``"CR3"``; of ``"cluster"`` in m ways, a column each.
    lags : int, default=None
        For ``covariance="HAC"``; None is 4 (n / 100)^(2/9), rounded down.
    weight_type : {"frequency", "precision", "sampling"}, default=None
        What a weight w means; None is what it meant in the fit (``weight_type`` of our estimators), copies for
        scikit-learn's. Copies of a row: n is the sum of w. Precision, the variance (the dispersion) being divided by w
        (R's ``weights``): n is the number of rows. Sampling weights, rows drawn with probability proportional to 1 / w:
        n is the number of rows, only sandwiches are valid, and there is no AIC. The sum of s s' has each row once times
        w for frequencies, times w^2 for the others.
    penalized : {None, "laplace", "sandwich"}, default=None
        How to read an estimate under a prior (C < inf, alpha > 0) or class weights, for which None is an error: as
        the mode of a posterior with the prior's curvature in A (``"laplace"``), or as a shrunken estimate with the
        sampling variance A^-1 M A^-1 (``"sandwich"``). Neither accounts for the bias.
    small_sample : bool, default=True
        For the unpenalized Gaussian with one estimated scale: s^2 = RSS / (n - p) and Student's t, which are exact.
        False is the maximum likelihood scale and the normal distribution, and leaves out the factors of
        ``"cluster"`` and ``"HAC"``, of every model (``"HC1"`` without its factor is ``"HC0"``).
    dispersion : {None, "pearson"}, default=None
        ``"pearson"`` is what R's ``glm`` does, quasi-likelihood (``quasibinomial``, ``quasipoisson``) included: the
        expected information, with Pearson's X^2 / (n - k) as the dispersion, and Student's t. The test against the null
        model is the analysis of deviance by F. For two classes, counts, trials, positive amounts and the Gaussian.
    bread : {None, "observed", "expected"}, default=None
        The A of a sandwich. None is ``"observed"`` where the likelihood is smooth: sandwiches guard against a wrong
        likelihood, and if the mean is wrong as well, only the observed information gives the variance of the estimate.
        ``"expected"`` is that of R's ``sandwich::vcovHC`` of a glm. With a canonical link the two are equal.

    Returns
    -------
    Inference
        Its header has AIC, BIC and the test against the null model (by F for least squares, as R's ``summary.lm``)
        only where the covariance takes the likelihood for true: ``"hessian"``, ``"expected"`` and ``"opg"``. A
        quasi-likelihood has no AIC and BIC.

    Raises
    ------
    ValueError
        If an argument is not valid, the combination asked for is not defined, or the estimate is not the optimum of
        these data.
    TypeError
        If the estimator is not known, or is a TransformedTargetRegressor.
    WorkingMemoryError
        If it has so many parameters that their covariance is beyond scikit-learn's ``working_memory``.

    Warns
    -----
    ConvergenceWarning
        If the estimate is more than 0.005 nats below the maximum for these data, or the model without columns fits
        better, because the fit ended at a local maximum.
    SeparationWarning
        If no finite maximum exists for the data of a scikit-learn estimator: coefficients that diverge have no standard
        error (nan), the others that of the limiting model, in which the separated rows are certain. Our own estimators
        warn in ``fit``.

    References
    ----------
    White (1980), A heteroskedasticity-consistent covariance matrix estimator, Econometrica 48. MacKinnon and White
    (1985), Some heteroskedasticity-consistent covariance matrix estimators, Journal of Econometrics 29 (HC1-HC3).
    Cameron and Miller (2015), A practitioner's guide to cluster-robust inference, Journal of Human Resources 50.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_mle.inference import infer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X = X[["bmi", "bp"]]
    >>> result = infer(LinearRegression().fit(X, y), X, y, covariance="HC3")
    >>> result.parameters
    ('intercept', 'bmi', 'bp', 'log_scale')
    >>> result.standard_errors.round(4)
    array([18.1555,  0.7233,  0.2375,  0.0286])
    >>> result.wald_test(["bmi", "bp"])
    Wald test: F(2, 439) = 211.062, p = 5.944e-65
    """
    check_choice("covariance", covariance, ("auto", *COVARIANCES))
    check_choice("weight_type", weight_type, (None, *WEIGHT_TYPES))
    check_choice("penalized", penalized, (None, "laplace", "sandwich"))
    check_choice("dispersion", dispersion, (None, "pearson"))
    check_choice("bread", bread, (None, "observed", "expected"))
    small_sample = as_bool("small_sample", small_sample)
    model, X = read_location("estimator", estimator, X)
    model.refuse_too_many_parameters()
    if X is None:
        given = (y, sample_weight, offset, groups, lags, penalized, dispersion, bread)
        if (
            any(value is not None for value in given)
            or covariance not in ("auto", "hessian")
            or weight_type not in (None, model.weight_type)
        ):
            raise ValueError(
                "infer needs X and y for anything but the model-based covariance of this library's estimators."
            )
        return _without_data(model, small_sample)
    if y is None:
        raise ValueError("infer needs y with X: the outcomes that the estimator was fitted to.")
    in_partitions = model.retained is not None and is_dask(X, y, sample_weight, offset)
    if not in_partitions:
        model, data = read_training(model, X, y, sample_weight, offset)
    weight_type = weight_type or model.weight_type
    options = {"covariance": covariance, "weight_type": weight_type, "penalized": penalized, "dispersion": dispersion}
    kind = _covariance_meant(model, options, bread)
    if (groups is None) == (kind in CLUSTERED):
        raise ValueError("groups and covariance='cluster' (or 'CR2', 'CR3') go together: give both or neither.")
    if lags is not None:
        check_count("lags", lags, 0)
        if kind != "HAC":
            raise ValueError(f"lags is for covariance='HAC'; got covariance={kind!r}.")
    if np.isneginf(model.coefficients).any() and model.likelihood.least_squares:
        raise ValueError("The fit was perfect: the scale is zero, so there is nothing to infer from its residuals.")
    with single_threaded_blas, np.errstate(all="ignore"):  # numbers beyond float64 show up in the gap
        if in_partitions:
            meant = None if weight_type == model.weight_type else weight_type
            refuse_in_partitions(model, kind, {"dispersion": dispersion, "groups": groups, "weight_type": meant})
            at: AtEstimate = AtPartitions.of_partitions(model, X, y, sample_weight, offset)
        else:
            model = with_dispersion(model, data, weight_type)
            at = AtEstimate.of(model, data, location_only=dispersion is not None)
        clusters = None if groups is None else clusters_of(at, groups)
        asked = Request(kind, bread, dispersion, small_sample, clusters, lags)
        limit = at_the_limit(at)
        curvature, judge, shares = covariance_of(limit, asked)
        gap = gap_of(limit, judge, curvature.divergent is not None and limit.unseen is None)
        size = small_sample_of(at, asked)
        trusted, notes = likelihood_is_trusted(model, asked)
        converged = gap <= NOTICEABLE_GAP and limit.unseen is None
        if model.retained is not None:
            converged = model.retained.converged
        fit = FitSummary(curvature, at.n_parameters, at.n_obs, at.log_likelihood, gap, converged)
        name = f"{kind} (posterior)" if penalized == "laplace" else kind
        header = header_of(model, name, fit, criteria=trusted)
        if at.data.sample_weight is not None:
            header["weights"] = weight_type
        if in_partitions:
            notes = (*notes, "Of rows in partitions the model without columns is not fitted beside it.")
        elif not (model.penalized or model.bias_reduced or model.location_of) and weight_type != "sampling":
            header |= against_the_null(at, asked, size, tested=trusted)
    return replace(_inference(model, curvature, size, header, *notes), shares=shares)


def wald_test(estimator: Any, X: Any, y: Any, R: Any, r: Any = 0.0, **options: Any) -> HypothesisTest:
    r"""Test the linear hypothesis R theta = r with the covariance that ``infer`` gives.

    .. math:: (R \hat\theta - r)^\top (R V R^\top)^{-1} (R \hat\theta - r) \sim \chi^2_k

    Parameters
    ----------
    estimator : fitted estimator
        As for ``infer``.
    X : array-like of shape (n_samples, n_features) or None
        As for ``infer``; None where the fit alone is enough.
    y : array-like of shape (n_samples,) or None
        As for ``infer``.
    R : array-like of shape (k, m) or (m,), str or sequence of str
        Rows of coefficients of the hypothesis; or names of the parameters, each of which is r; or equations,
        ``"bmi = bp"``, ``"bmi + 2*bp = 0"``.
    r : float or array-like of shape (k,), default=0.0
        What the rows of R times the parameters should be.
    **options
        Of ``infer``: covariance, groups, sample_weight, offset, ...

    Returns
    -------
    HypothesisTest
        The statistic, its degrees of freedom, and p, a probability.

    Raises
    ------
    ValueError, TypeError
        As ``infer`` and ``Inference.wald_test``.

    References
    ----------
    A. Wald (1943), Tests of statistical hypotheses concerning several parameters when the number of observations is
    large, Transactions of the American Mathematical Society 54.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import wald_test
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = MLELogisticClassifier().fit(X[["bmi", "bp"]], y > 140)
    >>> wald_test(model, X[["bmi", "bp"]], y > 140, ["bp"], covariance="HC0")
    Wald test: chi2(1) = 20.2603, p = 6.759e-06
    """
    return infer(estimator, X, y, **options).wald_test(R, r)


def _inference(
    model: FittedModel, curvature: Curvature, size: SmallSample, header: Mapping[str, Any], *notes: str
) -> Inference:
    """Return the inference on a model's own parameters."""
    entries = model.entries
    held = np.setdiff1d(entries, np.flatnonzero(curvature.parameters))
    if len(held):
        # These were estimated but are held fixed, on a boundary or by the kind of covariance: no error is known.
        units = np.eye(model.coefficients.size)[held].reshape(len(held), *model.coefficients.shape)
        divergent = units if curvature.divergent is None else np.concatenate([curvature.divergent, units])
        curvature = replace(curvature, divergent=divergent)
    curvature = curvature.inflated(size.multiple)
    combinations = np.eye(model.coefficients.size)[entries]
    estimates = model.coefficients.ravel()[entries]
    return Inference(model.labels, estimates, size.df, header, (*size.notes, *notes), model, curvature, combinations)


def _without_data(model: FittedModel, small_sample: bool) -> Inference:
    retained = model.retained
    if retained is None:
        raise ValueError(f"{model.name} keeps nothing for inference: use infer(estimator, X, y).")
    refuse("infer without data", model)
    if retained.curvature is None:
        raise ValueError(
            "The fit kept no curvature: it has more than "
            f"{MOST_KEPT} parameters, or the curvature was never formed or is not positive. Use infer(estimator, X, y)."
        )
    n, k = retained.n_obs, retained.n_parameters
    df = n - (k - model.n_constants)
    size = exact_sample(model, n, df) if model.exact and small_sample and df > 0 else SmallSample()
    notes, drift = [], retained.curvature.drift
    if drift > _WORTH_A_NOTE:
        notes.append(
            f"The curvature is that of a point {drift:.1g} standard errors from the estimate (a large fit): standard "
            f"errors are right to better than about {drift * math.sqrt(k / n):.1g} of themselves; "
            "infer(estimator, X, y) is exact."
        )
    return _inference(model, retained.curvature, size, header_of(model, "hessian", retained), *notes)


def _covariance_meant(model: FittedModel, options: Mapping[str, str | None], bread: str | None) -> str:
    """Return the covariance that is meant, or raise NotSupportedError where it is not defined."""
    refuse("infer", model, **options)
    kind = options["covariance"] or "auto"
    if options["dispersion"] is not None:
        kind = "expected"
    elif kind == "auto" and not model.likelihood.smooth:
        kind = "kernel"
    elif kind == "auto":
        of_location = model.location_of is not None and options["penalized"] != "laplace"
        sandwich = of_location or options["penalized"] == "sandwich" or options["weight_type"] == "sampling"
        kind = "HC0" if sandwich else "hessian"
    refuse("bread", model, bread=bread, covariance=kind)
    return kind
