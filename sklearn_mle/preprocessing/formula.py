"""Columns made by a formula: factors, contrasts, splines and interactions, remembered from the fit."""

import ast
import functools
import re
import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_mle._numerics.arguments import argument_name, refuse_masked
from sklearn_mle._numerics.partitions import is_dask

# Rows that are transformed by themselves, to see that no column depends on the other rows; and how far roundings go.
_ALONE, _ROUNDINGS = 16, 1e-8
_INTERCEPT = "Intercept"
# A name that is no word of Python stands between these in a formula.
_QUOTED = re.compile("`([^`]*)`")
# Functions and operations whose result depends on numbers being integers.
_OF_INTEGERS = {"C", "hashed", "BitAnd", "BitOr", "BitXor", "LShift", "RShift", "Invert"}


class FormulaTransformer(TransformerMixin, BaseEstimator):
    r"""Columns from a formula, in the notation of R and statsmodels; needs ``formulaic``.

    ``a * b`` is ``a + b + a:b``; columns that do not hold numbers, and ``C(column)``, are factors, with contrasts
    against the first level (``C(g, contr.sum)``, ``C(g, contr.helmert)``, ``C(g, contr.treatment("b"))`` for others);
    ``bs(x, 4)``, ``cr(x, 4)`` and ``poly(x, 2)`` are splines and polynomials, ``np.log(x)`` and ``I(x**2)`` any
    expression. Booleans are the numbers 0 and 1; in R and statsmodels they are factors, as ``C(column)`` is here, which
    makes another model of ``treated:dose`` without ``dose``. Levels, knots and means are those of the fit. Inference
    shows the columns by their names, and effects and tests (``average_effects``, ``anova``) are of the columns of the
    frame.

    A factor of k levels has k - 1 columns, by default the indicators of all but the first level. Its product with
    another term has the products of their columns, so that ``group * age`` with coefficients :math:`\beta` is

    .. math:: \eta_i = \beta_0 + \sum_{l=2}^{k} (\beta_l + \gamma_l \, \mathrm{age}_i) \, [\mathrm{group}_i = l]
        + \beta_1 \mathrm{age}_i

    Parameters
    ----------
    formula : str
        Such as ``"C(group) * age + bs(bmi, 4)"``. A name on the left (``"y ~ age"``) is ignored, for y is given to the
        estimator; an expression there (``"log(y) ~ age"``) is refused. No column is made for the intercept, which is
        the estimator's own; a formula with ``- 1`` gives the first factor a column for each level, for an estimator
        without intercept. Names in it are columns and formulaic's functions. It is evaluated as Python code: use only
        formulas that you trust.

    Attributes
    ----------
    model_spec_ : formulaic.ModelSpec
        What formulaic remembers of the fit.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Names of the columns of X, shape (n_features,), if it was a frame.

    See Also
    --------
    sklearn_mle.inference.anova : Tests of the terms of a formula.

    Notes
    -----
    Numbers keep their unit; indicators and the columns of splines have none. Beyond the values of the fit, ``bs``
    continues its outermost polynomials, as R's. Columns must be functions of their
    own row: ``x - np.mean(x)`` is refused, ``center(x)`` remembers the mean.

    References
    ----------
    Wilkinson and Rogers (1973), Symbolic description of factorial models for analysis of variance, Applied Statistics
    22. Chambers and Hastie (1992), Statistical Models in S, chapter 2.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import anova
    >>> from sklearn_mle.preprocessing import FormulaTransformer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> X["sex"] = X["sex"].map({1: "a", 2: "b"})
    >>> terms = FormulaTransformer("sex * age + bs(bmi, 4)")
    >>> model = make_pipeline(terms, MLELogisticClassifier()).fit(X, y > 140)
    >>> model[0].get_feature_names_out()[:3].tolist()
    ['sex[T.b]', 'age', 'bs(bmi, 4)[1]']
    >>> anova(model, X, y > 140).index
    ('age', 'sex', 'bmi', 'age:sex')
    """

    def __init__(self, formula: str) -> None:
        self.formula = formula

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn levels, knots and other properties of the columns.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            The columns; those of an array are called x0, x1, ...
        y : object, default=None
            Not used.

        Returns
        -------
        FormulaTransformer
            This transformer.

        Raises
        ------
        ImportError
            If formulaic is not installed.
        ValueError
            If the formula is not valid, it names a column that X does not have, or a column has missing values.
        """
        frame = self._read(X, reset=True)
        formula = _parsed(self.formula, list(frame.columns))
        frame = _plain(frame, formula)
        made, spec = _made(formula, frame, self.formula, na_action="raise", output="numpy")
        self.model_spec_ = spec
        self._columns = np.array([k for k, name in enumerate(spec.column_names) if name != _INTERCEPT], dtype=np.intp)
        if not len(self._columns):
            raise ValueError(f"formula: {self.formula!r} makes no column besides the intercept; name a column of X.")
        self._levels = _levels(spec, frame)
        self._refuse_dependence(frame, made)
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the formula's columns.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            The columns that the transformer was fitted to.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
            Double precision, in the order of ``get_feature_names_out``.

        Raises
        ------
        ValueError
            If a factor has a level that did not occur in the fit, a value is missing, or a result is not finite.
        """
        check_is_fitted(self)
        return self._transformed(self._read(X, reset=False))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns, as formulaic writes them.

        Parameters
        ----------
        input_features : object, default=None
            Not used: the names are the formula's.

        Returns
        -------
        ndarray of str
            Such as ``"group[T.b]:age"``.
        """
        check_is_fitted(self)
        return np.array(self.model_spec_.column_names, dtype=object)[self._columns]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags

    def _read(self, X: Any, *, reset: bool) -> Any:
        """Return X as a pandas frame, whose rows are numbered."""
        _formulaic()
        import pandas

        refuse_masked(X=X)
        if is_dask(X):
            raise TypeError(
                "X comes from Dask, but formulas need all rows in memory: pass X.compute(), or some of the rows."
            )
        if not hasattr(X, "columns"):
            X = pandas.DataFrame(validate_data(self, X, reset=reset, dtype=None)).infer_objects()
            return X.set_axis([f"x{j}" for j in range(X.shape[1])], axis=1)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if not X.shape[0]:
            raise ValueError("X has no rows, and a minimum of 1 is required.")
        with argument_name("X"):
            if isinstance(X, pandas.DataFrame):
                return X.reset_index(drop=True).set_axis(list(map(str, X.columns)), axis=1)
            return pandas.DataFrame({name: np.asarray(X[name]) for name in X.columns})

    def _transformed(self, frame: Any) -> NDArray[np.float64]:
        frame = _plain(frame, self.model_spec_.formula)
        for name, levels in self._levels.items():
            unknown = set(frame[name].unique()).difference(levels)
            if unknown:
                raise ValueError(
                    f"X[{name!r}] has levels that did not occur in the fit: {_listed(unknown)}; known are "
                    f"{_listed(levels)}. Leave out such rows, or fit with rows of these levels."
                )
            kind, of_booleans = frame[name].dtype.kind, all(isinstance(level, bool | np.bool_) for level in levels)
            if kind in "biuf" and of_booleans != (kind == "b"):
                # True is the level 1 to Python, but none of the levels to pandas.
                frame[name] = frame[name].astype(bool if of_booleans else np.int64)
        return self._finite(_made(self.model_spec_, frame, self.formula)[0])

    def _finite(self, made: Any) -> NDArray[np.float64]:
        found = np.asarray(made, dtype=np.float64)[:, self._columns]
        wrong = ~np.isfinite(found).all(axis=0)
        if wrong.any():
            names = _listed(self.get_feature_names_out()[wrong])
            raise ValueError(f"X leads to values that are not finite in the formula's columns {names}.")
        return found

    def _refuse_dependence(self, frame: Any, made: Any) -> None:
        """Raise where a column is no function of its own row, which transform could not repeat on other rows."""
        whole, n = self._finite(made), len(frame)
        rows = np.unique(np.linspace(0, n - 1, min(_ALONE, n)).astype(np.intp))
        size = np.abs(whole).max(axis=0)
        for some in (rows[::2], rows[1::2]):
            if 0 < len(some) < n:
                try:
                    alone = self._transformed(frame.iloc[some].reset_index(drop=True))
                except ValueError as error:
                    raise ValueError(f"formula: {self.formula!r} cannot be evaluated on a part of the rows") from error
                moved = (np.abs(alone - whole[some]) > _ROUNDINGS * size).any(axis=0)
                if moved.any():
                    raise ValueError(
                        f"formula: the columns {_listed(self.get_feature_names_out()[moved])} depend on other "
                        "rows, so new rows would be transformed differently; use functions that remember the "
                        "fit, such as center(x), scale(x), bs(x, 4) or poly(x, 2)."
                    )


def _formulaic() -> Any:
    try:
        import formulaic
    except ImportError as missing:
        raise ImportError("FormulaTransformer needs formulaic: pip install 'sklearn-mle[formula]'.") from missing
    return formulaic


def _parsed(text: Any, names: list[Any]) -> Any:
    """Return the right-hand side of a formula."""
    formulaic = _formulaic()
    if not isinstance(text, str):
        raise TypeError(f"formula must be a string, such as 'C(group) * age'; got {text!r}.")
    try:
        formula = formulaic.Formula(text, _context={"__formulaic_variables_available__": names})
    except Exception as error:
        # The first paragraph says what is wrong; the second marks the place with a terminal's codes for colours.
        reason = str(error).split("\n\n")[0]
        raise ValueError(f"formula: {text!r} cannot be read. {reason}") from error
    if not hasattr(formula, "rhs"):
        sides = formula
    else:
        left = [factor for term in formula.lhs for factor in term.factors]
        if len(left) != 1 or left[0].eval_method.value != "lookup":
            raise ValueError(
                f"formula: {text!r} has a left-hand side, but y is passed to fit: leave it out, and pass the "
                "expression's values as y."
            )
        sides = formula.rhs
    if not isinstance(sides, formulaic.SimpleFormula):
        raise ValueError(f"formula: {text!r} has several parts, but only one is allowed.")
    return sides


def _factors(formula: Any) -> dict[Any, tuple[set[str], set[str]]]:
    """Return the names in each factor of a formula, and the kinds of operations and functions."""
    out: dict[Any, tuple[set[str], set[str]]] = {}
    # Not formula.required_variables: it leaves out what is named within functions that remember the fit, such as
    # bs(x, 4), and before formulaic 1.2.2 could not read quoted names there.
    for factor in {factor for term in formula for factor in term.factors}:
        if factor.eval_method.value == "lookup":
            out[factor] = {factor.expr}, set()
            continue
        nodes = list(ast.walk(ast.parse(_QUOTED.sub("_", factor.expr), mode="eval")))
        words = {node.id for node in nodes if isinstance(node, ast.Name)}
        out[factor] = words.union(_QUOTED.findall(factor.expr)), words.union(type(node).__name__ for node in nodes)
    return out


def _plain(frame: Any, formula: Any) -> Any:
    """Return the frame with the named columns as numpy's numbers, texts, or categories that occur.

    formulaic takes texts and numbers that may be missing for what they are not, and numbers among objects for levels.
    Numbers have double precision, for products and powers of short integers overflow; integers remain in what names
    levels after them, and in operations on their bits.

    Raises
    ------
    ValueError
        If a value is missing.
    """
    factors = _factors(formula).values()
    named = set().union(*(names for names, _ in factors))
    whole = set().union(*(names for names, words in factors if words & _OF_INTEGERS))
    names = [name for name in frame.columns if name in named]
    for name in names:
        if frame[name].isna().any():
            raise ValueError(
                f"X[{name!r}] has missing values (NaN), which a formula cannot use: leave such rows out, or impute."
            )
    return frame.assign(**{name: _plain_column(frame[name], name in whole) for name in names})


def _plain_column(column: Any, whole: bool) -> Any:
    if hasattr(column, "cat"):
        return column.cat.remove_unused_categories()  # levels that do not occur have no column
    if isinstance(column.dtype, np.dtype):
        column = column.infer_objects()
    elif column.dtype.kind in "biufOU":
        column = column.astype(column.dtype.numpy_dtype if column.dtype.kind in "biuf" else object)
    kind = column.dtype.kind
    if whole and kind in "iu":
        return column.astype(np.int64) if column.dtype.itemsize < 8 else column
    return column.astype(np.float64) if kind in "iuf" else column


def _made(source: Any, frame: Any, text: str, **options: Any) -> tuple[Any, Any]:
    """Return the matrix of a formula, or of what was remembered of it, and what formulaic remembers."""
    from formulaic.errors import DataMismatchWarning, FormulaicError
    from formulaic.transforms import TRANSFORMS

    @functools.wraps(TRANSFORMS["bs"])
    def bs(*args: Any, **kwargs: Any) -> Any:
        return TRANSFORMS["bs"](*args, **{"extrapolation": "extend", **kwargs})

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", DataMismatchWarning)
            matrix = source.get_model_matrix(frame, context={"bs": bs}, **options)
    except (FormulaicError, DataMismatchWarning, ValueError, TypeError) as error:
        names = ", ".join(map(str, frame.columns[:20]))
        raise ValueError(f"formula: {text!r} cannot be evaluated on X, whose columns are {names}. {error}") from error
    return matrix, matrix.model_spec


def _levels(spec: Any, frame: Any) -> dict[Any, list[Any]]:
    """Return the levels of the columns that are factors as they are."""
    out = {}
    for factor, variables in spec.factor_variables.items():
        levels = spec.encoder_state.get(factor.expr, (None, {}))[1].get("categories")
        names = [name for name in frame.columns if name in set(map(str, variables))]
        if levels is not None and len(names) == 1 and set(frame[names[0]].unique()) <= set(levels):
            out[names[0]] = list(levels)
    return out


def _listed(values: Any) -> str:
    values = sorted(map(str, values))
    return ", ".join(map(repr, values[:10])) + (", ..." if len(values) > 10 else "")
