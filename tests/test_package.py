"""What the distribution promises as a whole: one version, types, a light import, documented public names."""

import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

import sklearn_mle

ROOT = Path(__file__).parents[1]
PUBLIC_MODULES = [
    "sklearn_mle",
    "sklearn_mle.displays",
    "sklearn_mle.estimators",
    "sklearn_mle.exceptions",
    "sklearn_mle.inference",
    "sklearn_mle.likelihoods",
    "sklearn_mle.meta_estimators",
    "sklearn_mle.metrics",
    "sklearn_mle.model_selection",
    "sklearn_mle.preprocessing",
]


def modules_after(code: str) -> set[str]:
    """Top-level modules loaded in a fresh interpreter that ran ``code`` with every network connection refused."""
    script = f"""
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("a connection was attempted")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
{code}
print(*{{name.partition(".")[0] for name in sys.modules}})
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_the_version_is_stated_once_and_agrees_everywhere():
    assert importlib.metadata.version("sklearn-mle") == sklearn_mle.__version__
    citation = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert citation and citation[1] == sklearn_mle.__version__
    latest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert latest and latest[1] == sklearn_mle.__version__


def test_core_dependencies_are_three():
    requirements = importlib.metadata.requires("sklearn-mle") or []
    core = {re.split(r"[^\w-]", line)[0] for line in requirements if "extra ==" not in line}
    assert core == {"numpy", "scipy", "scikit-learn"}


def test_the_package_is_marked_as_typed():
    assert (Path(sklearn_mle.__file__).parent / "py.typed").is_file()


def test_the_package_itself_imports_neither_numpy_nor_scikit_learn():
    assert modules_after("import sklearn_mle").isdisjoint({"numpy", "scipy", "sklearn"})


def test_the_public_modules_add_no_optional_dependency_and_no_network():
    # scikit-learn imports pandas on its own where that is installed.
    packages = modules_after("""
import sklearn.linear_model, sklearn.model_selection
before = {name.partition(".")[0] for name in sys.modules}
import sklearn_mle.displays, sklearn_mle.likelihoods, sklearn_mle.preprocessing
sklearn_mle.displays.PITDisplay, sklearn_mle.preprocessing.FormulaTransformer("a")
for name in [name for name in sys.modules if name.partition(".")[0] in before]:
    del sys.modules[name]
""")
    assert "sklearn_mle" in packages and "sklearn" not in packages
    optional = {"dask", "formulaic", "matplotlib", "pandas", "polars", "pyarrow", "statsmodels", "torch"}
    assert packages.isdisjoint(optional)


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_public_names_exist_and_are_documented(module_name):
    module = importlib.import_module(module_name)
    assert module.__doc__, f"{module_name} has no docstring"
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert value.__doc__, f"{module_name}.{name} has no docstring"
        if inspect.isclass(value):
            for method_name, method in inspect.getmembers(value, inspect.isroutine):
                assert method_name.startswith("_") or inspect.getdoc(method), f"{name}.{method_name} has no docstring"


def test_names_are_listed_by_dir_and_unknown_ones_are_refused():
    assert set(sklearn_mle.__all__) <= set(dir(sklearn_mle))
    assert sklearn_mle.MLELogisticClassifier is importlib.import_module("sklearn_mle.estimators").MLELogisticClassifier
    with pytest.raises(AttributeError, match="no attribute 'MLEnothing'"):
        _ = sklearn_mle.MLEnothing


def test_every_parameter_of_both_logistic_estimators_stands_in_the_drop_in_table():
    table = (ROOT / "docs" / "classification.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    for estimator in (LogisticRegression(), sklearn_mle.MLELogisticClassifier()):
        assert set(estimator.get_params()) <= documented


def test_every_room_stands_on_a_floor_of_the_architecture():
    package = Path(sklearn_mle.__file__).parent
    packages = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    documented = set(re.findall(r"`(\w+)/?`", (ROOT / "docs" / "architecture.md").read_text()))
    assert packages - {"__init__"} <= documented
