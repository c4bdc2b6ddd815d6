"""How sample weights and offsets reach fit, through pipelines and searches; refused where they would be forgotten."""

from typing import Any

from sklearn import get_config
from sklearn.pipeline import Pipeline

from sklearn_mle.metrics._responses import takes

__all__ = ["fit_keywords"]


def fit_keywords(name: str, estimator: Any, arguments: tuple[str, ...]) -> dict[str, str]:
    """The keyword of ``estimator.fit`` for each of ``arguments``.

    Under metadata routing the names are passed as they are, and scikit-learn insists that they are requested. Without
    it the last step of a pipeline, and what a search searches, is asked.

    Raises
    ------
    TypeError
        If fit does not take an argument: a comparison of models that saw it with one that did not would be unfair.
    """
    if get_config().get("enable_metadata_routing"):
        return {argument: argument for argument in arguments}
    prefix, final = "", estimator
    while True:
        if isinstance(final, Pipeline):
            prefix, final = f"{prefix}{final.steps[-1][0]}__", final.steps[-1][1]
        elif hasattr(final, "cv") and hasattr(final, "refit") and hasattr(final, "estimator"):
            final = final.estimator  # a search hands what its fit is given to the fit of what it searches
        else:
            break
    for argument in arguments:
        if not takes(getattr(final, "fit", None), argument):
            raise TypeError(
                f"{argument} was given, but fit of {name!r} ({type(final).__name__}) takes none: it would be fitted "
                f"without, and compared with models fitted with it. Leave {name!r} out, or {argument}."
            )
    return {argument: prefix + argument for argument in arguments}
