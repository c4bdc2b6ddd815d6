"""What linear predictors may be called: their names become fitted attributes, and the names of parameters."""

from collections.abc import Iterator

from sklearn_mle.likelihoods._base import Likelihood

__all__ = ["RESERVED", "name_problems"]

# With an underscore behind, what a fit publishes of every model; and the name that the intercept has in inference.
RESERVED = frozenset(
    [
        "classes",
        "coef",
        "condition_number",
        "df",
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
        "scale_coef",
        "scale_intercept",
        "status",
    ]
)


def name_problems(likelihood: Likelihood) -> Iterator[str]:
    """Yield what is wrong with the names of a likelihood's linear predictors."""
    names = likelihood.predictor_names
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
        yield f"predictor_names must be a tuple of names, one per linear predictor; it is {names!r}."
        return
    if len(set(names)) < len(names):
        yield f"predictor_names must differ from each other; they are {names!r}."
    for name in names:
        if name in RESERVED:
            yield f"predictor_names holds {name!r}, but a fitted model has {name}_ of its own; give it another name."
        elif not name.isidentifier() or name.startswith("_"):
            yield f"predictor_names holds {name!r}, of which no attribute {name}_ can be made; use letters and digits."
        elif name == "scale" and likelihood.second is not None:
            yield (
                "predictor_names holds 'scale', but the second predictor of a likelihood with second = "
                f"{likelihood.second!r} gives scale_; call the predictor log_scale, or leave second None."
            )
