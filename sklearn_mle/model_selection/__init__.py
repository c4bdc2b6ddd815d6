"""Comparison of estimators on the same folds, row by row, with the standard errors of their differences.

>>> from sklearn.datasets import load_iris
>>> from sklearn.dummy import DummyClassifier
>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn_mle.model_selection import compare
>>> X, y = load_iris(return_X_y=True)
>>> models = {
...     "logistic": LogisticRegression(max_iter=1000),
...     "frequencies": DummyClassifier(strategy="prior"),
... }
>>> compare(models, X, y).names
['logistic', 'frequencies']
"""

from sklearn_mle.model_selection.compare import compare
from sklearn_mle.model_selection.comparison import Comparison, JudgedModel, PairedDifference

__all__ = ["Comparison", "JudgedModel", "PairedDifference", "compare"]
