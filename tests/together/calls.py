"""Every public call on a fit, its answers read in the coordinates of the unchanged problem: they are to be equal."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sklearn_mle.exceptions import ConvergenceWarning, NotSupportedError
from sklearn_mle.inference import (
    Quantile,
    anova,
    average_effects,
    average_predictions,
    contrasts,
    drop_one,
    infer,
    influence,
    likelihood_ratio_test,
    mean_interval,
    penalized_likelihood_ratio_test,
    probability_interval,
    profile_interval,
    residuals,
    score_test,
    wald_test,
)
from sklearn_mle.inference.capabilities import why_not
from sklearn_mle.metrics import get_scorer, get_scorer_names
from sklearn_mle.model_selection import compare
from tests.together.cases import Case, halves, rows_given, target_given
from tests.together.coordinates import Key, linear_part
from tests.together.levels import OF_PRECISIONS, has_dispersion, is_modelled, words_of

TESTED = "b"

# HAC is of rows in an order, which relations between fits change; see tests/inference/test_clusters.py.
COVARIANCES = ("auto", "hessian", "expected", "opg", "HC0", "HC1", "HC2", "HC3", "cluster", "CR2", "CR3", "kernel")
INFERRED = "infer, covariance='auto'"
PENALIZED = {"gaussian": "laplace", "gaussian on all": "laplace", "class weight": "sandwich"}
OF_THE_MODEL = ("auto", "hessian", "expected")
RECALIBRATED = ("discrimination", "neg_miscalibration")
COUNTS = ("poisson", "negative_binomial", "binomial")


@dataclass(frozen=True)
class Refused:
    """A call that the fitted model does not answer."""

    error: Exception


@dataclass(frozen=True)
class Parameters:
    """Estimates by predictor and column, and their covariance."""

    keys: tuple[Key, ...]
    estimates: np.ndarray
    covariance: np.ndarray


class Fit:
    """A fitted case, its data as they were handed over, and the calls on it."""

    def __init__(self, case: Case, folder: Any) -> None:
        self.case = case
        self.X = rows_given(case.X, case.names, case.storage, folder)
        self.new = rows_given(case.new_rows, case.names, case.storage, folder)
        self.y = target_given(case)
        given = {"sample_weight": case.weight, "offset": case.offset}
        self.rows = {name: value for name, value in given.items() if value is not None}
        self.new_offset = {} if case.new_offset is None else {"offset": case.new_offset}
        if case.storage == "dask":
            self.y = halves(self.y)
            self.rows = {name: halves(value) for name, value in self.rows.items()}
            self.new_offset = {name: halves(value) for name, value in self.new_offset.items()}
        self.offset = {name: value for name, value in self.rows.items() if name == "offset"}
        self.model = case.estimator().fit(self.X, self.y, **self.rows)

    # How numbers are read.

    def weights(self) -> np.ndarray:
        """Return the weights, one where there are none."""
        return np.ones(len(self.case.X)) if self.case.weight is None else self.case.weight

    def copies(self) -> np.ndarray:
        """Return how often the log-likelihood has each row: once, where weights divide a variance."""
        once = self.case.cell["weight"] == "precision" and has_dispersion(self.case.cell)
        return (self.weights() > 0).astype(float) if once else self.weights()

    def nats(self, found: float, copies: np.ndarray) -> float:
        """Return a log-likelihood of so many copies of rows in the unit that y had."""
        if self.case.is_classifier or self.case.model in COUNTS:
            return found
        of_density = self.case.y > 0 if self.case.model == "tweedie" else np.ones(len(copies))  # its zeros have a mass
        return found + np.log(self.case.at.unit) * float(copies @ of_density)

    def parameters(self, names: Any, estimates: Any, covariance: Any) -> Parameters:
        """Return parameters in the original coordinates."""
        case = self.case
        keys = [self._key(name) for name in names]
        theta = dict(zip(keys, np.asarray(estimates, dtype=float), strict=True))

        def change(of: dict[Key, float]) -> dict[Key, float]:
            return case.at.original(of, case.is_classifier)

        found = change(theta)
        matrix = linear_part(change, keys)
        order = sorted(range(len(found)), key=lambda k: list(found)[k])
        ordered = tuple(list(found)[k] for k in order)
        values = np.array([found[key] for key in ordered])
        moved = matrix @ np.asarray(covariance) @ matrix.T
        return Parameters(ordered, values, moved[np.ix_(order, order)])

    def _key(self, label: str) -> Key:
        """Return predictor and column of a parameter by its name."""
        case = self.case
        columns = {} if self.has_names else {f"x{j}": name for j, name in enumerate(case.names)}
        prefix, _, name = label.rpartition(": ")
        name = columns.get(name, name)
        if case.n_predictors > 1:
            assert case.labels is not None
            return case.labels.index(prefix), name
        if name != "intercept" and name not in case.names:
            return case.predictor_names.index(label), "intercept"  # a constant: log_scale and alike
        return (case.predictor_names.index(prefix) if prefix else 0), name

    @property
    def has_names(self) -> bool:
        """Whether the columns have names."""
        return hasattr(self.X, "columns")

    def classes(self, values: Any) -> np.ndarray:
        """Return values of classes, on the last axis, in the order of the unchanged problem."""
        assert self.case.labels is not None
        order = [list(self.model.classes_).index(label) for label in self.case.labels]
        return np.asarray(values)[..., order]

    def slope(self, values: Any) -> np.ndarray:
        """Return values of the tested slope (an interval, say) in the original coordinates."""
        at = self.case.at
        moved = at.sign * np.asarray(values, dtype=float) * at.scale.get(TESTED, 1.0) / (at.unit if at.affine else 1.0)
        return np.sort(moved)

    @property
    def tested(self) -> list[str]:
        """The names of the parameters that tests ask of: one slope, or one a class but the first."""
        place = self.case.names.index(TESTED)
        here = TESTED if self.has_names else f"x{place}"
        if self.case.n_predictors > 1:
            assert self.case.labels is not None
            return [f"{label}: {here}" for label in self.case.labels[1:]]
        return [f"{self.case.predictor_names[0]}: {here}" if is_modelled(self.case.cell) else here]

    @property
    def column(self) -> Any:
        """The tested column, as X has it: its name, or its place."""
        return TESTED if self.has_names else self.case.names.index(TESTED)

    def smaller(self) -> Any:
        """Return the fit without the tested column."""
        left = tuple(name for name in self.case.names if name != TESTED)
        return self.case.estimator(left).fit(self.without(), self.y, **self.rows)

    def without(self) -> Any:
        """Return X without the tested column."""
        place = self.case.names.index(TESTED)
        if self.has_names:
            return self.X.drop(columns=TESTED)
        return self.X[:, [j for j in range(len(self.case.names)) if j != place]]

    @property
    def penalized(self) -> dict[str, Any]:
        """How a penalized fit is to be read, as an argument."""
        return {"penalized": PENALIZED.get(self.case.cell["prior"])}

    def inferred(self, **options: Any) -> Any:
        """Return the inference from the data."""
        return infer(self.model, self.X, self.y, **{**self.rows, **self.penalized, **options})

    @cached_property
    def inference(self) -> Any:
        """The default one."""
        return self.inferred()

    def covariance(self, kind: str) -> Parameters:
        """Return the parameters with one kind of covariance."""
        groups = {"groups": self.case.group} if kind in ("cluster", "CR2", "CR3") else {}
        found = self.inferred(covariance=kind, **groups)
        return self.parameters(found.parameters, found.estimates, found.covariance)

    def answers(self) -> dict[str, Any]:
        """Return the answer to every call."""
        kind = "classifier" if self.case.is_classifier else "regressor"
        return {name: call(self) for name, call in CALLS.items() if getattr(call, kind)}


@dataclass(frozen=True)
class Call:
    """A public call.

    Attributes
    ----------
    ask : callable
        From a ``Fit`` to the answer in original coordinates.
    words : str
        The call and its options, as the table of capabilities has them; empty where every fit can answer.
    classifier, regressor : bool
        Of which it is.
    of_rows : bool
        Whether the answer depends on what is one row: a row of five trials is not five rows.
    of_null : bool
        Whether it depends on the model without columns.
    of_default : bool
        Whether it takes the default covariance: a sandwich, and so of rows, where weights of classes ask for one.
    of_memory : bool
        Whether it may refuse rows of Dask's.
    of_whole_numbers : bool
        Whether fractions of binomial counts have no answer: probabilities are of counts.
    of_counts : bool
        Whether weights that divide a dispersion have no answer: they are no numbers of rows.
    of_order : bool
        Whether three or more classes are recalibrated one after the other.
    """

    ask: Callable[[Fit], Any]
    words: str = ""
    classifier: bool = True
    regressor: bool = True
    of_rows: bool = False
    of_null: bool = False
    of_default: bool = False
    of_memory: bool = False
    of_whole_numbers: bool = False
    of_counts: bool = False
    of_order: bool = False

    def unanswered(self, case: Case) -> str | None:
        """Return why the fit has no answer, as the table of capabilities says; None where it has one."""
        if self.of_counts and case.cell["weight"] == "precision" and case.cell["model"] in OF_PRECISIONS:
            return "precisions are no counts"
        asked = set(self.words.split(", ")) | words_of(case.cell)
        if "infer" in asked:
            asked |= {f"penalized={PENALIZED.get(case.cell['prior'])!r}"}
        return why_not(asked)

    def __call__(self, fit: Fit) -> Any:
        """Return the answer, or the refusal."""
        try:
            return self.ask(fit)
        except (ValueError, TypeError, NotImplementedError) as error:
            return Refused(error)


def _summary(fit: Fit) -> Parameters:
    table, covariance = fit.model.summary().to_frame(), fit.model.parameter_covariance()
    np.testing.assert_allclose(table["standard error"], np.sqrt(np.diag(covariance)), rtol=1e-12)
    return fit.parameters(table.index, table["estimate"], covariance)


def _header(fit: Fit) -> np.ndarray:
    header = fit.inference.header
    nats = fit.nats(header["log-likelihood"], fit.copies())
    k = header["parameters"]
    n = header["observations"]
    moved = nats - header["log-likelihood"]
    return np.array([nats, k, n, header["AIC"] - 2 * moved, header["BIC"] - 2 * moved])


def _null(fit: Fit) -> np.ndarray:
    if fit.case.storage == "dask":
        raise NotSupportedError("the model without columns is fitted beside rows in memory")
    header = fit.inference.header
    names = [name for name in header if "LR" in name or "R2" in name]
    if not (fit.case.is_classifier or fit.case.model in COUNTS):
        names = [name for name in names if "pseudo" not in name]
    return np.array([header[name] for name in names])


def _prediction(name: str, **options: Any) -> Callable[[Fit], Any]:
    def ask(fit: Fit) -> np.ndarray:
        found = getattr(fit.model, name)(fit.new, **options, **fit.new_offset)
        return np.asarray(found) / fit.case.at.unit

    return ask


def _std(fit: Fit) -> np.ndarray:
    return np.asarray(fit.model.predict(fit.new, return_std=True, **fit.new_offset)[1]) / fit.case.at.unit


def _mean_interval(fit: Fit) -> np.ndarray:
    return mean_interval(fit.inference, fit.new, **fit.new_offset) / fit.case.at.unit


def _average(fit: Fit) -> np.ndarray:
    found = average_predictions(fit.inference, fit.X, sample_weight=fit.case.weight, **fit.offset)
    answer = np.stack([found.estimates, found.standard_errors]) / fit.case.at.unit
    if fit.case.n_predictors > 1:
        return fit.classes(answer)
    if fit.case.is_classifier and fit.case.at.sign < 0:
        answer[0] = 1 - answer[0]  # of the other class
    return answer


def _effect(fit: Fit, found: Any, per: float) -> np.ndarray:
    """Return estimates and standard errors of the tested column's effect, for each class in its order."""
    answer = np.stack([found.estimates, found.standard_errors]) * per / fit.case.at.unit
    if fit.case.n_predictors > 1:
        return fit.classes(answer)
    return answer * np.array([[fit.case.at.sign], [1.0]])


def _slope(fit: Fit) -> np.ndarray:
    given = {"sample_weight": fit.case.weight, **fit.offset}
    return _effect(fit, average_effects(fit.inference, fit.X, fit.column, **given), fit.case.at.scale.get(TESTED, 1.0))


def _contrast(fit: Fit) -> np.ndarray:
    at = fit.case.at
    values = [at.scale.get(TESTED, 1.0) * value + at.origin.get(TESTED, 0.0) for value in (-0.5, 1.0)]
    given = {"sample_weight": fit.case.weight, **fit.offset}
    return _effect(fit, contrasts(fit.inference, fit.X, {fit.column: values}, **given), 1.0)


def _quantile(fit: Fit) -> np.ndarray:
    found = average_predictions(fit.inference, fit.X, of=Quantile(0.7), sample_weight=fit.case.weight, **fit.offset)
    return found.estimates / fit.case.at.unit


def _distribution(fit: Fit) -> np.ndarray:
    distribution = fit.model.predict_distribution(fit.X, **fit.offset)
    y = np.asarray(fit.y)
    if y.ndim == 2:
        distribution, y = fit.model.predict_distribution(fit.new, **fit.new_offset), np.zeros(len(fit.case.new_rows))
        return np.asarray(distribution.cdf(y))
    return np.average(np.asarray(distribution.cdf(y)), weights=fit.case.weight)


def _sample(fit: Fit) -> np.ndarray:
    found = fit.model.sample(fit.new, 3, random_state=0, **fit.new_offset)
    assert np.isfinite(found).all() and found.shape == (len(fit.case.new_rows), 3)
    return np.zeros(0)


def _score_test(fit: Fit) -> np.ndarray:
    test = score_test(fit.model, fit.X, fit.y, fit.case.extra, **fit.rows)
    return np.array([test.statistic, test.df])


def _ratio(fit: Fit) -> np.ndarray:
    test = likelihood_ratio_test(fit.smaller(), fit.model, (fit.without(), fit.X), fit.y, **fit.rows)
    return np.array([test.statistic, test.df])


def _penalized_ratio(fit: Fit) -> np.ndarray:
    place = fit.case.names.index(TESTED)
    name = TESTED if fit.has_names else f"x{place}"
    return np.array(penalized_likelihood_ratio_test(fit.model, fit.X, fit.y, name, **fit.rows).statistic)


def _wald(fit: Fit) -> np.ndarray:
    options = {**fit.rows, **fit.penalized}
    return np.array(wald_test(fit.model, fit.X, fit.y, fit.tested, **options).statistic)


def _term(table: Callable[..., Any], **options: Any) -> Callable[[Fit], Any]:
    """Return how the tested column's row is read in a table of terms."""

    def ask(fit: Fit) -> np.ndarray:
        given = fit.rows | (options and fit.penalized)
        found = table(fit.model, fit.X, fit.y, **given, **options)
        row = found.index.index(str(fit.column))
        return np.array([found.columns["df"][row], found.columns["F" if "F" in found.columns else "chi2"][row]])

    return ask


def _profile(fit: Fit) -> np.ndarray:
    with warnings.catch_warnings():
        # An end is nan where another parameter reaches its own bound on the way: of the other fit, too.
        warnings.filterwarnings("ignore", ".*could not be followed to the ends", ConvergenceWarning)
        found = profile_interval(fit.model, fit.X, fit.y, fit.tested[0], n_points=0, **fit.rows)
    return fit.slope([found.lower, found.upper])


def _scorer(name: str) -> Callable[[Fit], Any]:
    def ask(fit: Fit) -> Any:
        found = get_scorer(name)(fit.model, fit.X, fit.y, **fit.rows)
        if name == "log_likelihood":
            return fit.nats(found, fit.copies() / fit.copies().sum())
        return found / fit.case.at.unit

    return ask


def _compare(fit: Fit) -> np.ndarray:
    fold = fit.case.fold
    folds = [(np.flatnonzero(fold != 0), np.flatnonzero(fold == 0))]
    found = compare({"model": fit.case.estimator()}, fit.X, fit.y, cv=folds, **fit.rows)
    mean, error = found.score("model")
    scored = fit.weights() * (fold == 0)
    nats = fit.nats(mean, scored / scored.sum())
    # The zeros of tweedie have no unit, so that rows differ by it.
    return np.array([nats] if fit.case.model == "tweedie" else [nats, error])


def _total(name: str) -> Callable[[Fit], Any]:
    def ask(fit: Fit) -> Any:
        found = getattr(fit.model, name)(fit.X, fit.y, **fit.rows)
        if name == "log_likelihood":
            return fit.nats(found, fit.copies())
        return found / fit.case.at.unit**fit.case.at.deviance_power if name == "deviance" else found

    return ask


def _decision(fit: Fit) -> np.ndarray:
    found = fit.model.decision_function(fit.new, **fit.new_offset)
    return fit.classes(found) if fit.case.n_predictors > 1 else fit.case.at.sign * np.asarray(found)


def _probabilities(name: str) -> Callable[[Fit], Any]:
    return lambda fit: fit.classes(getattr(fit.model, name)(fit.new, **fit.new_offset))


def _labels(fit: Fit) -> np.ndarray:
    assert fit.case.labels is not None
    return np.array(
        [fit.case.labels.index(label) for label in np.asarray(fit.model.predict(fit.new, **fit.new_offset))]
    )


def _probability_interval(fit: Fit) -> np.ndarray:
    found = probability_interval(fit.inference, fit.new, **fit.new_offset)
    return fit.classes(np.moveaxis(found, 1, -1))


def _influence(fit: Fit) -> np.ndarray:
    found = influence(fit.model, fit.X, fit.y, **fit.rows)
    once = fit.case.cell["weight"] in ("precision", "sampling")
    copies = (fit.weights() > 0).astype(float) if once else fit.weights()
    # Without a row of leverage one, some direction has nothing left: nan, as documented, or mostly rounding.
    copies = np.where((found.leverage < 1) | (found.covariance_ratio < 1e3), copies, 0)
    each = np.stack([found.leverage, found.cooks_distance, np.log(found.covariance_ratio)])
    assert np.isfinite(each[:, copies > 0]).all()
    return np.nansum(np.where(copies > 0, copies * each, 0), axis=1)


def _studentized(fit: Fit) -> np.ndarray:
    found = residuals(fit.model, fit.X, fit.y, kind="studentized", **fit.rows)
    copies = fit.copies()
    return np.array(np.average(np.abs(found[copies > 0]), weights=copies[copies > 0]))


def _residuals(fit: Fit) -> np.ndarray:
    found = residuals(fit.model, fit.X, fit.y, **fit.rows)
    # Where the scale has columns, they are at each row's own.
    power = 0 if is_modelled(fit.case.cell) else fit.case.at.deviance_power
    return np.array(fit.copies() @ np.square(found) / fit.case.at.unit**power)


def _quantile_residuals(fit: Fit) -> np.ndarray:
    found = residuals(fit.model, fit.X, fit.y, kind="quantile", **fit.rows)
    copies = fit.copies()
    assert np.isfinite(found[copies > 0]).all()
    if fit.case.model in (*COUNTS, "tweedie"):
        return np.zeros(0)  # what is drawn within the probability of an outcome depends on the row's place
    return np.array(copies[copies > 0] @ np.square(found[copies > 0]))


CALLS: dict[str, Call] = {
    "predict": Call(_prediction("predict"), classifier=False),
    "predict, with its deviation": Call(_std, classifier=False),
    "predict_quantile": Call(_prediction("predict_quantile", q=[0.2, 0.5, 0.9]), classifier=False),
    "predict_interval": Call(_prediction("predict_interval"), classifier=False),
    "predict_interval, uncertain": Call(
        _prediction("predict_interval", include_parameter_uncertainty=True), "infer without data", classifier=False
    ),
    "predict_distribution": Call(_distribution, classifier=False, of_rows=True),
    "sample": Call(_sample, "", of_memory=True, classifier=False),
    "mean_interval": Call(_mean_interval, INFERRED, of_memory=True, classifier=False, of_default=True),
    "average_predictions, of a quantile": Call(
        _quantile, f"{INFERRED}, quantile_effects", of_memory=True, classifier=False, of_default=True, of_rows=True
    ),
    "score, of means": Call(_total("score"), classifier=False, of_rows=True),
    "deviance": Call(_total("deviance"), classifier=False, of_rows=True),
    "d2_score": Call(_total("d2_score"), "d2_score", of_memory=True, classifier=False, of_rows=True, of_null=True),
    "predict, labels": Call(_labels, regressor=False),
    "predict_proba": Call(_probabilities("predict_proba"), regressor=False),
    "predict_log_proba": Call(_probabilities("predict_log_proba"), regressor=False),
    "decision_function": Call(_decision, regressor=False),
    "probability_interval": Call(_probability_interval, INFERRED, of_memory=True, regressor=False, of_default=True),
    "score, of labels": Call(_total("score"), regressor=False),
    "penalized_likelihood_ratio_test": Call(
        _penalized_ratio, "penalized_likelihood_ratio_test", of_memory=True, regressor=False
    ),
    "average_predictions": Call(_average, INFERRED, of_memory=True, of_default=True, of_rows=True),
    "average_effects": Call(_slope, INFERRED, of_memory=True, of_default=True, of_rows=True),
    "contrasts": Call(_contrast, INFERRED, of_memory=True, of_default=True, of_rows=True),
    "log_likelihood": Call(_total("log_likelihood"), of_rows=True),
    "log_likelihood_": Call(lambda fit: np.array(fit.nats(fit.model.log_likelihood_, fit.copies())), of_rows=True),
    "aic": Call(lambda fit: np.array(fit.model.aic() - 2 * fit.nats(0.0, fit.copies())), "aic", of_rows=True),
    "bic": Call(lambda fit: np.array(fit.model.bic() - 2 * fit.nats(0.0, fit.copies())), "bic", of_rows=True),
    "degrees of freedom": Call(lambda fit: np.array([fit.model.n_obs_, fit.model.df_resid_]), of_rows=True),
    "summary": Call(_summary, "infer without data"),
    "header": Call(_header, INFERRED, of_memory=True, of_rows=True),
    "against the null": Call(_null, INFERRED, of_memory=True, of_null=True, of_rows=True),
    **{
        f"infer, {kind}": Call(
            lambda fit, kind=kind: fit.covariance(kind),
            f"infer, covariance={kind!r}",
            of_memory=True,
            of_rows=kind not in OF_THE_MODEL,
            of_default=kind == "auto",
        )
        for kind in COVARIANCES
    },
    "infer, pearson": Call(
        lambda fit: (lambda found: fit.parameters(found.parameters, found.estimates, found.covariance))(
            fit.inferred(dispersion="pearson")
        ),
        "infer, covariance='auto', dispersion='pearson'",
        of_memory=True,
        of_rows=True,
    ),
    "influence": Call(_influence, "influence, deletion_residual='pearson'", of_memory=True, of_rows=True),
    "residuals": Call(_residuals, "residuals, kind='deviance'", of_memory=True, of_rows=True),
    "residuals, studentized": Call(_studentized, "residuals, kind='studentized'", of_memory=True, of_rows=True),
    "residuals, quantile": Call(
        _quantile_residuals,
        "residuals, kind='quantile'",
        of_memory=True,
        of_rows=True,
        of_whole_numbers=True,
        classifier=False,
    ),
    "wald_test": Call(_wald, INFERRED, of_memory=True, of_default=True),
    "score_test": Call(_score_test, "score_test", of_memory=True),
    "likelihood_ratio_test": Call(_ratio, "likelihood_ratio_test", of_memory=True),
    "anova": Call(_term(anova), "anova", of_memory=True),
    "anova, by Wald": Call(_term(anova, test="wald"), INFERRED, of_memory=True, of_default=True),
    "drop_one": Call(_term(drop_one), "anova", of_memory=True),
    "profile_interval": Call(_profile, "profile_interval", of_memory=True),
    "compare": Call(_compare, of_memory=True, of_whole_numbers=True, of_rows=True, of_counts=True),
    **{
        f"scorer, {name}": Call(
            _scorer(name),
            classifier=name != "neg_crps",
            regressor=name in ("neg_crps", "log_likelihood"),
            of_memory=True,
            of_rows=True,
            of_whole_numbers=name == "log_likelihood",
            of_counts=name != "log_likelihood",
            of_order=name in RECALIBRATED,
        )
        for name in get_scorer_names()
    },
}
