"""Maximum likelihood beside scikit-learn's own estimators, on data sets that ship with scikit-learn.

Run by ``make demo``: prints tables and writes ``examples/output/heteroscedastic_fit.png``.
"""

import os
import textwrap
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.metrics import cross_entropy, entropy, kl_divergence, log_likelihood_scorer, neg_cross_entropy_scorer

matplotlib.use("Agg")

PICTURE = Path(__file__).parent / "output" / "heteroscedastic_fit.png"
COVERAGE = 0.9
HOW_TO_READ = """\
NLL, CE, KL and gap are in nats. NLL is the total over the training rows, and gap is how far the penalized NLL is above
the lowest in the table: both judge the fit. CE, KL and accuracy on the 30% of rows held out judge the model."""


@dataclass
class Fit:
    """One fitted estimator, what it cost, and whether it said that it had not converged."""

    name: str
    estimator: Any
    seconds: float
    converged: bool


def timed_fit(name: str, estimator, X, y, sample_weight=None) -> Fit:
    """Fit up to three times, as long as that takes less than a second, and keep the fastest: first calls warm up."""
    fit_params = {} if sample_weight is None else {"sample_weight": sample_weight}
    times: list[float] = []
    while not times or (len(times) < 3 and sum(times) < 1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = time.perf_counter()
            estimator.fit(X, y, **fit_params)
            times.append(time.perf_counter() - start)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return Fit(name, estimator, min(times), converged)


def log_proba(estimator, X):
    """Log-probabilities from the linear predictors: ``LogisticRegression.predict_log_proba`` can underflow to -inf."""
    eta = estimator.decision_function(X)
    if eta.ndim == 1:
        return np.column_stack([log_expit(-eta), log_expit(eta)])
    return log_softmax(eta, axis=1)


def print_table(title: str, header: Iterable[str], rows: Iterable[Iterable[str]], notes: str) -> None:
    """Print aligned columns, the first one to the left."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(f"\n{title}\n{'-' * len(title)}")
    for first, *rest in lines:
        numbers = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        print("  ".join([first.ljust(widths[0]), *numbers]))
    for note in notes.splitlines():
        print(textwrap.fill(note, 120))


def print_classifiers(title: str, fits: list[Fit], train, test, C: float, notes: str = "") -> None:
    """Compare fits of one objective: the total NLL of the training rows plus |coef|^2 / (2 C)."""
    (X_train, p_train), (X_test, p_test) = train, test
    nll = [len(p_train) * cross_entropy(p_train, log_proba(fit.estimator, X_train), log_proba=True) for fit in fits]
    objective = [value + np.sum(fit.estimator.coef_**2) / (2 * C) for value, fit in zip(nll, fits, strict=True)]
    rows = []
    for fit, total, value in zip(fits, nll, objective, strict=True):
        log_q = log_proba(fit.estimator, X_test)
        accuracy = np.mean(log_q.argmax(axis=1) == p_test.argmax(axis=1))
        rows.append(
            [
                fit.name + ("" if fit.converged else " (*)"),
                f"{total:.6f}",
                format_gap(value - min(objective)),
                f"{fit.seconds:.4f}",
                f"{cross_entropy(p_test, log_q, log_proba=True):.6f}",
                f"{kl_divergence(p_test, log_q, log_proba=True):.6f}",
                f"{accuracy:.3f}",
            ]
        )
    header = ["", "NLL train", "gap", "seconds", "CE test", "KL test", "accuracy"]
    entropy_note = f"Entropy of the test labels: {entropy(p_test):.6f} nats; CE = entropy + KL."
    certified = f"\nMLELogisticClassifier certifies its own gap: gap_ = {fits[0].estimator.gap_:.0e} (tol = 1e-8)."
    star = "" if all(fit.converged for fit in fits) else "\n(*) stopped with a ConvergenceWarning"
    print_table(title, header, rows, entropy_note + certified + star + notes)


def format_gap(gap: float) -> str:
    """One digit, down to what rounding lets a difference of two sums show."""
    return f"{gap:.0e}" if gap > 1e-12 else "< 1e-12"


def one_hot(y):
    """Labels 0..K-1 as rows of probabilities."""
    return np.eye(y.max() + 1)[y]


def why_no_pure_mle(X, y) -> str:
    """What our estimator says when it is asked for a maximum likelihood estimate that does not exist."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        MLELogisticClassifier().fit(X, y)
    return "".join(f"\nC=inf: {warning.category.__name__}: {warning.message}" for warning in caught)


def compare_on_labels(title: str, X, y, C: float, notes: str = "") -> None:
    """Fit ours and LogisticRegression, as it comes and at its most exact, to the same training rows."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    peers = {
        "LogisticRegression()": {},
        "... max_iter=10_000": {"max_iter": 10_000},
        '... solver="newton-cholesky"': {"solver": "newton-cholesky"},
        '... "newton-cholesky", tol=1e-10': {"solver": "newton-cholesky", "tol": 1e-10},
    }
    fits = [timed_fit("MLELogisticClassifier()", MLELogisticClassifier(C=C), X_train, y_train)]
    fits += [timed_fit(name, LogisticRegression(C=C, **params), X_train, y_train) for name, params in peers.items()]
    print_classifiers(title, fits, (X_train, one_hot(y_train)), (X_test, one_hot(y_test)), C, notes)


def compare_on_soft_labels(title: str, X, y, C: float) -> None:
    """Labels as probabilities; LogisticRegression needs every row K times, weighted."""
    soft = 0.9 * one_hot(y) + 0.1 / (y.max() + 1)
    X_train, X_test, p_train, p_test = train_test_split(X, soft, test_size=0.3, random_state=0, stratify=y)
    K = p_train.shape[1]
    expanded = (np.repeat(X_train, K, axis=0), np.tile(np.arange(K), len(X_train)), p_train.ravel())
    peers = {"LogisticRegression(), n K rows": {}, '... solver="newton-cholesky"': {"solver": "newton-cholesky"}}
    fits = [timed_fit("MLELogisticClassifier()", MLELogisticClassifier(C=C), X_train, p_train)]
    fits += [timed_fit(name, LogisticRegression(C=C, **params), *expanded) for name, params in peers.items()]
    print_classifiers(title, fits, (X_train, p_train), (X_test, p_test), C)


def compare_regressors(title: str, X, y) -> None:
    """The same linear mean, three noise models: what they forecast for held-out rows."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
    fits = [
        timed_fit("GaussianMLERegressor()", GaussianMLERegressor(), X_train, y_train),
        timed_fit('... scale="log_linear"', GaussianMLERegressor(scale="log_linear"), X_train, y_train),
        timed_fit("BayesianRidge()", BayesianRidge(), X_train, y_train),
    ]
    rows = [
        [
            fit.name,
            f"{-log_likelihood_scorer(fit.estimator, X_train, y_train):.4f}",
            f"{-log_likelihood_scorer(fit.estimator, X_test, y_test):.4f}",
            f"{r2_score(y_test, fit.estimator.predict(X_test)):.3f}",
            f"{fit.seconds:.4f}",
        ]
        for fit in fits
    ]
    header = ["", "NLL/row train", "NLL/row test", "R^2 test", "seconds"]
    print_table(title, header, rows, "NLL in nats per row, constants included.")


def search(title: str, X, y) -> None:
    """A grid over C in a pipeline, judged by cross-entropy."""
    rows = []
    for estimator in (MLELogisticClassifier(), LogisticRegression()):
        pipeline = make_pipeline(StandardScaler(), estimator)
        step = type(estimator).__name__.lower()
        grid = GridSearchCV(pipeline, {f"{step}__C": np.logspace(-3, 3, 13)}, scoring=neg_cross_entropy_scorer, cv=5)
        fit = timed_fit(type(estimator).__name__, grid, X, y)
        best_C = grid.best_params_[f"{step}__C"]
        rows.append([fit.name, f"{best_C:g}", f"{-grid.best_score_:.6f}", f"{fit.seconds:.2f}"])
    print_table(title, ["", "best C", "CE, 5-fold", "seconds"], rows, "13 values of C, 5 folds and a refit: 66 fits.")


def draw_heteroscedastic_fit(x, y) -> None:
    """Draw the predictive bands of a log-linear and of a constant scale over the patients."""
    X, grid = x[:, None], np.linspace(x.min(), x.max(), 200)
    constant = GaussianMLERegressor().fit(X, y)
    log_linear = GaussianMLERegressor(scale="log_linear").fit(X, y)
    gain = log_linear.log_likelihood_ - constant.log_likelihood_

    blue, orange = "#0072B2", "#D55E00"  # Okabe and Ito's palette: told apart with every kind of colour vision
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    axes.scatter(x, y, s=16, color="0.3", alpha=0.6, linewidths=0, label=f"{len(y)} patients")
    axes.plot(grid, log_linear.predict(grid[:, None]), color=blue, linewidth=2.5, label='mean, scale="log_linear"')
    band = log_linear.predict_interval(grid[:, None], coverage=COVERAGE).T
    axes.fill_between(grid, *band, color=blue, alpha=0.2, linewidth=0, label=f"{COVERAGE:.0%} predictive band")
    constant_band = constant.predict_interval(grid[:, None], coverage=COVERAGE)
    lines = axes.plot(grid, constant_band, color=orange, linestyle="--", linewidth=1.5)
    lines[0].set_label(f'{COVERAGE:.0%} band, scale="constant"')
    axes.set(xlabel="body mass index (kg/m²)", ylabel="disease progression after one year")
    axes.set_title(
        "Diabetes: the spread grows with body mass index\n"
        f"(one more parameter than a constant scale: {gain:.2f} nats more log-likelihood)",
        fontsize=12,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", frameon=False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    plt.close(figure)
    print(f"\nPicture: {os.path.relpath(PICTURE)}")


def main() -> None:
    """Print every table and draw the picture."""
    started = time.perf_counter()
    print(HOW_TO_READ)
    diabetes = load_diabetes(scaled=False)
    above_median = (diabetes.target > np.median(diabetes.target)).astype(int)
    cancer, digits = load_breast_cancer(return_X_y=True), load_digits(return_X_y=True)
    compare_on_labels("diabetes above its median: pure MLE (C=inf), raw units", diabetes.data, above_median, np.inf)
    compare_on_labels("breast_cancer: C=1, raw units", *cancer, 1.0, why_no_pure_mle(*cancer))
    compare_on_labels("digits: C=1, ten classes", *digits, 1.0, "\nC=inf: no finite MLE exists here, either.")
    compare_on_soft_labels("digits with soft labels (0.91 for the class, 0.01 for each other): C=1", *digits, 1.0)
    search("breast_cancer: grid search over C in a pipeline with StandardScaler", *cancer)
    compare_regressors("diabetes, progression: Gaussian models", diabetes.data, diabetes.target)
    bmi = diabetes.data[:, diabetes.feature_names.index("bmi")]
    draw_heteroscedastic_fit(bmi, diabetes.target)
    print(f"The demo took {time.perf_counter() - started:.0f} s.")


if __name__ == "__main__":
    main()
