"""Calibration: test cross-entropy of the library's methods beside scikit-learn's, on the same fold models.

Every base is fitted once per fold. Our methods fit one map to the predictions of all held-out rows, apply it to every
fold model and take the geometric mean, as ``LikelihoodCalibratedClassifier`` does. Scikit-learn's fit one calibrator to
each fold model, and average what these say, as ``CalibratedClassifierCV(ensemble=True)`` does. Calibrators of other
packages are fitted where ours are, if they are installed.
"""

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_mle.meta_estimators._calibration_methods import METHODS, fit_map, pooled_logarithms
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows
from sklearn_mle.meta_estimators._class_probabilities import class_probabilities
from sklearn_mle.metrics import cross_entropy_decomposition

Array = NDArray[Any]

DEFAULT = "spline_matrix"
THEIRS = ("sigmoid", "isotonic", "temperature")
_TRAIN, _TEST, _FOLDS = 3000, 5000, 5
_TINY = 1e-15  # what scikit-learn's log_loss takes for zero; ours says infinity


def data_sets(folder: Path | None) -> dict[str, tuple[Array, Array]]:
    """Return X and the codes of y by name: scikit-learn's, and those of a folder."""
    sets = {"digits": load_digits(return_X_y=True), "breast cancer": load_breast_cancer(return_X_y=True)}
    sets["wine"] = load_wine(return_X_y=True)
    for name, n_classes in (("synthetic, 3", 3), ("synthetic, 12", 12)):
        how = {"n_informative": 8, "n_redundant": 6, "n_clusters_per_class": 2, "flip_y": 0.05, "class_sep": 1.2}
        sets[name] = make_classification(12_000, 20, n_classes=n_classes, random_state=0, **how)
    if folder is not None:
        sets |= _of_folder(folder)
    return {name: (X, np.unique(y, return_inverse=True)[1]) for name, (X, y) in sets.items()}


def _of_folder(folder: Path) -> dict[str, tuple[Array, Array]]:
    adult = pd.read_csv(folder / "adult.csv.gz")
    labels = adult.pop("income").to_numpy()
    numbers = adult.apply(lambda column: column if column.dtype.kind in "if" else pd.factorize(column)[0])
    quality = pd.read_csv(folder / "uci" / "wine.csv.gz")
    protein = pd.read_csv(folder / "uci" / "protein-structure.csv.gz")
    distance = protein.pop("RMSD").to_numpy()
    fifths = np.searchsorted(np.quantile(distance, [0.2, 0.4, 0.6, 0.8]), distance)
    return {
        "adult": (numbers.to_numpy(dtype=float), labels),
        "wine quality": (quality.iloc[:, :-1].to_numpy(dtype=float), quality.iloc[:, -1].to_numpy()),
        "protein, fifths": (protein.to_numpy(dtype=float), fifths),
    }


def bases(seed: int) -> dict[str, Any]:
    """Return the classifiers that are calibrated."""
    return {
        "naive Bayes": GaussianNB(),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "SVC": make_pipeline(StandardScaler(), SVC()),
        "forest": RandomForestClassifier(100, random_state=seed),
        "boosting": HistGradientBoostingClassifier(random_state=seed),
    }


class Cell:
    """One data set, split and base: the fold models, and what they say of held-out and of test rows."""

    def __init__(self, X: Array, y: Array, base: Any, seed: int) -> None:
        many = len(y) > _TRAIN + _TEST
        sizes = {"train_size": _TRAIN, "test_size": _TEST} if many else {"train_size": 0.7}
        train, test = train_test_split(np.arange(len(y)), random_state=seed, stratify=y, **sizes)
        self.X, self.y, self.X_test, self.y_test = X[train], y[train], X[test], y[test]
        self.classes = np.unique(y)
        folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
        self.models = [
            (clone(base).fit(self.X[fit], self.y[fit]), held_out) for fit, held_out in folds.split(self.X, self.y)
        ]
        self.held_out = np.zeros((len(self.y), len(self.classes)))
        for model, rows in self.models:
            self.held_out[rows] = class_probabilities(model, self.X[rows], rows, self.classes)
        self.each = [class_probabilities(model, self.X_test, test, self.classes) for model, _ in self.models]
        self.mean = np.mean(self.each, axis=0)

    def ours(self, method: str) -> Array:
        """Return test log-probabilities of one of our methods."""
        fitted = fit_map(method, CalibrationRows.of(self.held_out, self.y))
        return pooled_logarithms([fitted.log_probabilities(probability) for probability in self.each])

    def scikit_learn(self, method: str) -> Array:
        """Return test log-probabilities of one of scikit-learn's methods."""
        total = np.zeros(self.mean.shape)
        for model, rows in self.models:
            # All held-out rows as one fold: a model that is fitted already is not refitted.
            whole = np.arange(len(rows))
            one = CalibratedClassifierCV(FrozenEstimator(model), method=method, cv=[(whole, whole)], ensemble=False)
            total += one.fit(self.X[rows], self.y[rows]).predict_proba(self.X_test)
        return np.log(np.maximum(total / len(self.models), _TINY))

    def other(self, calibrator: Any) -> Array:
        """Return test log-probabilities of a calibrator with fit and predict_proba, or transform."""
        calibrator.fit(self.held_out, self.y)
        predict = getattr(calibrator, "predict_proba", None) or calibrator.transform
        each = [np.asarray(predict(probability), dtype=float) for probability in self.each]
        each = [np.stack([1 - one, one], axis=1) if one.ndim == 1 else one for one in each]
        return pooled_logarithms([np.log(np.maximum(one / one.sum(axis=1, keepdims=True), _TINY)) for one in each])


def methods() -> dict[str, Callable[[Cell], Array]]:
    """Return what is compared, by name."""
    found: dict[str, Callable[[Cell], Array]] = {"uncalibrated": lambda cell: np.log(np.maximum(cell.mean, _TINY))}
    found |= {f"scikit-learn {name}": lambda cell, name=name: cell.scikit_learn(name) for name in THEIRS}
    if importlib.util.find_spec("probmetrics"):
        from probmetrics.calibrators import get_calibrator

        for name in ("temp-scaling", "logistic", "sms"):
            found[f"probmetrics {name}"] = lambda cell, name=name: cell.other(get_calibrator(name))
    if importlib.util.find_spec("netcal"):
        from netcal.scaling import TemperatureScaling

        found["netcal temperature"] = lambda cell: cell.other(TemperatureScaling())
    return found | {name: lambda cell, name=name: cell.ours(name) for name in METHODS}


def run(folder: Path | None, splits: int, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield the scores of each method in each cell."""
    for data, (X, y) in data_sets(folder).items():
        for seed in range(splits):
            for name, base in bases(seed).items():
                if quick and (name not in ("naive Bayes", "logistic") or len(y) > 1000):
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # rare classes, and bases that did not converge
                    yield from _scores(Cell(X, y, base, seed), {"data": data, "base": name, "split": seed})


def _scores(cell: Cell, where: dict[str, Any]) -> Iterator[dict[str, Any]]:
    own = np.arange(len(cell.y_test)), cell.y_test
    for method, predict in methods().items():
        start = time.perf_counter()
        try:
            logs = predict(cell)
        except ValueError as error:
            print(f"{where}: {method} failed: {error}")
            continue
        seconds = time.perf_counter() - start
        parts = cross_entropy_decomposition(
            cell.y_test, logs, labels=cell.classes, log_proba=True, strategy="classwise"
        )
        yield where | {
            "method": method,
            "seconds": seconds,
            "cross_entropy": -logs[own].mean(),
            "miscalibration": parts.miscalibration,
            "discrimination": parts.discrimination,
        }


def report(scores: pd.DataFrame) -> str:
    """Return the table of means: each method over all cells, its difference from the default, and by data set."""
    cells = ["data", "base", "split"]
    wide = scores.pivot(index=cells, columns="method", values="cross_entropy").dropna()
    order = wide.mean().sort_values().index
    by_data = wide.groupby("data").mean()
    means = scores.groupby("method")[["miscalibration", "discrimination", "seconds"]].mean()
    head = ["method", "mean", "minus default", *by_data.index, "miscal.", "discrim.", "s"]
    lines = [f"{len(wide)} cells", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for method in order:
        difference = wide[method] - wide[DEFAULT]
        error = difference.std() / np.sqrt(len(wide)) if len(wide) > 1 else np.nan
        against = "" if method == DEFAULT else f"{difference.mean():.4f} ± {error:.4f}"
        row = [method, f"{wide[method].mean():.4f}", against, *(f"{value:.4f}" for value in by_data[method])]
        row += [f"{value:.4f}" for value in means.loc[method, ["miscalibration", "discrimination"]]]
        lines.append("| " + " | ".join([*row, f"{means.loc[method, 'seconds']:.2f}"]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, help="folder with adult.csv.gz and uci/: three more data sets")
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="small data and two bases: a test of the wiring")
    options = parser.parse_args()
    scores = pd.DataFrame(run(options.data_dir, 1 if options.quick else options.splits, options.quick))
    print(report(scores))


if __name__ == "__main__":
    main()
