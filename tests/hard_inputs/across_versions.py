"""Fitted estimators, pickled under one version of scikit-learn and loaded under another: ``make test-pickles``.

``python -m tests.hard_inputs.across_versions dump FILE`` writes them with what they say; ``load FILE`` reads them,
where only scikit-learn's own InconsistentVersionWarning may come, and compares.
"""

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from tests.hard_inputs.fitted import ESTIMATORS, X, fitted, target


def said(name, model):
    """What a fitted estimator says that needs no data of the fit."""
    answers = {"predict": np.asarray(model.predict(X), dtype=float), "status": model.status_.name}
    answers["log_likelihood"] = model.log_likelihood(X, target(name))
    if model._fitted.retained.curvature is not None:
        answers["standard_errors"] = model.standard_errors()
    return answers


def dump(path):
    models = {name: fitted(name) for name in ESTIMATORS}
    whole = {name: (pickle.dumps(model), said(name, model)) for name, model in models.items()}
    path.write_bytes(pickle.dumps((sklearn.__version__, whole)))
    print(f"{len(whole)} estimators written with scikit-learn {sklearn.__version__}")


def load(path):
    written, whole = pickle.loads(path.read_bytes())
    for name, (data, expected) in whole.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = pickle.loads(data)
        others = [str(one.message) for one in caught if one.category is not InconsistentVersionWarning]
        assert not others, f"{name}: {others}"
        found = said(name, model)
        assert found.keys() == expected.keys(), name
        for what, value in expected.items():
            if isinstance(value, str):
                assert found[what] == value, (name, what)
            else:
                np.testing.assert_allclose(found[what], value, rtol=1e-12, err_msg=f"{name}: {what}")
    print(f"{len(whole)} estimators of scikit-learn {written} loaded with {sklearn.__version__}")


if __name__ == "__main__":
    {"dump": dump, "load": load}[sys.argv[1]](Path(sys.argv[2]))
