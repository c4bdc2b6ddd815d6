"""The API reference is complete: every public name says what it computes, of what shape and unit, with what errors.

numpydoc validates the form; the checks below add what this project asks for: a formula, its source, the unit, and an
example that runs (``make doctest`` runs it).
"""

import dataclasses
import importlib
import inspect
import re

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate
from sklearn.base import BaseEstimator

import sklearn_mle

# What numpydoc may find without it being a fault here. Of form: GL01 to GL03, where the text starts, and blank lines;
# RT02, a name before the type ("self : Estimator"); RT03, RT05, PR09 and SS06, how descriptions end and wrap. Of
# content: ES01, SA01 and SA04, an extended summary and what to see also, are not always of use; examples (EX01) are
# asked for below.
NO_FAULTS = {"GL01", "GL02", "GL03", "RT02", "RT03", "RT05", "PR09", "SS06", "ES01", "SA01", "SA04", "EX01"}

# These compute nothing, so they have no formula, unit or source.
NO_NUMBER = {
    "check_likelihood",
    "get_likelihood",
    "get_scorer",
    "get_scorer_names",
    "likelihood_names",
    "make_probabilistic_scorer",
}
UNIT = re.compile(r"\bnats?\b|\bunits?\b|\bprobabilit|\bbetween 0 and 1\b", re.IGNORECASE)
SHAPE = re.compile(r"\bshape|\bfloat\b|\(n")


def public_names():
    """Return each public class, function or instance once, by the first module that offers it."""
    found = {}
    for package in ["sklearn_mle", *(f"sklearn_mle.{package}" for package in sorted(sklearn_mle._PACKAGES))]:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if name != "__version__" and not (value.__module__ or "").startswith("sklearn."):
                found.setdefault(id(value), pytest.param(value, name, id=f"{package}.{name}"))
    return list(found.values())


def public_methods():
    """Return each public method that this library documents once, by the class whose docstring it is."""
    found = {}
    for value in (parameter.values[0] for parameter in public_names()):
        owners = [owner for owner in getattr(value, "__mro__", ()) if owner.__module__.startswith("sklearn_mle.")]
        for owner in owners:
            for name, member in vars(owner).items():
                function = getattr(member, "__func__", member)
                if inspect.isfunction(function) and function.__doc__ and not name.startswith("_"):
                    found.setdefault(function, f"{owner.__module__}.{owner.__qualname__}.{name}")
    return list(found.values())


def faults(path, excused=frozenset()):
    return [f"{code}: {text}" for code, text in validate(path)["errors"] if code not in NO_FAULTS | excused]


def missing(doc, *wanted):
    has = {
        "an example": ">>>" in doc,
        "a formula": ".. math::" in doc or ":math:" in doc,
        "a source": "References" in doc,
        "a unit": UNIT.search(doc),
        "shapes": SHAPE.search(doc),
        "errors": "Raises\n" in doc,
    }
    return [what for what in wanted if not has[what]]


@pytest.mark.parametrize(("value", "name"), public_names())
def test_a_public_name_is_documented(value, name):
    doc = inspect.getdoc(value)
    path = f"{value.__module__}.{getattr(value, '__qualname__', name)}"
    if inspect.isclass(value) and issubclass(value, Warning):
        assert not faults(path) + missing(doc, "an example")
    elif inspect.isclass(value) and issubclass(value, BaseEstimator):
        assert not faults(path) + missing(doc, "an example", "a formula", "a source", "a unit", "shapes")
    elif inspect.isclass(value) and value.__name__.endswith("Display"):
        assert not faults(path) + missing(doc, "an example")
    elif inspect.isclass(value):
        # A result: the function that returns it has the formula. Users read its attributes and do not make it.
        documented = set(re.findall(r"\w+", " ".join(entry.name for entry in get_doc_object(value)["Attributes"])))
        fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
        assert not {field.name for field in fields if not field.name.startswith("_")} - documented
        assert not faults(path, excused={"PR01"}) + missing(doc, "an example")
    elif inspect.isfunction(value):
        wanted = ["an example"] if name in NO_NUMBER else ["an example", "a formula", "a source", "a unit", "shapes"]
        wanted += ["errors"] if inspect.signature(value).parameters else []
        assert not faults(path) + missing(doc, *wanted)
    else:
        inherited = {base.__doc__ for base in type(value).__mro__[1:]}
        assert value.__doc__ not in inherited, "an instance needs a docstring of its own, or its class does"
        assert not missing(doc, "an example", "a formula", "a unit")


@pytest.mark.parametrize("path", public_methods())
def test_a_public_method_is_documented(path):
    # All methods of likelihoods have the same arguments: the class Likelihood explains them once.
    of_a_likelihood = path.startswith("sklearn_mle.likelihoods.")
    assert not faults(path, excused={"PR01", "RT01"} if of_a_likelihood else frozenset())
