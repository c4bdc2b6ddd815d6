"""Scipy's frozen distributions: the one place where private modules of ``scipy.stats`` are imported.

scipy has no public name for them. Our predictive distributions inherit them, so that whatever takes a frozen
distribution of scipy takes ours; the metrics recognize them.
"""

from typing import Any

from scipy.stats._distn_infrastructure import rv_continuous_frozen, rv_discrete_frozen, rv_frozen

__all__ = ["given_parameters", "rv_continuous_frozen", "rv_discrete_frozen", "rv_frozen"]


def given_parameters(frozen: Any) -> dict[str, Any]:
    """Return the parameters that a frozen distribution was given, by name."""
    names = [name.strip() for name in (frozen.dist.shapes or "").split(",") if name.strip()]
    return {**dict(zip([*names, "loc", "scale"], frozen.args, strict=False)), **frozen.kwds}
