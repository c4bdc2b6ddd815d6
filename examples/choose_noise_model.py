"""Which noise model do the data choose? A grid search over likelihoods, judged on rows that they were not fitted to.

Run by ``make demo``: prints a table and writes ``examples/output/noise_models_diabetes.png``. If the environment
variable SKLEARN_MLE_DATA names a folder that has ``california_housing.csv.gz`` (block groups of the 1990 census, 20,640
rows), the same is done for it.
"""

import csv
import gzip
import os
import time
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_mle import MLERegressor
from sklearn_mle.likelihoods import AsymmetricLaplace, Huber
from sklearn_mle.metrics import log_likelihood_scorer, pit_values

matplotlib.use("Agg")

OUTPUT = Path(__file__).parent / "output"
CALIFORNIA = "california_housing.csv.gz"
FOLDS = KFold(5, shuffle=True, random_state=0)
BINS = 10
# The loss that each of them is, for those who come from there.
LIKELIHOODS = {
    "gaussian": "squared error",
    "laplace": "absolute error",
    AsymmetricLaplace(quantile=0.3): "quantile loss",
    Huber(): "Huber's loss",
    "student_t": "heavy tails",
    "logistic": "log cosh, nearly",
    "gumbel": "largest values",
    "gamma": "gamma deviance",
    "inverse_gaussian": "inverse Gaussian deviance",
    "lognormal": "squared error of logs",
    "weibull": "lifetimes",
}


def name_of(likelihood) -> str:
    """Return a likelihood's name, as a user would write it."""
    return likelihood if isinstance(likelihood, str) else repr(likelihood)


def search(X, y) -> GridSearchCV:
    """Search all likelihoods, with one scale for all rows and with a scale whose logarithm is linear in X."""
    grid = {"likelihood": list(LIKELIHOODS), "predictors": [None, "linear"]}
    return GridSearchCV(MLERegressor(), grid, scoring=log_likelihood_scorer, cv=FOLDS).fit(X, y)


def print_ranking(title: str, found: GridSearchCV) -> list[tuple[dict, float]]:
    """Print the models from the best to the worst, and return the better of each likelihood's two."""
    scores, spread = found.cv_results_["mean_test_score"], found.cv_results_["std_test_score"]
    print(f"\n{title}\n{'-' * len(title)}")
    print(f"{'NLL per row':>11} {'+-':>7}  {'scale':8} likelihood")
    best: list[tuple[dict, float]] = []
    for index in np.argsort(-scores, kind="stable"):
        params = found.cv_results_["params"][index]
        loss = LIKELIHOODS[params["likelihood"]]
        name = name_of(params["likelihood"])
        print(f"{-scores[index]:11.4f} {spread[index]:7.4f}  {params['predictors'] or 'constant':8} {name} ({loss})")
        if all(other["likelihood"] is not params["likelihood"] for other, _ in best):
            best.append((params, -scores[index]))
    print("NLL in nats, constants included, on the rows left out; +- is the standard deviation over five folds.")
    return best


def held_out_pit(params: dict, X, y) -> np.ndarray:
    """Return for each row the probability that the model gave to outcomes no larger, fitted without the row's fold."""
    pit = np.empty(len(y))
    for train, test in FOLDS.split(X):
        model = clone(MLERegressor(**params)).fit(X[train], y[train])
        pit[test] = pit_values(y[test], model.predict_distribution(X[test])).mean(axis=1)
    return pit


def draw(title: str, ranked: list[tuple[dict, float]], X, y, path: Path) -> None:
    """Draw the histogram of the probability integral transform for every likelihood: flat, if the model is right."""
    blue, orange = "#0072B2", "#D55E00"  # Okabe and Ito's palette: told apart with every kind of colour vision
    columns = 4
    rows = -(-len(ranked) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(11, 2.5 * rows), sharex=True, sharey=True, layout="constrained")
    noise = 2 * np.sqrt((BINS - 1) / len(y))  # two standard errors of a bin's height
    for panel, (params, nll) in zip(axes.flat, ranked, strict=False):
        heights, edges = np.histogram(held_out_pit(params, X, y), bins=BINS, range=(0, 1), density=True)
        panel.axhspan(1 - noise, 1 + noise, color="0.85", linewidth=0)
        panel.stairs(heights, edges, fill=True, color=orange if params is ranked[0][0] else blue, alpha=0.65)
        panel.axhline(1, color="0.4", linewidth=1)
        scale = ", log-linear scale" if params["predictors"] else ""
        panel.set_title(f"{name_of(params['likelihood'])}\n{nll:.4f} nats per row{scale}", fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in axes.flat[len(ranked) :]:
        panel.set_visible(False)
    figure.supxlabel("probability that the forecast gave to outcomes no larger than what happened", fontsize=10)
    figure.suptitle(
        f"{title}: the noise models from the best to the worst, on rows left out\n"
        "(the bars of a right model are level; the grey band is two standard errors wide on either side)",
        fontsize=12,
    )
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"Picture: {os.path.relpath(path)}")


def read_california(path: Path):
    """Return house values in 100,000 dollars, and what is known of each block group; rows with gaps are left out."""
    with gzip.open(path, "rt", newline="") as file:
        header, *rows = csv.reader(file)
    table = dict(zip(header, np.array([row for row in rows if "" not in row]).T, strict=True))
    place = table.pop("ocean_proximity")
    number = {name: values.astype(np.float64) for name, values in table.items()}
    X = [
        number["median_income"],
        number["housing_median_age"],
        number["total_rooms"] / number["households"],
        number["total_bedrooms"] / number["households"],
        np.log(number["population"]),
        np.log(number["population"] / number["households"]),
        number["longitude"],
        number["latitude"],
    ]
    X += [(place == level).astype(np.float64) for level in np.unique(place)[1:]]
    return np.column_stack(X), number["median_house_value"] / 1e5


def choose(title: str, X, y, path: Path) -> None:
    """Search, print and draw."""
    started = time.perf_counter()
    draw(title, print_ranking(f"{title}: {len(y)} x {X.shape[1]}", search(X, y)), X, y, path)
    print(f"{len(LIKELIHOODS)} likelihoods, two scales, five folds, twice: {time.perf_counter() - started:.0f} s.")


def main() -> None:
    """Let the diabetes data choose, and California's if they are there."""
    choose("Diabetes, progression", *load_diabetes(return_X_y=True), OUTPUT / "noise_models_diabetes.png")
    folder = os.environ.get("SKLEARN_MLE_DATA")
    if folder and (Path(folder) / CALIFORNIA).exists():
        X, y = read_california(Path(folder) / CALIFORNIA)
        choose("California, house values", X, y, OUTPUT / "noise_models_california.png")


if __name__ == "__main__":
    main()
