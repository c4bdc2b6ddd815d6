"""docs/defaults.md states the defaults of the signatures: each that is a choice, and none that is another one."""

import ast
import functools
import importlib
import inspect
import math
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "defaults.md"
RESULTS = {"Bootstrap", "Effects", "Inference"}  # classes that users do not make: their methods count


@functools.cache
def in_signatures():
    """Return every public default, (name of the function or method, parameter) -> value, and each name's package."""
    defaults, packages = {}, {}
    names = ("inference", "likelihoods", "metrics", "model_selection", "preprocessing", "displays")
    for package in ["sklearn_mle", *(f"sklearn_mle.{name}" for name in names)]:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            functions = {}
            if inspect.isfunction(value) or (inspect.isclass(value) and package.endswith(("mle", "likelihoods"))):
                functions[name] = value
            if inspect.isclass(value) and (package.endswith(("mle", "displays")) or name in RESULTS):
                # Methods of ours: scikit-learn's have scikit-learn's defaults, and set_..._request has no choice.
                for key, method in inspect.getmembers(value, callable):
                    ours = str(getattr(method, "__module__", "")).startswith("sklearn_mle")
                    if ours and not key.startswith(("_", "set_", "plot")):
                        functions[f"{name}.{key}"] = method
            for path, function in functions.items():
                packages[path] = package.rpartition(".")[2]
                for parameter in inspect.signature(function).parameters.values():
                    if parameter.default is not parameter.empty:
                        defaults[path, parameter.name] = parameter.default
    return defaults, packages


@functools.cache
def on_page():
    """Return what the tables state, (name, parameter) -> value, a package standing for what it holds."""
    defaults, packages = in_signatures()
    stated = {}
    for row in re.findall(r"^\| (`.*?) \| (`.*?) \|", PAGE.read_text(), flags=re.MULTILINE):
        entries, owners = (re.findall(r"`([^`]+)`", cell) for cell in row)
        for name, _, text in (entry.partition("=") for entry in entries):
            number = {"inf": math.inf, "-inf": -math.inf}
            value = number[text] if text in number else ast.literal_eval(text)
            for owner in owners:
                own = [path for path, argument in defaults if packages[path] == owner and argument == name]
                for path in own or [owner]:
                    stated.setdefault((path, name), value)
    return stated


def test_what_the_page_states_is_so():
    defaults, _ = in_signatures()
    stated = on_page()
    assert len(stated) > 100
    assert {key: value for key, value in stated.items() if defaults.get(key, "no such parameter") != value} == {}


def test_every_default_that_is_a_choice_is_on_the_page():
    defaults, _ = in_signatures()
    names_only = {"name", "x_name", "residual_name"}  # of what is drawn
    chosen = {key for key, value in defaults.items() if value is not None and key[1] not in names_only}
    assert sorted(chosen - set(on_page())) == []
