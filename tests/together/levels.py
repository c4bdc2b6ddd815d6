"""The options of this library and their levels: one table. A new option enters every combination by a line in it."""

from sklearn_mle.likelihoods import get_likelihood, likelihood_names
from tests.together.covering import Cell, covering_array, possible_cells

CLASSIFIERS = {"binary": 2, "classes": 3}
KINKED = ("laplace", "asymmetric_laplace")
COUNTED = ("poisson", "negative_binomial", "binomial")

LEVELS = {
    "model": (*likelihood_names(), *CLASSIFIERS),
    "predictors": ("constant", "known", "linear", "some columns", "constant df"),
    "intercept": (True, False),
    "prior": ("none", "gaussian", "gaussian on all", "firth", "class weight"),
    "offset": ("none", "rows", "parameters"),
    "weight": ("none", "frequency", "precision", "sampling"),
    "storage": ("dense", "float32", "csr", "frame", "memmap", "dask"),
    "target": ("plain", "soft", "counts"),
}


DISPERSED = {name for name in likelihood_names() if get_likelihood(name).dispersion_parameter is not None}


def has_dispersion(cell: Cell) -> bool:
    """Return whether the model has a dispersion."""
    return cell["model"] in DISPERSED


# Location and scale are separate problems, so that dividing a variance is weighting a row; or there is no scale.
OF_PRECISIONS = ("gaussian", "lognormal", "gamma", "inverse_gaussian", "tweedie")
WITHOUT_PEARSON = (
    "beta",
    "huber",
    "student_t",
    "skew_t",
    "gaussian_mixture",
    "logistic",
    "gumbel",
    "weibull",
    "lognormal",
    *KINKED,
)


def know_precisions(cell: Cell) -> bool:
    """Return whether weights can be precisions."""
    if not has_dispersion(cell):
        return True
    if cell["model"] == "negative_binomial":
        return cell["predictors"] == "known"
    return cell["model"] in OF_PRECISIONS and not is_modelled(cell)


def has_prior(cell: Cell) -> bool:
    """Return whether coefficients have a Gaussian prior."""
    return str(cell["prior"]).startswith("gaussian")


def is_modelled(cell: Cell) -> bool:
    """Return whether the dispersion depends on columns."""
    return has_dispersion(cell) and cell["predictors"] in ("linear", "some columns")


def words_of(cell: Cell) -> set[str]:
    """Return what a fitted cell is, in the words of the table of capabilities, by its levels alone."""
    classes = CLASSIFIERS.get(cell["model"])
    modelled = is_modelled(cell)
    return {
        "regressor" if classes is None else "classifier",
        "two classes" if classes == 2 else "",
        "several classes" if classes == 3 else "",
        "kink" if cell["model"] in KINKED else "smooth",
        "discrete" if classes or cell["model"] in COUNTED else "continuous",
        "firth" if cell["prior"] == "firth" else "no firth",
        "prior" if has_prior(cell) else "class_weight" if cell["prior"] == "class weight" else "unpenalized",
        "modelled scale" if modelled else "",
        "several predictors" if modelled or classes == 3 else "",
        "no dispersion" if modelled or cell["model"] in (*WITHOUT_PEARSON, "classes") else "",
        "" if cell["model"] == "gaussian" and not modelled else "no least squares",
        "" if know_precisions(cell) else "no precisions",
        f"weight_type={weight_type(cell)!r}",
    }


def weight_type(cell: Cell) -> str:
    """Return what the weights mean, where there are any."""
    return "frequency" if cell["weight"] == "none" else cell["weight"]


# Combinations that cannot be asked for.
MEANINGLESS = {
    "classes have no other parameters": lambda c: c["predictors"] != "constant" and c["model"] in CLASSIFIERS,
    "a known value is of a dispersion": lambda c: c["predictors"] == "known" and not has_dispersion(c),
    "without its only column and an intercept a location is nothing": lambda c: (
        c["predictors"] == "some columns" and not has_dispersion(c) and not c["intercept"]
    ),
    "degrees of freedom are Student's": lambda c: (
        c["predictors"] == "constant df" and c["model"] not in ("student_t", "skew_t")
    ),
    "Firth's prior and class weights are of classifiers": lambda c: (
        c["prior"] in ("firth", "class weight") and c["model"] not in CLASSIFIERS
    ),
    "a prior on all is on more than the location": lambda c: c["prior"] == "gaussian on all" and not is_modelled(c),
    "soft labels are of classifiers, fractions of binomial counts": lambda c: (
        c["target"] == "soft" and c["model"] not in (*CLASSIFIERS, "binomial")
    ),
    "an offset of each parameter is of more than one, and not of degrees of freedom": lambda c: (
        c["offset"] == "parameters" and (not has_dispersion(c) or c["predictors"] == "constant df")
    ),
    "counts of trials are binomial": lambda c: c["target"] == "counts" and c["model"] != "binomial",
}
# Combinations that fit refuses.
REFUSED = {
    "precisions that would move the location": lambda c: c["weight"] == "precision" and not know_precisions(c),
    "the scale of precisions needs the rows in memory": lambda c: (
        c["weight"] == "precision" and c["storage"] == "dask" and c["model"] in OF_PRECISIONS
    ),
    "kinks need all rows in one place": lambda c: c["storage"] == "dask" and c["model"] in KINKED,
    "kinks take an offset of the location": lambda c: c["offset"] == "parameters" and c["model"] in KINKED,
    "Firth's prior needs all rows in one place": lambda c: c["storage"] == "dask" and c["prior"] == "firth",
    "two columns of counts are not Dask's": lambda c: c["storage"] == "dask" and c["target"] == "counts",
}


RULES = (MEANINGLESS | REFUSED).values()


def possible(cell: Cell) -> bool:
    """Return whether a cell can be fitted."""
    return not any(rule(cell) for rule in RULES)


CELLS = possible_cells(LEVELS, possible)


def design(strength: int) -> list[Cell]:
    """Return the cells that are tested."""
    return covering_array(CELLS, strength)
