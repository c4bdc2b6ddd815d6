"""Summaries of several models side by side, as papers print them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_mle.inference.summary import Summary, text_of
from sklearn_mle.inference.typesetting import aligned, html, latex, markdown

_FACTS = ("observations", "log-likelihood", "AIC", "BIC", "R2", "pseudo-R2 (McFadden)", "D2", "covariance")


@dataclass(frozen=True)
class SummaryComparison:
    """Several summaries side by side: estimates with their standard errors, and facts about each fit.

    Attributes
    ----------
    names : tuple of str
        Of the models.
    summaries : tuple of Summary
        One for each.
    stars : tuple of float
        Levels of p below which an estimate has a star more.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import compare_summaries
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GaussianMLERegressor().fit(X[["bmi", "bp"]], y)
    >>> smaller = GaussianMLERegressor().fit(X[["bmi"]], y)
    >>> table = compare_summaries(smaller, model, names=["BMI", "and pressure"])
    >>> table.names
    ('BMI', 'and pressure')
    """

    names: tuple[str, ...]
    summaries: tuple[Summary, ...]
    stars: tuple[float, ...]

    def to_frame(self) -> Any:
        """Return estimates and standard errors as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            Rows are parameters, columns pairs of a model's name and "estimate", "standard error" or "p"; nan where a
            model lacks the parameter.
        """
        import pandas as pd

        frames = [summary.to_frame() for summary in self.summaries]
        parts = [frame.iloc[:, [0, 1, 3]].set_axis(["estimate", "standard error", "p"], axis=1) for frame in frames]
        return pd.concat(parts, axis=1, keys=self.names).reindex(self._parameters())

    def to_markdown(self) -> str:
        """Return the table in Markdown.

        Returns
        -------
        str
            Facts about the fits are its last rows.
        """
        return markdown([*self._rows(), *self._facts()], [], self._notes())

    def to_html(self) -> str:
        """Return the table in HTML.

        Returns
        -------
        str
            One ``div``, as notebooks show it.
        """
        return html("", [*self._rows(), *self._facts()], [], self._notes())

    def to_latex(self) -> str:
        """Return the table in LaTeX.

        Returns
        -------
        str
            A ``tabular`` with the rules of the package booktabs.
        """
        return latex(self._rows(), self._facts(), self._notes())

    def __repr__(self) -> str:
        rows, facts = self._rows(), self._facts()
        head, *lines = aligned([*rows, *facts])
        rule = "-" * len(head)
        body, below = lines[: len(rows) - 1], lines[len(rows) - 1 :]
        return "\n".join(line.rstrip() for line in [rule, head, rule, *body, rule, *below, rule, *self._notes()])

    _repr_html_ = to_html

    def _parameters(self) -> list[str]:
        return list(dict.fromkeys(name for summary in self.summaries for name in summary.index))

    def _rows(self) -> list[list[str]]:
        """Return the cells: of each parameter a row of estimates, and one of standard errors in parentheses."""
        cells = [self._cells(summary) for summary in self.summaries]
        rows = [["", *self.names]]
        for name in self._parameters():
            rows.append([name, *(found.get(name, ("", ""))[0] for found in cells)])
            rows.append(["", *(found.get(name, ("", ""))[1] for found in cells)])
        return rows

    def _cells(self, summary: Summary) -> dict[str, tuple[str, str]]:
        _, *rows = summary.cells()
        p = np.asarray(summary.columns["p"])
        return {
            name: (row[1] + "*" * sum(value < level for level in self.stars), f"({row[2]})")
            for name, row, value in zip(summary.index, rows, p, strict=True)
        }

    def _facts(self) -> list[list[str]]:
        headers = [summary.header for summary in self.summaries]
        rows = [[fact, *(_fact(header.get(fact)) for header in headers)] for fact in _FACTS]
        return [row for row in rows if any(row[1:])]

    def _notes(self) -> list[str]:
        levels = ", ".join(f"{'*' * (k + 1)} p < {level:g}" for k, level in enumerate(self.stars))
        return [f"Standard errors in parentheses.{f' {levels}.' if levels else ''}"]


def _fact(value: Any) -> str:
    return "" if value is None or value != value else text_of(value)


def compare_summaries(
    *models: Any, names: Sequence[str] | None = None, stars: Sequence[float] = (0.05, 0.01, 0.001)
) -> SummaryComparison:
    r"""Return summaries of several models side by side.

    Each cell has the estimate, :math:`\hat\theta`, and below it its standard error.

    Parameters
    ----------
    *models : Inference, Summary or fitted estimator
        What ``infer`` returned, a summary of it (``summary(odds_ratios=True)``, say), or one of our estimators.
    names : sequence of str, default=None
        Of the models; None numbers them, "(1)", "(2)", ...
    stars : sequence of float, default=(0.05, 0.01, 0.001)
        An estimate has one star for each of these levels that its p-value, a probability, is below. None of them for
        a table without stars: ``()``.

    Returns
    -------
    SummaryComparison
        Prints as text and as HTML; ``to_frame``, ``to_latex``, ``to_markdown``.

    Raises
    ------
    ValueError
        If there is no model, or not one name for each.
    TypeError
        If a model has no summary.

    References
    ----------
    Gelman and Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, chapter 4.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import compare_summaries
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> small = GaussianMLERegressor().fit(X[["bmi"]], y)
    >>> large = GaussianMLERegressor().fit(X[["bmi", "bp"]], y)
    >>> compare_summaries(small, large, names=["bmi", "and bp"])
    ------------------------------------------
                             bmi        and bp
    ------------------------------------------
    intercept       -117.7734***  -203.6233***
                       (18.0189)     (22.2337)
    bmi               10.2331***     8.5190***
                        (0.6738)      (0.7047)
    log_scale          4.1331***     4.0918***
                        (0.0337)      (0.0337)
    bp                               1.3847***
                                      (0.2251)
    ------------------------------------------
    observations             442           442
    log-likelihood     -2454.019     -2435.744
    AIC                 4914.038      4879.488
    BIC                 4926.312      4895.853
    covariance           hessian       hessian
    ------------------------------------------
    Standard errors in parentheses. * p < 0.05, ** p < 0.01, *** p < 0.001.
    """
    if not models:
        raise ValueError("models: give at least one.")
    names = tuple(f"({k + 1})" for k in range(len(models))) if names is None else tuple(map(str, names))
    if len(names) != len(models):
        raise ValueError(f"names must have one entry for each of the {len(models)} models; got {len(names)}.")
    for model in models:
        if not (isinstance(model, Summary) or callable(getattr(model, "summary", None))):
            raise TypeError(
                f"models: a {type(model).__name__} has no summary; pass infer(estimator, X, y), or a summary."
            )
    summaries = tuple(model if isinstance(model, Summary) else model.summary() for model in models)
    return SummaryComparison(names, summaries, tuple(sorted(map(float, stars), reverse=True)))
