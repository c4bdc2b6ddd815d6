"""What the parameters of a distribution may be called: their names become fitted attributes, and those of inference."""

from collections.abc import Iterator

from sklearn_mle.likelihoods._base import LINKS, Likelihood

__all__ = ["RESERVED", "name_problems"]

# With an underscore behind, what a fit publishes of every model; and the name that the intercept has in inference.
RESERVED = frozenset(
    [
        "classes",
        "coef",
        "condition_number",
        "df_model",
        "df_resid",
        "feature_names_in",
        "gap",
        "intercept",
        "log_likelihood",
        "n_features_in",
        "n_iter",
        "n_obs",
        "n_passes",
        "parameters",
        "scale_coef",
        "scale_intercept",
        "status",
    ]
)


def name_problems(likelihood: Likelihood) -> Iterator[str]:
    """Yield what is wrong with the names of a likelihood's parameters, and with what it declares of them."""
    names, links = likelihood.parameter_names, likelihood.links
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
        yield f"parameter_names must be a tuple of names, one per linear predictor; it is {names!r}."
        return
    if not isinstance(links, tuple) or len(links) != len(names) or not set(links) <= set(LINKS):
        yield f"links must be a tuple of {len(names)}, one per parameter, of {sorted(LINKS)}; it is {links!r}."
        return
    if len(set(names)) < len(names):
        yield f"parameter_names must differ from each other; they are {names!r}."
    for name in names:
        if name in RESERVED:
            yield f"parameter_names holds {name!r}, but a fitted model has {name}_ of its own; give it another name."
        elif not name.isidentifier() or name.startswith("_"):
            yield f"parameter_names holds {name!r}, of which no attribute {name}_ can be made; use letters and digits."
    dispersion = likelihood.dispersion_parameter
    if dispersion is not None and (dispersion not in names[1:2] or links[names.index(dispersion)] != "log"):
        yield (
            f"dispersion_parameter is {dispersion!r}, which must be the second of parameter_names, with the link "
            f"'log'; the parameters are {names!r}, with the links {links!r}."
        )
