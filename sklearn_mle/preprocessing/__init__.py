"""Transformers that precede an estimator: columns made by a formula, as in R."""

from sklearn_mle.preprocessing.formula import FormulaTransformer

__all__ = ["FormulaTransformer"]
