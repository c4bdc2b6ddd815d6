"""The outcome of a test, and how its statistic is turned into a p-value."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["HypothesisTest", "chi_squared_test", "likelihood_ratio_of"]


@dataclass(frozen=True)
class HypothesisTest:
    """The outcome of a test of a null hypothesis.

    Attributes
    ----------
    name : str
        Which test it is.
    statistic : float
        Chi-squared under the null hypothesis; or F, where ``df_resid`` is finite.
    df : float
        Degrees of freedom: the number of restrictions.
    p_value : float
    df_resid : float
        Of the F statistic's denominator; inf for chi-squared.
    """

    name: str
    statistic: float
    df: float
    p_value: float
    df_resid: float = math.inf

    def __repr__(self) -> str:
        finite = np.isfinite(self.df_resid)
        kind = f"F({self.df:g}, {self.df_resid:g})" if finite else f"chi2({self.df:g})"
        return f"{self.name}: {kind} = {self.statistic:.6g}, p = {self.p_value:.4g}"


def chi_squared_test(name: str, statistic: float, df: float, df_resid: float = math.inf) -> HypothesisTest:
    """Return the test of a chi-squared statistic; divided by df it is F where the dispersion was estimated."""
    if np.isfinite(df_resid):
        return HypothesisTest(name, statistic / df, df, float(stats.f.sf(statistic / df, df, df_resid)), df_resid)
    return HypothesisTest(name, statistic, df, float(stats.chi2.sf(statistic, df)))


def likelihood_ratio_of(name: str, statistic: float, df: float, n: float, df_resid: float) -> HypothesisTest:
    r"""Return the test of twice a difference of log-likelihoods; exactly F for least squares, where df_resid is finite.

    There the statistic is :math:`n \log(\mathrm{RSS}_0 / \mathrm{RSS}_1)`, an increasing function of F.
    """
    if np.isfinite(df_resid):
        statistic = float(np.expm1(statistic / n)) * df_resid
    return chi_squared_test(name, statistic, df, df_resid)
