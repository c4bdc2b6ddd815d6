"""The classes of scipy's frozen distributions: the one place where private modules of ``scipy.stats`` are imported.

scipy has no public name for them. Our predictive distributions inherit them, so that whatever takes a frozen
distribution of scipy takes ours; the metrics recognize them.
"""

from scipy.stats._distn_infrastructure import rv_continuous_frozen, rv_discrete_frozen, rv_frozen

__all__ = ["rv_continuous_frozen", "rv_discrete_frozen", "rv_frozen"]
