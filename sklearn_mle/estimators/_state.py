"""What a fit leaves on an estimator, set at once: a fit that fails leaves the one before as it was."""

from typing import Any


def publish(estimator: Any, state: dict[str, Any]) -> None:
    """Replace the state of an estimator's previous fit by this one, in one assignment."""
    stale = set(vars(estimator).get("_published", ()))
    kept = {name: value for name, value in vars(estimator).items() if name not in stale}
    estimator.__dict__ = {**kept, **state, "_published": tuple(state)}
