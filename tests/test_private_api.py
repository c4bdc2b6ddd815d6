"""The private API of other packages that this library uses: a new release that changes it fails here first.

docs/architecture.md says what each is for. A private name that is not listed here is not to be used.
"""

import ast
from importlib import import_module
from pathlib import Path

import pytest
import sklearn
from sklearn.utils.fixes import parse_version

import sklearn_mle
from sklearn_mle.estimators._scikit_learn import CallbackSupportMixin

ROOT = Path(sklearn_mle.__file__).parent

# Each name, and the files that import it.
PRIVATE = {
    "scipy.stats._distn_infrastructure.rv_continuous_frozen": {"_numerics/scipy_frozen.py"},
    "scipy.stats._distn_infrastructure.rv_discrete_frozen": {"_numerics/scipy_frozen.py"},
    "scipy.stats._distn_infrastructure.rv_frozen": {"_numerics/scipy_frozen.py"},
    "sklearn.base._fit_context": {"estimators/_scikit_learn.py"},
    "sklearn.metrics._scorer._BaseScorer": {"metrics/probabilistic_scorers.py"},
    "sklearn.utils._param_validation.Interval": {"estimators/_scikit_learn.py"},
    "sklearn.utils._param_validation.StrOptions": {"estimators/_scikit_learn.py"},
    "sklearn.utils._safe_indexing": {"meta_estimators/_cross_fit.py", "model_selection/compare.py"},
    "sklearn.utils.metaestimators._safe_split": {"meta_estimators/_cross_fit.py", "model_selection/compare.py"},
    "sklearn.utils.validation._check_sample_weight": {"inference/scikit_learn.py", "inference/separation.py"},
}


def private_imports(path):
    """Yield the dotted private names of other packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [node.module] if isinstance(node, ast.ImportFrom) else []
        names = [f"{module}.{alias.name}" for module in modules for alias in node.names]
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if not name.startswith("sklearn_mle.") and any(part.startswith("_") for part in name.split(".")[1:]):
                yield name


def test_no_other_private_name_is_imported():
    for path in ROOT.rglob("*.py"):
        for name in private_imports(path):
            assert path.relative_to(ROOT).as_posix() in PRIVATE.get(name, set()), f"{path} imports {name}"


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_name_exists(name):
    module, _, attribute = name.rpartition(".")
    assert hasattr(import_module(module), attribute)


@pytest.mark.skipif(parse_version(sklearn.__version__) < parse_version("1.9"), reason="callbacks came with 1.9")
def test_the_private_method_of_callbacks_exists():
    assert hasattr(CallbackSupportMixin, "_init_callback_context")
