"""Fits of ``LikelihoodCalibratedClassifier`` beside ``CalibratedClassifierCV``: processor time on the same folds.

    OMP_NUM_THREADS=1 python -m benchmarks.calibration_speed

The shortest processor time of each, in one process and in turns, for two to 26 classes and three bases.
"""

import argparse
import time
import warnings
from functools import partial
from typing import Any

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB

from benchmarks.timing import in_turns
from sklearn_mle import LikelihoodCalibratedClassifier

__all__ = ["measure"]

CLASSES, ROWS = (2, 3, 5, 12, 26), (1_000, 10_000)
BASES = {
    "GaussianNB": GaussianNB(),
    "LogisticRegression": LogisticRegression(),
    "RandomForest": RandomForestClassifier(random_state=0),
}
OURS, THEIRS = ("spline_matrix", "spline", "temperature"), ("sigmoid", "isotonic", "temperature")


def measure(base: Any, n: int, n_classes: int, repeats: int) -> dict[str, float]:
    """Return seconds of each fit, by whose it is and its method."""
    X, y = make_classification(
        n, 20, n_informative=10, n_classes=n_classes, n_clusters_per_class=1, flip_y=0.1, random_state=0
    )
    folds = list(StratifiedKFold(5).split(X, y))
    calls = {}
    for method in OURS:
        calls[f"ours {method}"] = partial(LikelihoodCalibratedClassifier(clone(base), method, cv=folds).fit, X, y)
    for method in THEIRS:
        calls[f"theirs {method}"] = partial(CalibratedClassifierCV(clone(base), method=method, cv=folds).fit, X, y)
    return in_turns(calls, repeats, time.process_time)


def main() -> None:
    """Print a table from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bases", default=",".join(BASES))
    parser.add_argument("--classes", default=",".join(map(str, CLASSES)))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    head = ["base", "rows", "classes", *(f"ours {m}" for m in OURS), *(f"theirs {m}" for m in THEIRS)]
    head += ["default / their cheapest", "default / their dearest"]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for name in options.bases.split(","):
        for n in ROWS:
            for n_classes in map(int, options.classes.split(",")):
                seconds = measure(BASES[name], n, n_classes, options.repeats)
                theirs = [seconds[f"theirs {method}"] for method in THEIRS]
                ours = seconds["ours spline_matrix"]
                told = [f"{1e3 * value:.0f}" for value in seconds.values()]
                told += [f"{ours / min(theirs):.2f}", f"{ours / max(theirs):.2f}"]
                print(f"| {name} | {n:,} | {n_classes} | " + " | ".join(told) + " |", flush=True)


if __name__ == "__main__":
    main()
